//! BDAT (RFC 3030).

use crate::harness::{Session, config, go_on, play};
use smtp_wire::{CloseReason, Fault, Profile, limits};

fn with_recipient(profile: Profile) -> Session {
    let mut session = Session::new(config(profile));
    let hello = if profile == Profile::Lmtp { "LHLO" } else { "EHLO" };
    session.send(format!("{hello} a\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<user1@demo.test>\r\n").as_bytes());
    session
}

#[test]
fn chunks_make_one_message_and_dots_in_them_are_nothing_special() {
    let mut session = with_recipient(Profile::Smtp);
    go_on(
        &mut session,
        "C: BDAT 7
         C: .\\r\\n..
         S: 250 2.0.0 7 octets received
         C: BDAT 0
         S: 250 2.0.0 0 octets received
         C: BDAT 3 LAST
         C- \\r\\n.
         S: 250 2.0.0 delivered as 4f2a
         C: BDAT 1 LAST
         C- x
         S: 503 5.5.1 MAIL comes first",
    );
    assert_eq!(session.delivered[0].bytes, b".\r\n..\r\n\r\n.");
}

#[test]
fn an_empty_last_chunk_ends_the_message() {
    let mut session = with_recipient(Profile::Smtp);
    go_on(
        &mut session,
        "C: BDAT 3
         C: x
         S: 250 2.0.0 3 octets received
         C: BDAT 0 LAST
         S: 250 2.0.0 delivered as 4f2a
         C: MAIL FROM:<>
         C: RCPT TO:<user1@demo.test>
         C: BDAT 0 LAST
         S: 250 ...
         S: 250 ...
         S: 250 2.0.0 delivered as 4f2a",
    );
    assert_eq!(session.delivered[0].bytes, b"x\r\n");
    assert_eq!(session.delivered[1].bytes, b"");
}

#[test]
fn octets_follow_even_a_refused_chunk() {
    let session = play(
        config(Profile::Smtp),
        "C: EHLO a
         C: BDAT 6
         C: QUIT
         C: MAIL FROM:<a@b.example>
         C: BDAT 6 LAST
         C: QUIT
         C: RCPT TO:<user1@demo.test>
         S: 250-...
         S: 250-...
         S: 250-...
         S: 250-...
         S: 250-...
         S: 250 ...
         S: 503 5.5.1 MAIL comes first
         S: 250 ...
         S: 503 5.5.1 no valid recipients
         S: 250 2.1.5 ...",
    );
    assert!(!session.has_quit);
}

#[test]
fn a_bare_line_end_in_a_chunk_fails_the_message_and_smuggles_nothing() {
    for (bytes, fault) in [
        ("a\\nb\\n", Fault::BareLf),
        ("a\\rb\\n", Fault::BareCr),
        ("a\\0b\\n", Fault::Nul),
    ] {
        let mut session = with_recipient(Profile::Smtp);
        go_on(
            &mut session,
            &format!(
                "C: BDAT 4
                 C- {bytes}
                 C: BDAT 6
                 C: QUIT
                 C: BDAT 3 LAST
                 C: x
                 C: NOOP
                 S: 550 5.6.0 ...
                 S: 550 5.6.0 ...
                 S: 550 5.6.0 ...
                 S: 250 2.0.0 ok
                 C: MAIL FROM:<>
                 S: 250 2.1.0 ..."
            ),
        );
        assert_eq!(session.faults, [fault]);
        assert_eq!(session.delivered, []);
    }
}

#[test]
fn a_line_end_may_lie_across_two_chunks() {
    let mut session = with_recipient(Profile::Smtp);
    go_on(
        &mut session,
        "C: BDAT 2
         C- x\\r
         S: 250 ...
         C: BDAT 1 LAST
         C- \\n
         S: 250 2.0.0 delivered...",
    );
    assert_eq!(session.delivered[0].bytes, b"x\r\n");
    let mut session = with_recipient(Profile::Smtp);
    go_on(
        &mut session,
        "C: BDAT 2 LAST
         C- x\\r
         S: 550 5.6.0 the message has a carriage return without a line feed",
    );
}

#[test]
fn a_chunk_too_large_by_its_word_is_swallowed_and_refused() {
    let mut session = with_recipient(Profile::Smtp);
    let said = session.send(b"BDAT 2001\r\n");
    assert_eq!(said, "");
    assert_eq!(session.faults, [Fault::TooLarge]);
    let said = session.send(&[b'x'; 2001]);
    assert_eq!(said, "552 5.3.4 the message is larger than this server takes\r\n");
    let said = session.send(b"BDAT 1 LAST\r\nxMAIL FROM:<>\r\n");
    assert!(
        said.starts_with("552 5.3.4 ") && said.ends_with("250 2.1.0 sender ok\r\n"),
        "{said}"
    );
}

#[test]
fn chunks_add_up_to_the_size() {
    let mut session = with_recipient(Profile::Smtp);
    session.send(b"BDAT 1500\r\n");
    session.send(&[b'x'; 1500]);
    let said = session.send(&[b"BDAT 501 LAST\r\n", &[b'x'; 501][..]].concat());
    assert!(said.starts_with("552 5.3.4 "), "{said}");
    assert_eq!(session.delivered, []);
}

#[test]
fn rset_gives_a_message_up_between_chunks() {
    let mut session = with_recipient(Profile::Smtp);
    go_on(
        &mut session,
        "C: BDAT 3
         C: x
         S: 250 ...
         C: DATA
         S: 503 5.5.1 the message has begun with BDAT
         C: RCPT TO:<user2@demo.test>
         S: 503 5.5.1 the message has begun with BDAT
         C: RSET
         S: 250 2.0.0 ok
         C: BDAT 3 LAST
         C: x
         S: 503 5.5.1 MAIL comes first",
    );
    assert_eq!((session.resets, session.delivered.len()), (1, 0));
}

#[test]
fn a_session_that_cannot_store_refuses_every_chunk() {
    let mut session = with_recipient(Profile::Smtp);
    session.can_store = false;
    go_on(
        &mut session,
        "C: BDAT 3
         C: x
         C: BDAT 3 LAST
         C: y
         S: 451 4.3.0 ...
         S: 451 4.3.0 ...
         C: MAIL FROM:<>
         S: 250 2.1.0 ...",
    );
}

#[test]
fn a_chunk_without_a_readable_size_ends_the_connection() {
    let mut session = with_recipient(Profile::Smtp);
    go_on(
        &mut session,
        "C: BDAT lots LAST
         C: MAIL FROM:<evil@b.example>
         S: 501 5.5.4 expected BDAT size [LAST]",
    );
    assert_eq!(session.closed, Some(CloseReason::BadChunkSize));
}

#[test]
fn endless_refused_chunks_end_the_connection() {
    let mut session = with_recipient(Profile::Smtp);
    session.send(format!("BDAT {}\r\n", u64::MAX).as_bytes());
    let piece = vec![b'x'; 1 << 20];
    for _ in 0..=limits::DISCARDED_BYTES_MAX >> 20 {
        session.send(&piece);
    }
    assert_eq!(session.closed, Some(CloseReason::TooMuchDiscarded));
}

#[test]
fn lmtp_answers_for_each_recipient_after_the_last_chunk() {
    let mut session = with_recipient(Profile::Lmtp);
    go_on(
        &mut session,
        "C: RCPT TO:<late@demo.test>
         S: 250 ...
         C: BDAT 3
         C: x
         S: 250 2.0.0 3 octets received
         C: BDAT 3 LAST
         C: y
         S: 250 2.0.0 delivered...
         S: 451 4.3.0 ...",
    );
}
