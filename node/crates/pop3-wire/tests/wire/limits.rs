//! What happens at each limit of a connection, and deadlines with time as a parameter.

use std::time::Duration;

use crate::harness::{Session, config, play};
use pop3_wire::{CloseReason, Event, Maildrop, limits};

fn open() -> Session {
    Session::new(config(), &[])
}

#[test]
fn an_overlong_command_is_refused_and_the_next_one_read() {
    let mut session = open();
    let longest = format!("USER {}\r\n", "x".repeat(limits::COMMAND_BYTES_MAX - 7));
    assert_eq!(session.send(longest.as_bytes()), b"+OK send the password\r\n");
    let longer = format!("USER {}\r\nQUIT\r\n", "x".repeat(limits::COMMAND_BYTES_MAX - 6));
    assert_eq!(
        session.send(longer.as_bytes()),
        b"-ERR the line is too long\r\n+OK goodbye\r\n"
    );
}

#[test]
fn a_long_response_is_taken_up_to_the_limit() {
    let mut session = open();
    let long = "A".repeat(limits::COMMAND_BYTES_MAX + 1);
    let said = session.send(format!("AUTH PLAIN {long}\r\n").as_bytes());
    assert_eq!(said, b"-ERR the response does not have the form of its mechanism\r\n");
    let too_long = "A".repeat(limits::AUTH_LINE_BYTES_MAX);
    let said = session.send(format!("AUTH PLAIN\r\n{too_long}\r\n").as_bytes());
    assert_eq!(said, b"+ \r\n-ERR the line is too long\r\n");
}

#[test]
fn lines_end_with_crlf_and_nothing_less() {
    play(
        open(),
        "C- QUIT\\n
         S: -ERR command lines end with CR LF
         C: USER\\rann
         S: -ERR a command holds no control characters
         C- \\n
         S: -ERR command lines end with CR LF",
    );
}

#[test]
fn too_many_errors_end_the_connection() {
    let mut session = open();
    let said = session.send(&b"STAT\r\n".repeat(limits::ERRORS_MAX as usize + 5));
    let said = String::from_utf8(said).unwrap();
    assert_eq!(
        said.matches("-ERR log in first").count(),
        limits::ERRORS_MAX as usize + 1
    );
    assert!(said.ends_with("-ERR too many errors\r\n"));
    assert_eq!(session.closed, Some(CloseReason::TooManyErrors));
    assert_eq!(session.send(b"QUIT\r\n"), b"");
}

#[test]
fn a_few_unknown_commands_end_the_connection() {
    let mut session = open();
    session.send(&b"User-Agent: x\r\n".repeat(limits::UNKNOWN_COMMANDS_MAX as usize));
    assert_eq!(session.closed, None);
    session.send(b"Host: x\r\n");
    assert_eq!(session.closed, Some(CloseReason::TooManyErrors));
}

#[test]
fn numbers_that_are_not_there_are_no_errors_of_the_client() {
    let mut session = Session::logged_in(&[]);
    session.send(&b"RETR 1\r\n".repeat(1_000));
    assert_eq!(session.closed, None);
}

#[test]
fn a_long_list_and_many_commands_wait_for_the_client_to_read() {
    let mut session = open();
    let server = &mut session.server;
    server.receive(b"USER ann\r\nPASS demo\r\nUIDL\r\nSTAT\r\n", session.now);
    assert!(matches!(server.next_event(), Some(Event::Auth(_))));
    let mut maildrop = Maildrop::new();
    for number in 1..=50_000 {
        maildrop.push(10, &format!("{number:070}")).unwrap();
    }
    server.log_in(maildrop).unwrap();
    let (mut said, mut rounds) = (Vec::new(), 0);
    loop {
        assert_eq!(server.next_event(), None);
        let output = server.take_output();
        assert!(output.len() < limits::OUTPUT_BYTES_PAUSE + limits::STATUS_BYTES_MAX);
        if output.is_empty() {
            break;
        }
        said.extend_from_slice(&output);
        rounds += 1;
    }
    let said = String::from_utf8(said).unwrap();
    assert!(rounds > 50 && said.ends_with("\r\n.\r\n+OK 50000 500000\r\n"));
    assert_eq!(said.lines().count(), 1 + 1 + 1 + 50_000 + 1 + 1);
}

#[test]
fn input_behind_an_open_question_waits_and_is_bounded() {
    let mut session = Session::logged_in(&[b"x"]);
    let server = &mut session.server;
    server.receive(b"RETR 1\r\n", session.now);
    assert!(matches!(server.next_event(), Some(Event::Retrieve { .. })));
    let flood = b"NOOP\r\n".repeat(10_000);
    let taken = server.receive(&flood, session.now);
    assert!(taken < flood.len() && !server.wants_input());
    assert_eq!(server.next_event(), None);
    assert!(server.take_output().is_empty());
}

#[test]
fn a_log_in_is_waited_for_less_long_than_a_command() {
    let session = open();
    let later = session.now + Duration::from_secs(60);
    assert_eq!(session.server.deadline(later), later + limits::LOGIN_TIMEOUT);
    let session = Session::logged_in(&[]);
    assert_eq!(session.server.deadline(later), later + limits::IDLE_TIMEOUT);
}

#[test]
fn dripping_a_line_does_not_move_its_deadline() {
    let mut session = Session::logged_in(&[]);
    let begun = session.now;
    for byte in b"NOOP" {
        session.send(&[*byte]);
        session.now += Duration::from_secs(60);
    }
    assert_eq!(session.server.deadline(session.now), begun + limits::IDLE_TIMEOUT);
}

#[test]
fn silence_ends_without_a_word_and_without_deleting() {
    let mut session = Session::logged_in(&[b"x"]);
    session.send(b"DELE 1\r\n");
    session.server.time_out();
    assert_eq!(session.send(b""), b"");
    assert_eq!(session.closed, Some(CloseReason::TimedOut));
    assert_eq!(session.committed, None);
}

#[test]
fn a_node_that_shuts_down_finishes_the_answer_under_way() {
    let mut session = Session::logged_in(&[b"x"]);
    session.server.receive(b"RETR 1\r\nDELE 1\r\n", session.now);
    assert!(matches!(session.server.next_event(), Some(Event::Retrieve { .. })));
    session.server.begin_message().unwrap();
    session.server.shut_down();
    assert_eq!(session.send(b""), b"+OK 3 octets\r\n");
    session.server.push_message(b"x").unwrap();
    session.server.end_message().unwrap();
    assert_eq!(session.send(b""), b"x\r\n.\r\n");
    assert_eq!(session.closed, Some(CloseReason::ShuttingDown));
}

#[test]
fn a_client_that_is_locked_out_hears_so_at_its_next_command_and_deletes_nothing() {
    let mut session = Session::logged_in(&[b"x"]);
    session.send(b"DELE 1\r\n");
    session.server.lock_out();
    assert_eq!(session.send(b""), b"");
    assert_eq!(session.closed, None);
    assert_eq!(
        session.send(b"QUIT\r\n"),
        b"-ERR [AUTH] the account was closed or its password changed, log in again\r\n"
    );
    assert_eq!(session.closed, Some(CloseReason::LockedOut));
    assert_eq!(session.committed, None);
}
