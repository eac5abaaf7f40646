//! DATA: what ends it, what is refused within it, and that nothing is smuggled through it.

use crate::harness::{Session, config, play};
use smtp_wire::{Fault, Profile};

const ENVELOPE: &[u8] = b"HELO a\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<user1@demo.test>\r\nDATA\r\n";

fn in_data() -> Session {
    let mut session = Session::new(config(Profile::Smtp));
    let said = session.send(ENVELOPE);
    assert!(said.contains("\r\n354 "), "{said}");
    session
}

#[test]
fn no_false_end_of_data_lets_a_second_message_through() {
    for false_end in [
        "\n.\n",
        "\r\n.\n",
        "\n.\r\n",
        "\r.\r",
        "\r.\r\n",
        "\r\n\0.\r\n",
        "\r\n.\0\r\n",
        "\r\n.\r\r\n",
        "\n\n.\r\n",
        "\r\n.\r.\r\n",
        "\r\r\n.\r",
    ] {
        let mut session = in_data();
        let smuggled = format!(
            "Subject: first\r\n\r\nbody{false_end}MAIL FROM:<evil@b.example>\r\nRCPT TO:<user2@demo.test>\r\nDATA\r\n\
             second\r\n.\r\nNOOP\r\n"
        );
        let said = session.send(smuggled.as_bytes());
        assert_eq!(session.delivered, [], "{false_end:?}");
        assert_eq!(session.faults.len(), 1, "{false_end:?}");
        let replies: Vec<&str> = said.lines().collect();
        assert_eq!(replies.len(), 2, "{false_end:?}: {said}");
        assert!(replies[0].starts_with("550 5.6.0 "), "{said}");
        assert_eq!(replies[1], "250 2.0.0 ok");
    }
}

#[test]
fn each_kind_of_bad_byte_is_named() {
    for (message, fault, text) in [
        (
            "a\nb\r\n.\r\n",
            Fault::BareLf,
            "550 5.6.0 the message has a line feed without a carriage return\r\n",
        ),
        (
            "a\rb\r\n.\r\n",
            Fault::BareCr,
            "550 5.6.0 the message has a carriage return without a line feed\r\n",
        ),
        ("a\0b\r\n.\r\n", Fault::Nul, "550 5.6.0 the message has a NUL byte\r\n"),
    ] {
        let mut session = in_data();
        assert_eq!(session.send(message.as_bytes()), text);
        assert_eq!(session.faults, [fault]);
        assert_eq!(session.delivered, []);
    }
}

#[test]
fn a_message_over_the_size_is_swallowed_and_refused() {
    let mut session = in_data();
    let message = "x".repeat(60) + "\r\n";
    assert_eq!(session.send(message.repeat(40).as_bytes()), "");
    assert_eq!(session.faults, [Fault::TooLarge]);
    let said = session.send(b".\r\nMAIL FROM:<>\r\n");
    assert_eq!(
        said,
        "552 5.3.4 the message is larger than this server takes\r\n250 2.1.0 sender ok\r\n"
    );
}

#[test]
fn a_message_of_just_the_size_is_taken() {
    let mut session = in_data();
    session.send(("x".repeat(1_998) + "\r\n.\r\n").as_bytes());
    let facts = session.delivered[0].facts;
    assert_eq!((facts.bytes, facts.long_lines), (2_000, 1));
}

#[test]
fn stuffed_dots_do_not_count() {
    let mut session = in_data();
    session.send(("..\r\n".repeat(600) + ".\r\n").as_bytes());
    assert_eq!(session.delivered[0].facts.bytes, 1_800);
}

#[test]
fn a_message_in_a_loop_is_refused() {
    let mut roomy = config(Profile::Smtp);
    roomy.message_bytes_max = 1 << 20;
    for (fields, is_taken) in [(50, true), (51, false)] {
        let mut session = Session::new(roomy.clone());
        session.send(ENVELOPE);
        let header = "Received: by a\r\n".repeat(fields);
        let said = session.send(format!("{header}\r\nReceived: quoted\r\n.\r\n").as_bytes());
        assert_eq!(said.starts_with("250 "), is_taken, "{said}");
        assert_eq!(said.starts_with("554 5.4.6 "), !is_taken, "{said}");
    }
}

#[test]
fn a_session_that_cannot_store_refuses_before_the_data() {
    let mut session = Session::new(config(Profile::Smtp));
    session.can_store = false;
    let said = session.send(ENVELOPE);
    assert!(
        said.ends_with("\r\n451 4.3.0 not stored for now, try later\r\n"),
        "{said}"
    );
    session.can_store = true;
    assert!(session.send(b"DATA\r\n").starts_with("354 "));
}

#[test]
fn a_message_streams_through_in_pieces() {
    let mut roomy = config(Profile::Smtp);
    roomy.message_bytes_max = 8 << 20;
    let mut session = Session::new(roomy);
    session.send(ENVELOPE);
    let message = ("x".repeat(70) + "\r\n").repeat(50_000);
    session.send(message.as_bytes());
    assert!(session.chunks > 40);
    session.send(b".\r\n");
    assert_eq!(session.delivered[0].bytes, message.as_bytes());
}

#[test]
fn rset_inside_the_data_is_data() {
    let session = play(
        config(Profile::Smtp),
        "C: HELO a
         S: 250 ...
         C: MAIL FROM:<a@b.example>
         S: 250 ...
         C: RCPT TO:<user1@demo.test>
         S: 250 ...
         C: DATA
         S: 354 ...
         C: RSET
         C: .
         S: 250 ...
         C: RSET
         S: 250 2.0.0 ok",
    );
    assert_eq!(session.delivered[0].bytes, b"RSET\r\n");
    assert_eq!(session.resets, 0);
}
