//! The TRANSACTION and UPDATE states.

use crate::harness::{Commit, Session, play};
use pop3_wire::{CloseReason, Event, Maildrop, Refusal, WrongAnswer};

const FIRST: &[u8] = b"A: b\r\n\r\n.dot\nline\rend";
const SECOND: &[u8] = b"C: d\r\n\r\none\r\ntwo\r\nthree\r\n";

fn two() -> Session {
    Session::logged_in(&[FIRST, SECOND])
}

#[test]
fn sizes_and_ids_are_listed_for_all_and_for_one() {
    play(
        two(),
        "C: STAT
         S: +OK 2 50
         C: LIST
         S: +OK list follows
         S: 1 25
         S: 2 25
         S: .
         C: LIST 2
         S: +OK 2 25
         C: UIDL
         S: +OK list follows
         S: 1 id-1
         S: 2 id-2
         S: .
         C: UIDL 1
         S: +OK 1 id-1
         C: NOOP
         S: +OK
         C: LIST 3
         S: -ERR no such message
         C: UIDL 0
         S: -ERR no such message",
    );
}

#[test]
fn a_message_is_sent_in_its_crlf_form_with_dots_stuffed() {
    let mut session = two();
    for step in [1, 2, 5, 100] {
        session.step = step;
        session = play(
            session,
            "C: RETR 1
             S: +OK 25 octets
             S: A: b
             S: ...
             S: ..dot
             S: line
             S: end
             S: .",
        );
    }
}

#[test]
fn top_sends_the_header_and_so_many_lines_and_reads_no_further() {
    let mut session = two();
    session.step = 1;
    let session = play(
        session,
        "C: TOP 2 0
         S: +OK top of message follows
         S: C: d
         S: ...
         S: .
         C: TOP 2 2
         S: +OK top of message follows
         S: C: d
         S: ...
         S: one
         S: two
         S: .
         C: TOP 2 9
         S: +OK top of message follows
         S: C: d
         S: ...
         S: one
         S: two
         S: three
         S: .
         C: TOP 3 1
         S: -ERR no such message",
    );
    // Up to the CR that ends the last line asked for, three times.
    assert_eq!(session.pieces_read, 7 + 17 + SECOND.len());
}

#[test]
fn marked_messages_are_hidden_until_rset() {
    let session = play(
        two(),
        "C: DELE 1
         S: +OK message 1 marked as deleted
         C: DELE 1
         S: -ERR the message is marked as deleted
         C: RETR 1
         S: -ERR the message is marked as deleted
         C: TOP 1 0
         S: -ERR the message is marked as deleted
         C: STAT
         S: +OK 1 25
         C: LIST
         S: +OK ...
         S: 2 25
         S: .
         C: UIDL
         S: +OK ...
         S: 2 id-2
         S: .
         C: RSET
         S: +OK 2 messages (50 octets)
         C: LIST 1
         S: +OK 1 25
         C: QUIT
         S: +OK goodbye",
    );
    assert_eq!(session.committed, None);
    assert!(session.has_quit);
}

#[test]
fn pipelined_commands_are_answered_in_their_order() {
    let session = play(
        two(),
        "C: LIST
         C: DELE 2
         C: RETR 1
         C: STAT
         C: QUIT
         C: STAT
         S: +OK list follows
         S: 1 25
         S: 2 25
         S: .
         S: +OK message 2 marked as deleted
         S: +OK 25 octets
         S: A: b
         S: ...
         S: ..dot
         S: line
         S: end
         S: .
         S: +OK 1 25
         S: +OK 1 messages deleted, goodbye",
    );
    assert_eq!(session.committed, Some(vec![1]));
    assert!(session.has_quit);
}

#[test]
fn a_commit_that_failed_is_said_to_have_failed() {
    let mut session = two();
    session.commit = Commit::Fails;
    let session = play(
        session,
        "C: DELE 1
         S: +OK ...
         C: QUIT
         S: -ERR [SYS/TEMP] no message was deleted, try later",
    );
    assert!(session.has_quit);
}

#[test]
fn a_commit_of_unknown_outcome_is_answered_by_silence() {
    let mut session = two();
    session.commit = Commit::Uncertain;
    let mut session = play(
        session,
        "C: DELE 1
         S: +OK ...",
    );
    assert_eq!(session.send(b"QUIT\r\n"), b"");
    assert_eq!(session.closed, Some(CloseReason::BySession));
    assert!(!session.has_quit);
}

#[test]
fn a_message_that_breaks_off_is_never_ended() {
    let mut session = two();
    session.breaks_off = true;
    let said = session.send(b"RETR 1\r\nNOOP\r\n");
    assert_eq!(said, b"+OK 25 octets\r\nA: ");
    assert_eq!(session.closed, Some(CloseReason::BySession));
}

#[test]
fn a_message_that_cannot_be_read_is_refused() {
    let mut session = two();
    session.server.receive(b"RETR 1\r\n", session.now);
    let event = session.server.next_event();
    assert_eq!(event, Some(Event::Retrieve { index: 0, lines: None }));
    session.server.refuse(Refusal::Temporary).unwrap();
    let said = session.send(b"NOOP\r\n");
    assert_eq!(said, b"-ERR [SYS/TEMP] not possible for now, try later\r\n+OK\r\n");
}

#[test]
fn an_answer_that_fits_no_question_changes_nothing() {
    let mut session = two();
    let server = &mut session.server;
    assert_eq!(server.log_in(Maildrop::new()), Err(WrongAnswer));
    assert_eq!(server.begin_message(), Err(WrongAnswer));
    assert_eq!(server.push_message(b"x"), Err(WrongAnswer));
    assert_eq!(server.end_message(), Err(WrongAnswer));
    assert_eq!(server.committed(), Err(WrongAnswer));
    assert_eq!(server.accept_tls(), Err(WrongAnswer));
    assert_eq!(server.tls_started(session.now), Err(WrongAnswer));
    assert_eq!(server.refuse(Refusal::Temporary), Err(WrongAnswer));
    server.receive(b"TOP 1 5\r\n", session.now);
    assert_eq!(
        server.next_event(),
        Some(Event::Retrieve {
            index: 0,
            lines: Some(5)
        })
    );
    assert_eq!(server.committed(), Err(WrongAnswer));
    assert_eq!(server.log_in(Maildrop::new()), Err(WrongAnswer));
    assert_eq!(server.begin_message(), Ok(()));
    assert_eq!(server.begin_message(), Err(WrongAnswer));
    assert_eq!(session.send(b"STAT\r\n"), b"+OK top of message follows\r\n");
    session.server.end_message().unwrap();
    assert_eq!(session.send(b""), b".\r\n+OK 2 50\r\n");
}
