//! The AUTHORIZATION state. `AGFubgBkZW1v` is `\0ann\0demo`, `AGFubgB4` is `\0ann\0x`.

use crate::harness::{Session, config, play};
use pop3_wire::{CloseReason, Config, PasswordPolicy, Tls};

fn open() -> Session {
    Session::new(config(), &[b"A: b\r\n\r\nbody\r\n"])
}

#[test]
fn user_and_pass_open_the_maildrop() {
    play(
        open(),
        "C: USER ann
         S: +OK send the password
         C: CAPA
         S: +OK capabilities follow
         S: TOP
         S: UIDL
         S: RESP-CODES
         S: AUTH-RESP-CODE
         S: PIPELINING
         S: EXPIRE NEVER
         S: USER
         S: SASL PLAIN
         S: .
         C: PASS demo
         S: +OK 1 messages (14 octets)
         C: USER ann
         S: -ERR already logged in
         C: PASS demo
         S: -ERR already logged in
         C: AUTH PLAIN
         S: -ERR already logged in",
    );
}

#[test]
fn auth_plain_opens_the_maildrop_with_and_without_an_initial_response() {
    play(
        open(),
        "C: AUTH PLAIN AGFubgBkZW1v
         S: +OK 1 messages (14 octets)",
    );
    play(
        open(),
        "C: AUTH PLAIN
         S: +\u{20}
         C: AGFubgBkZW1v
         S: +OK 1 messages (14 octets)",
    );
}

#[test]
fn an_exchange_can_be_cancelled_and_can_be_malformed() {
    let session = play(
        open(),
        "C: AUTH PLAIN
         S: + ...
         C: *
         S: -ERR authentication cancelled
         C: AUTH PLAIN
         S: + ...
         C: QUIT now
         S: -ERR the response is not base64
         C: AUTH PLAIN =
         S: -ERR the response does not have the form of its mechanism
         C: AUTH LOGIN
         S: -ERR the mechanism is PLAIN
         C: NOOP
         S: -ERR log in first",
    );
    assert!(!session.has_quit);
}

#[test]
fn a_refused_log_in_says_whether_the_password_or_the_lock_was_it() {
    play(
        open(),
        "C: PASS demo
         S: -ERR USER comes first
         C: USER ann
         S: +OK ...
         C: PASS wrong
         S: -ERR [AUTH] name or password is wrong
         C: PASS demo
         S: -ERR USER comes first
         C: USER busy
         S: +OK ...
         C: PASS demo
         S: -ERR [IN-USE] the maildrop is open in another session
         C: USER ann
         S: +OK ...
         C: PASS demo
         S: +OK 1 messages (14 octets)",
    );
}

#[test]
fn a_few_wrong_passwords_end_the_connection() {
    let session = play(
        open(),
        "C: AUTH PLAIN AGFubgB4
         C: AUTH PLAIN AGFubgB4
         C: AUTH PLAIN AGFubgB4
         C: AUTH PLAIN AGFubgBkZW1v
         S: -ERR [AUTH] ...
         S: -ERR [AUTH] ...
         S: -ERR [AUTH] ...",
    );
    assert_eq!(session.closed, Some(CloseReason::TooManyAuthFailures));
}

#[test]
fn nothing_but_a_log_in_is_possible_before_one() {
    let session = play(
        open(),
        "C: STAT
         S: -ERR log in first
         C: RETR 1
         S: -ERR log in first
         C: APOP ann 00
         S: -ERR unknown command
         C: QUIT
         C: STAT
         S: +OK goodbye",
    );
    assert!(session.has_quit);
    assert_eq!(session.committed, None);
}

#[test]
fn passwords_are_not_taken_where_the_policy_forbids_it() {
    let passwords = PasswordPolicy::AfterTls;
    let session = Session::new(Config { passwords, ..config() }, &[]);
    play(
        session,
        "C: CAPA
         S: +OK ...
         S: TOP
         S: UIDL
         S: RESP-CODES
         S: AUTH-RESP-CODE
         S: PIPELINING
         S: EXPIRE NEVER
         S: .
         C: USER ann
         S: -ERR passwords are not taken on this connection",
    );
    let tls = Tls::Active;
    let session = Session::new(
        Config {
            passwords,
            tls,
            ..config()
        },
        &[],
    );
    play(
        session,
        "C: AUTH PLAIN AGFubgBkZW1v
         S: +OK 0 messages (0 octets)",
    );
}
