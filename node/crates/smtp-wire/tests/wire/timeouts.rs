//! Deadlines, with time as a parameter, and the end of a node.

use std::time::Duration;

use crate::harness::{Session, config};
use smtp_wire::{CloseReason, Event, Profile, limits};

#[test]
fn a_command_is_waited_for_from_when_the_session_waits() {
    let session = Session::new(config(Profile::Smtp));
    let later = session.now + Duration::from_secs(60);
    assert_eq!(session.server.deadline(later), later + limits::COMMAND_TIMEOUT);
}

#[test]
fn dripping_a_line_does_not_move_its_deadline() {
    let mut session = Session::new(config(Profile::Smtp));
    let begun = session.now;
    for byte in b"NOOP" {
        session.send(&[*byte]);
        session.now += Duration::from_secs(60);
    }
    assert_eq!(session.server.deadline(session.now), begun + limits::COMMAND_TIMEOUT);
    session.send(b"\r\n");
    assert_eq!(
        session.server.deadline(session.now),
        session.now + limits::COMMAND_TIMEOUT
    );
}

#[test]
fn dripping_a_message_has_an_end() {
    let mut session = Session::new(config(Profile::Smtp));
    session.send(b"HELO a\r\nMAIL FROM:<>\r\nRCPT TO:<postmaster>\r\nDATA\r\n");
    let begun = session.now;
    assert_eq!(session.server.deadline(begun), begun + limits::DATA_TIMEOUT);
    session.now += limits::MESSAGE_TIMEOUT - Duration::from_secs(1);
    session.send(b"x");
    assert_eq!(session.server.deadline(session.now), begun + limits::MESSAGE_TIMEOUT);
}

#[test]
fn silence_ends_with_421() {
    let mut session = Session::new(config(Profile::Smtp));
    session.server.time_out();
    session.server.time_out();
    assert_eq!(session.server.next_event(), Some(Event::Closed(CloseReason::TimedOut)));
    assert_eq!(session.server.next_event(), None);
    assert_eq!(session.output(), "421 4.4.2 nothing was heard for too long\r\n");
}

#[test]
fn a_node_that_shuts_down_finishes_the_message_under_way() {
    let mut session = Session::new(config(Profile::Smtp));
    session.send(b"HELO a\r\nMAIL FROM:<>\r\nRCPT TO:<postmaster>\r\nDATA\r\n");
    session.server.shut_down();
    assert_eq!(session.send(b"x\r\n"), "");
    assert_eq!(
        session.send(b".\r\n"),
        "250 2.0.0 delivered as 4f2a\r\n421 4.3.2 this node is shutting down, another one takes over\r\n"
    );
    assert_eq!(session.closed, Some(CloseReason::ShuttingDown));
}

#[test]
fn a_client_that_is_locked_out_finishes_the_message_under_way() {
    let mut session = Session::new(config(Profile::Smtp));
    session.send(b"HELO a\r\nMAIL FROM:<>\r\nRCPT TO:<postmaster>\r\nDATA\r\n");
    session.server.lock_out();
    assert_eq!(session.send(b"x\r\n"), "");
    assert_eq!(
        session.send(b".\r\nNOOP\r\n"),
        "250 2.0.0 delivered as 4f2a\r\n421 4.7.0 the account was closed or its password changed, log in again\r\n"
    );
    assert_eq!(session.closed, Some(CloseReason::LockedOut));
}
