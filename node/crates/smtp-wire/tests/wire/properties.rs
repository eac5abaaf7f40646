//! What holds for any bytes, cut in any way.

use std::time::Instant;

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use smtp_wire::{AuthPolicy, Config, Event, Profile, Server, Tls, replies};

fn any_config() -> impl Strategy<Value = Config> {
    let profiles = prop_oneof![Just(Profile::Smtp), Just(Profile::Lmtp), Just(Profile::Submission)];
    let tls = prop_oneof![Just(Tls::Absent), Just(Tls::Offered), Just(Tls::Active)];
    let auth = prop_oneof![
        Just(AuthPolicy::Offered),
        Just(AuthPolicy::AfterTls),
        Just(AuthPolicy::Hidden)
    ];
    (profiles, tls, auth).prop_map(|(profile, tls, auth)| Config {
        profile,
        host: "n1.demo.test".to_owned(),
        message_bytes_max: 300,
        tls,
        auth,
    })
}

/// Pieces that lead deep into the machine, and any bytes between.
fn any_input() -> impl Strategy<Value = Vec<u8>> {
    let words = prop::sample::select(vec![
        &b"EHLO a\r\n"[..],
        b"LHLO a\r\n",
        b"HELO a\r\n",
        b"MAIL FROM:<>\r\n",
        b"MAIL FROM:<a@b.example> SIZE=9\r\n",
        b"RCPT TO:<\"a b\"@c.example>\r\n",
        b"RCPT TO:<postmaster>\r\n",
        b"DATA\r\n",
        b"BDAT 5\r\n",
        b"BDAT 3 LAST\r\n",
        b"BDAT 0 LAST\r\n",
        b"BDAT 301\r\n",
        b"RSET\r\n",
        b"NOOP\r\n",
        b"STARTTLS\r\n",
        b"AUTH PLAIN AGFubgBkZW1v\r\n",
        b"AUTH LOGIN\r\n",
        b"YW5u\r\n",
        b"*\r\n",
        b".",
        b"..",
        b"\r",
        b"\n",
        b"\r\n",
        b"\r\n.\r\n",
        b"\0",
        b"Received: x\r\n",
        b"QUIT\r\n",
    ]);
    let piece = prop_oneof![
        8 => words.prop_map(<[u8]>::to_vec),
        1 => prop::collection::vec(any::<u8>(), 0..40),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// Runs the machine over `input` in pieces of `cuts` bytes in turn; chunks that follow each other are joined.
fn run(config: &Config, input: &[u8], cuts: &[usize]) -> (Vec<Event>, Vec<u8>) {
    let now = Instant::now();
    let mut server = Server::new(config.clone(), now);
    let mut events: Vec<Event> = Vec::new();
    let mut output = BytesMut::new();
    let mut rest = input;
    let mut cuts = cuts.iter().cycle();
    while !rest.is_empty() {
        let end = (*cuts.next().unwrap()).min(rest.len());
        let taken = server.receive(&rest[..end], now);
        rest = &rest[taken..];
        while let Some(event) = server.next_event() {
            answer(&mut server, &event);
            join(&mut events, event);
        }
        output.extend_from_slice(&server.take_output());
        if taken == 0 {
            break;
        }
    }
    (events, output.to_vec())
}

fn answer(server: &mut Server, event: &Event) {
    match event {
        Event::Mail(_) | Event::Rcpt(_) | Event::DataStart | Event::Auth { .. } => server.accept().unwrap(),
        // A negotiation would have to be cut out of the input; refusing keeps what follows comparable.
        Event::StartTls => server.refuse(replies::tls_unavailable()).unwrap(),
        Event::DataEnd(_) => while server.conclude(&replies::delivered("x")).unwrap() > 0 {},
        Event::Hello(_) | Event::Chunk(_) | Event::DataRefused(_) | Event::Reset | Event::Quit | Event::Closed(_) => {}
    }
}

fn join(events: &mut Vec<Event>, event: Event) {
    match (events.last_mut(), event) {
        (Some(Event::Chunk(last)), Event::Chunk(next)) => *last = Bytes::from([&last[..], &next[..]].concat()),
        // How much of a message was handed out before it failed depends on how it was cut, and nothing hangs on it.
        (Some(Event::Chunk(_)), Event::DataRefused(fault)) => {
            events.pop();
            events.push(Event::DataRefused(fault));
        }
        (_, event) => events.push(event),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_cutting_of_any_input_gives_the_same_events_and_replies(
        config in any_config(),
        input in any_input(),
        cuts in prop::collection::vec(1_usize..50, 1..8),
    ) {
        let whole = run(&config, &input, &[usize::MAX]);
        prop_assert_eq!(run(&config, &input, &cuts), whole.clone());
        prop_assert_eq!(run(&config, &input, &[1]), whole);
    }

    #[test]
    fn what_is_stuffed_comes_out_as_it_was(
        lines in prop::collection::vec("[.]{0,3}[ -~]{0,20}", 0..12),
        cuts in prop::collection::vec(1_usize..50, 1..8),
    ) {
        let config = Config {
            profile: Profile::Smtp,
            host: "n1.demo.test".to_owned(),
            message_bytes_max: 10_000,
            tls: Tls::Absent,
            auth: AuthPolicy::Hidden,
        };
        let message: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        let stuffed: String = lines
            .iter()
            .map(|line| if line.starts_with('.') { format!(".{line}\r\n") } else { format!("{line}\r\n") })
            .collect();
        let input = format!("HELO a\r\nMAIL FROM:<>\r\nRCPT TO:<postmaster>\r\nDATA\r\n{stuffed}.\r\nQUIT\r\n");
        let (events, _) = run(&config, input.as_bytes(), &cuts);
        let received: Vec<u8> = events
            .iter()
            .filter_map(|event| match event {
                Event::Chunk(bytes) => Some(bytes.to_vec()),
                _ => None,
            })
            .flatten()
            .collect();
        prop_assert_eq!(received, message.as_bytes());
        prop_assert_eq!(events.last(), Some(&Event::Quit));
    }

    #[test]
    fn replies_are_lines_of_printable_ascii(config in any_config(), input in any_input()) {
        let (_, output) = run(&config, &input, &[7]);
        for line in output.split_inclusive(|byte| *byte == b'\n') {
            prop_assert!(line.ends_with(b"\r\n") && line.len() <= 512);
            prop_assert!(line[..3].iter().all(u8::is_ascii_digit));
            prop_assert!(line[..line.len() - 2].iter().all(|byte| matches!(byte, b' '..=b'~')));
        }
    }
}
