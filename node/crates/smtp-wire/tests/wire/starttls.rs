//! STARTTLS (RFC 3207).

use crate::harness::{Session, config, go_on, play};
use smtp_wire::{Config, Event, Profile, Tls, replies};

fn with_tls() -> Config {
    Config {
        tls: Tls::Offered,
        ..config(Profile::Smtp)
    }
}

#[test]
fn what_came_in_clear_text_behind_starttls_is_never_read() {
    let mut session = play(
        with_tls(),
        "C: HELO a
         S: 250 ...
         C: MAIL FROM:<a@b.example>
         C: RCPT TO:<user1@demo.test>
         S: 250 ...
         S: 250 ...
         C: STARTTLS
         C: RSET
         C: MAIL FROM:<evil@b.example>
         C- RCPT TO:<user2@d
         S: 220 2.0.0 ready for TLS",
    );
    assert_eq!(session.resets, 1);
    go_on(
        &mut session,
        "C: MAIL FROM:<a@b.example>
         S: 503 5.5.1 say who you are first
         C: EHLO a
         S: 250-n1.demo.test greets a
         S: 250-PIPELINING
         S: 250-SIZE 2000
         S: 250-8BITMIME
         S: 250-CHUNKING
         S: 250 ENHANCEDSTATUSCODES
         C: STARTTLS
         S: 503 5.5.1 TLS is already in use
         C: DATA
         S: 503 5.5.1 MAIL comes first",
    );
    assert_eq!(session.server.protocol().to_string(), "ESMTPS");
}

#[test]
fn during_the_negotiation_the_machine_takes_nothing() {
    let mut session = Session::new(with_tls());
    let server = &mut session.server;
    server.receive(b"STARTTLS\r\n", session.now);
    assert_eq!(server.next_event(), Some(Event::StartTls));
    server.accept().unwrap();
    assert!(!server.wants_input());
    assert_eq!(server.receive(b"NOOP\r\n", session.now), 0);
    assert_eq!(server.next_event(), None);
    server.tls_started(session.now).unwrap();
    assert_eq!(session.output(), "220 2.0.0 ready for TLS\r\n");
    assert_eq!(session.send(b"NOOP\r\n"), "250 2.0.0 ok\r\n");
}

#[test]
fn tls_that_cannot_be_started_leaves_the_connection_as_it_was() {
    let mut session = Session::new(with_tls());
    session.send(b"HELO a\r\n");
    let server = &mut session.server;
    server.receive(b"STARTTLS\r\n", session.now);
    assert_eq!(server.next_event(), Some(Event::StartTls));
    server.refuse(replies::tls_unavailable()).unwrap();
    assert_eq!(session.output(), "454 4.7.0 TLS cannot be started for now\r\n");
    assert_eq!(session.send(b"MAIL FROM:<>\r\n"), "250 2.1.0 sender ok\r\n");
}

#[test]
fn starttls_has_no_argument() {
    play(
        with_tls(),
        "C: STARTTLS now
         S: 501 5.5.4 this command has no argument",
    );
}
