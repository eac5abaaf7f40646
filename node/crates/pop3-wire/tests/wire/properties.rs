//! What holds for any bytes, cut in any way.

use crate::harness::{Session, config};
use pop3_wire::{Config, CrlfSize, PasswordPolicy, Tls};
use proptest::prelude::*;

/// Pieces that lead deep into the machine, and any bytes between.
fn any_input() -> impl Strategy<Value = Vec<u8>> {
    let words = prop::sample::select(vec![
        &b"USER ann\r\n"[..],
        b"USER busy\r\n",
        b"PASS demo\r\n",
        b"PASS x\r\n",
        b"USER ann\r\nPASS demo\r\n",
        b"AUTH PLAIN AGFubgBkZW1v\r\n",
        b"AUTH PLAIN\r\n",
        b"*\r\n",
        b"CAPA\r\n",
        b"STAT\r\n",
        b"LIST\r\n",
        b"LIST 1\r\n",
        b"UIDL\r\n",
        b"UIDL 2\r\n",
        b"RETR 1\r\n",
        b"RETR 2\r\n",
        b"TOP 1 1\r\n",
        b"DELE 1\r\n",
        b"DELE 2\r\n",
        b"RSET\r\n",
        b"NOOP\r\n",
        b"QUIT\r\n",
        b"\r",
        b"\n",
        b"\0",
        b" ",
    ]);
    let piece = prop_oneof![
        8 => words.prop_map(<[u8]>::to_vec),
        1 => prop::collection::vec(any::<u8>(), 0..300),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

fn any_message() -> impl Strategy<Value = Vec<u8>> {
    let words = prop::sample::select(vec![
        &b"\r"[..],
        b"\n",
        b"\r\n",
        b".",
        b"..",
        b"a",
        b"A: b",
        b"\0",
        b"\xFF",
        b"\r\n.\r\n",
    ]);
    prop::collection::vec(words, 0..30).prop_map(|words| words.concat())
}

fn any_config() -> impl Strategy<Value = Config> {
    let tls = prop_oneof![Just(Tls::Absent), Just(Tls::Active)];
    let passwords = prop_oneof![4 => Just(PasswordPolicy::Offered), 1 => Just(PasswordPolicy::AfterTls)];
    (tls, passwords).prop_map(|(tls, passwords)| Config {
        tls,
        passwords,
        ..config()
    })
}

fn size_of(message: &[u8]) -> u64 {
    let mut size = CrlfSize::new();
    size.push(message);
    size.finish()
}

/// The plain meaning of DESIGN M10, over the whole message at once.
fn crlf_form(message: &[u8]) -> Vec<u8> {
    let text: String = message.iter().copied().map(char::from).collect();
    let unix = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut form = unix.replace('\n', "\r\n");
    if !form.is_empty() && !form.ends_with("\r\n") {
        form.push_str("\r\n");
    }
    form.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect()
}

/// What a client makes of a multi-line reply (RFC 1939 3).
fn unstuff(reply: &[u8]) -> Option<Vec<u8>> {
    let mut message = Vec::new();
    let mut rest = reply;
    loop {
        let end = rest.windows(2).position(|pair| pair == b"\r\n")? + 2;
        let (line, after) = rest.split_at(end);
        rest = after;
        match line {
            b".\r\n" => return rest.is_empty().then_some(message),
            [b'.', line @ ..] | line => message.extend_from_slice(line),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_cutting_of_any_input_gives_the_same_replies_and_deletions(
        config in any_config(),
        input in any_input(),
        messages in prop::collection::vec(any_message(), 2),
        cuts in prop::collection::vec(1_usize..50, 1..8),
    ) {
        let messages: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
        let run = |cuts: &[usize]| {
            let mut session = Session::new(config.clone(), &messages);
            session.step = cuts[0];
            let (mut said, mut rest, mut cuts) = (Vec::new(), &input[..], cuts.iter().cycle());
            while !rest.is_empty() {
                let (piece, after) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
                said.extend(session.send(piece));
                rest = after;
            }
            (said, session.committed, session.closed, session.has_quit)
        };
        let whole = run(&[usize::MAX]);
        prop_assert_eq!(run(&cuts), whole.clone());
        prop_assert_eq!(run(&[1]), whole);
    }

    #[test]
    fn a_client_gets_the_crlf_form_and_as_many_octets_as_are_listed(
        message in any_message(),
        step in 1_usize..20,
    ) {
        let mut session = Session::logged_in(&[&message]);
        session.step = step;
        let reply = session.send(b"RETR 1\r\n");
        let status = format!("+OK {} octets\r\n", size_of(&message));
        let body = reply.strip_prefix(status.as_bytes());
        let received = body.and_then(unstuff);
        prop_assert_eq!(received.as_deref(), Some(&crlf_form(&message)[..]));
        prop_assert_eq!(size_of(&message), crlf_form(&message).len() as u64);
    }

    #[test]
    fn top_sends_a_beginning_of_the_message(message in any_message(), lines in 0_u64..6, step in 1_usize..20) {
        let mut session = Session::logged_in(&[&message]);
        session.step = step;
        let reply = session.send(format!("TOP 1 {lines}\r\n").as_bytes());
        let body = reply.strip_prefix(b"+OK top of message follows\r\n".as_slice());
        let received = body.and_then(unstuff).unwrap();
        let whole = crlf_form(&message);
        prop_assert!(whole.starts_with(&received));
        let header = match whole.windows(4).position(|four| four == b"\r\n\r\n") {
            _ if whole.starts_with(b"\r\n") => 2,
            Some(at) => at + 4,
            None => whole.len(),
        };
        let body_lines = received.get(header..).unwrap_or_default().windows(2).filter(|two| two == b"\r\n").count();
        prop_assert!(received.len() >= header);
        prop_assert!(received.len() == whole.len() || body_lines as u64 == lines);
        prop_assert!(body_lines as u64 <= lines);
    }

    #[test]
    fn a_prefix_and_a_body_may_be_counted_apart(
        prefix in prop::collection::vec("[a-z]{1,5}: [a-z]{0,5}\r\n", 0..4),
        body in any_message(),
    ) {
        let prefix = prefix.concat().into_bytes();
        let together = size_of(&[&prefix[..], &body[..]].concat());
        prop_assert_eq!(size_of(&prefix) + size_of(&body), together);
    }
}
