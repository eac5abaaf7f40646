//! What happens at each limit of a connection.

use crate::harness::{Session, config};
use smtp_wire::{CloseReason, Profile, limits};

fn smtp() -> Session {
    let mut session = Session::new(config(Profile::Smtp));
    session.send(b"HELO a\r\n");
    session
}

#[test]
fn an_overlong_command_is_refused_and_the_next_one_read() {
    let mut session = smtp();
    let longest = format!("NOOP {}\r\n", "x".repeat(limits::COMMAND_BYTES_MAX - 7));
    assert_eq!(session.send(longest.as_bytes()), "250 2.0.0 ok\r\n");
    let longer = format!("NOOP {}\r\nNOOP\r\n", "x".repeat(limits::COMMAND_BYTES_MAX - 6));
    assert_eq!(
        session.send(longer.as_bytes()),
        "500 5.5.2 the line is too long\r\n250 2.0.0 ok\r\n"
    );
    assert_eq!(session.send(&[b'x'; 200_000]), "");
    assert_eq!(
        session.send(b"\r\nNOOP\r\n"),
        "500 5.5.2 the line is too long\r\n250 2.0.0 ok\r\n"
    );
}

#[test]
fn one_recipient_too_many_is_for_another_transaction() {
    let mut session = smtp();
    session.send(b"MAIL FROM:<>\r\n");
    for at in 0..limits::RECIPIENTS_MAX {
        let said = session.send(format!("RCPT TO:<u{at}@demo.test>\r\n").as_bytes());
        assert!(said.starts_with("250 2.1.5 "), "{said}");
    }
    assert!(session.send(b"RCPT TO:<more@demo.test>\r\n").starts_with("452 4.5.3 "));
    session.send(b"DATA\r\n.\r\n");
    assert_eq!(session.delivered[0].recipients.len(), limits::RECIPIENTS_MAX);
}

#[test]
fn too_many_errors_end_the_connection() {
    let mut session = smtp();
    let said = session.send(&b"RCPT TO:<a@b.example>\r\n".repeat(limits::ERRORS_MAX as usize + 5));
    assert_eq!(said.matches("503 5.5.1 ").count(), limits::ERRORS_MAX as usize + 1);
    assert!(said.ends_with("421 4.7.0 too many errors\r\n"), "{said}");
    assert_eq!(session.closed, Some(CloseReason::TooManyErrors));
    assert_eq!(session.send(b"NOOP\r\n"), "");
}

#[test]
fn chunks_without_a_transaction_are_errors_too() {
    let mut session = smtp();
    session.send(&b"BDAT 1\r\nx".repeat(limits::ERRORS_MAX as usize + 1));
    assert_eq!(session.closed, Some(CloseReason::TooManyErrors));
}

#[test]
fn a_few_unknown_commands_end_the_connection() {
    let mut session = smtp();
    session.send(&b"User-Agent: x\r\n".repeat(limits::UNKNOWN_COMMANDS_MAX as usize));
    assert_eq!(session.closed, None);
    session.send(b"Host: x\r\n");
    assert_eq!(session.closed, Some(CloseReason::TooManyErrors));
}

#[test]
fn guessing_names_ends_the_connection() {
    let mut session = smtp();
    session.send(b"MAIL FROM:<>\r\n");
    session.send(&b"RCPT TO:<nobody@demo.test>\r\n".repeat(limits::REFUSED_RECIPIENTS_MAX as usize));
    assert_eq!(session.closed, None);
    session.send(b"RCPT TO:<nobody@demo.test>\r\n");
    assert_eq!(session.closed, Some(CloseReason::TooManyRefusedRecipients));
}

#[test]
fn commands_that_lead_nowhere_are_bounded_between_messages() {
    let mut session = smtp();
    let most = b"NOOP\r\n".repeat(limits::FRUITLESS_COMMANDS_MAX as usize - 1);
    session.send(&most);
    session.send(b"MAIL FROM:<>\r\nRCPT TO:<user1@demo.test>\r\nDATA\r\n.\r\n");
    session.send(&most);
    assert_eq!(session.closed, None);
    session.send(b"NOOP\r\nRSET\r\n");
    assert_eq!(session.closed, Some(CloseReason::TooManyCommands));
}

#[test]
fn a_connection_has_a_last_transaction() {
    let mut session = smtp();
    for _ in 0..limits::TRANSACTIONS_MAX {
        session.send(b"MAIL FROM:<>\r\nRCPT TO:<user1@demo.test>\r\nDATA\r\n.\r\n");
    }
    assert_eq!(session.closed, None);
    assert!(
        session
            .send(b"MAIL FROM:<>\r\n")
            .starts_with("421 4.7.0 too many transactions")
    );
    assert_eq!(session.delivered.len(), limits::TRANSACTIONS_MAX as usize);
}

#[test]
fn endless_refused_data_ends_the_connection() {
    let mut session = smtp();
    session.send(b"MAIL FROM:<>\r\nRCPT TO:<user1@demo.test>\r\nDATA\r\n");
    let piece = vec![b'x'; 1 << 20];
    for _ in 0..=limits::DISCARDED_BYTES_MAX >> 20 {
        session.send(&piece);
    }
    assert_eq!(session.closed, Some(CloseReason::TooMuchDiscarded));
}
