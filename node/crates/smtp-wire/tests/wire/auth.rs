//! AUTH on submission (RFC 4954). `AGFubgBkZW1v` is `\0ann\0demo`, `AGFubgB4` is `\0ann\0x`.

use crate::harness::{Session, config, play};
use smtp_wire::{AuthPolicy, CloseReason, Config, Profile, Tls, limits};

fn submission(auth: AuthPolicy) -> Config {
    Config {
        auth,
        tls: Tls::Offered,
        ..config(Profile::Submission)
    }
}

const OFFERED: AuthPolicy = AuthPolicy::Offered;

#[test]
fn mail_is_submitted_after_a_log_in_only() {
    let session = play(
        submission(OFFERED),
        "C: EHLO a
         S: 250-n1.demo.test greets a
         S: 250-PIPELINING
         S: 250-SIZE 2000
         S: 250-8BITMIME
         S: 250-CHUNKING
         S: 250-ENHANCEDSTATUSCODES
         S: 250-STARTTLS
         S: 250 AUTH PLAIN LOGIN
         C: MAIL FROM:<ann@demo.test>
         S: 530 5.7.0 authentication is required
         C: AUTH PLAIN AGFubgBkZW1v
         S: 235 2.7.0 authenticated
         C: AUTH PLAIN AGFubgBkZW1v
         S: 503 5.5.1 not within a transaction, and only once
         C: MAIL FROM:<stranger@demo.test>
         S: 553 5.7.1 the sender is none of your addresses
         C: MAIL FROM:<ann@demo.test> AUTH=<>
         S: 250 2.1.0 ...",
    );
    assert_eq!(session.log_ins, ["ann"]);
    assert_eq!(session.server.protocol().to_string(), "ESMTPA");
}

#[test]
fn plain_without_an_initial_response_is_asked_for() {
    let session = play(
        submission(OFFERED),
        "C: HELO a
         S: 250 ...
         C: AUTH PLAIN
         S: 334\u{20}
         C: AGFubgBkZW1v
         S: 235 2.7.0 ...",
    );
    assert_eq!(session.log_ins, ["ann"]);
}

#[test]
fn login_asks_for_name_and_password() {
    let session = play(
        submission(OFFERED),
        "C: HELO a
         S: 250 ...
         C: AUTH LOGIN
         S: 334 VXNlcm5hbWU6
         C: YW5u
         S: 334 UGFzc3dvcmQ6
         C: eA==
         S: 535 5.7.8 name or password is wrong
         C: AUTH LOGIN YW5u
         S: 334 UGFzc3dvcmQ6
         C: ZGVtbw==
         S: 235 2.7.0 ...",
    );
    assert_eq!(session.log_ins, ["ann"]);
}

#[test]
fn an_exchange_can_be_cancelled_and_can_be_malformed() {
    let session = play(
        submission(OFFERED),
        "C: AUTH PLAIN AGFubgBkZW1v
         S: 503 5.5.1 say who you are first
         C: HELO a
         S: 250 ...
         C: AUTH LOGIN
         S: 334 ...
         C: *
         S: 501 5.0.0 authentication cancelled
         C: AUTH PLAIN %%%
         S: 501 5.5.2 the response is not base64
         C: AUTH PLAIN
         S: 334 ...
         C: QUIT
         S: 501 5.5.2 ...
         C: AUTH PLAIN YW5u
         S: 501 5.5.2 the response does not have the form of its mechanism
         C: AUTH PLAIN =
         S: 501 5.5.2 ...
         C: AUTH CRAM-MD5
         S: 504 5.5.4 the mechanisms are PLAIN and LOGIN",
    );
    assert!(session.log_ins.is_empty() && !session.has_quit);
}

#[test]
fn passwords_are_not_taken_before_tls_where_that_is_the_policy() {
    let session = play(
        submission(AuthPolicy::AfterTls),
        "C: EHLO a
         S: 250-n1.demo.test greets a
         S: 250-PIPELINING
         S: 250-SIZE 2000
         S: 250-8BITMIME
         S: 250-CHUNKING
         S: 250-ENHANCEDSTATUSCODES
         S: 250 STARTTLS
         C: AUTH PLAIN AGFubgBkZW1v
         S: 538 5.7.11 passwords are taken over TLS only, send STARTTLS first
         C: STARTTLS
         S: 220 2.0.0 ready for TLS
         C: EHLO a
         S: 250-n1.demo.test greets a
         S: 250-PIPELINING
         S: 250-SIZE 2000
         S: 250-8BITMIME
         S: 250-CHUNKING
         S: 250-ENHANCEDSTATUSCODES
         S: 250 AUTH PLAIN LOGIN
         C: AUTH PLAIN AGFubgBkZW1v
         S: 235 2.7.0 ...",
    );
    assert_eq!(session.server.protocol().to_string(), "ESMTPSA");
}

#[test]
fn a_few_wrong_passwords_end_the_connection() {
    let session = play(
        submission(OFFERED),
        "C: HELO a
         C: AUTH PLAIN AGFubgB4
         C: AUTH PLAIN AGFubgB4
         C: AUTH PLAIN AGFubgB4
         C: AUTH PLAIN AGFubgBkZW1v
         S: 250 ...
         S: 535 5.7.8 ...
         S: 535 5.7.8 ...
         S: 535 5.7.8 ...
         S: 421 4.7.0 too many errors",
    );
    assert_eq!(session.closed, Some(CloseReason::TooManyAuthFailures));
    assert!(session.log_ins.is_empty());
}

#[test]
fn a_long_response_is_taken_up_to_the_limit() {
    let mut session = Session::new(submission(OFFERED));
    session.send(b"HELO a\r\n");
    let long = "A".repeat(limits::COMMAND_BYTES_MAX);
    assert!(
        session
            .send(format!("AUTH PLAIN {long}\r\n").as_bytes())
            .starts_with("501 5.5.2 ")
    );
    let too_long = "A".repeat(limits::AUTH_LINE_BYTES_MAX);
    assert!(
        session
            .send(format!("AUTH PLAIN {too_long}\r\n").as_bytes())
            .starts_with("500 5.5.6 ")
    );
    session.send(b"AUTH PLAIN\r\n");
    assert!(
        session
            .send(format!("{too_long}\r\n").as_bytes())
            .starts_with("500 5.5.6 ")
    );
    assert_eq!(session.send(b"NOOP\r\n"), "250 2.0.0 ok\r\n");
}
