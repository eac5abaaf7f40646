//! STLS (RFC 2595 4).

use crate::harness::{Session, config, play};
use pop3_wire::{Config, Event, PasswordPolicy, Refusal, Tls};

fn with_tls() -> Session {
    let config = Config {
        tls: Tls::Offered,
        passwords: PasswordPolicy::AfterTls,
        ..config()
    };
    Session::new(config, &[])
}

#[test]
fn what_came_in_clear_text_behind_stls_is_never_read() {
    let session = play(
        with_tls(),
        "C: CAPA
         S: +OK ...
         S: TOP
         S: UIDL
         S: RESP-CODES
         S: AUTH-RESP-CODE
         S: PIPELINING
         S: EXPIRE NEVER
         S: STLS
         S: .
         C: USER ann
         S: -ERR passwords are taken over TLS only, send STLS first
         C: STLS
         C: USER evil
         C- PASS de
         S: +OK begin TLS",
    );
    play(
        session,
        "C: PASS demo
         S: -ERR USER comes first
         C: STLS
         S: -ERR TLS is already in use
         C: USER ann
         S: +OK ...
         C: PASS demo
         S: +OK 0 messages (0 octets)
         C: STLS
         S: -ERR already logged in",
    );
}

#[test]
fn during_the_negotiation_the_machine_takes_nothing() {
    let mut session = with_tls();
    let server = &mut session.server;
    server.receive(b"STLS\r\n", session.now);
    assert_eq!(server.next_event(), Some(Event::StartTls));
    server.accept_tls().unwrap();
    assert!(!server.wants_input());
    assert_eq!(server.receive(b"QUIT\r\n", session.now), 0);
    assert_eq!(server.next_event(), None);
    server.tls_started(session.now).unwrap();
    assert_eq!(session.send(b"QUIT\r\n"), b"+OK begin TLS\r\n+OK goodbye\r\n");
}

#[test]
fn tls_that_cannot_be_started_leaves_the_connection_as_it_was() {
    let mut session = with_tls();
    session.server.receive(b"STLS\r\n", session.now);
    assert_eq!(session.server.next_event(), Some(Event::StartTls));
    session.server.refuse(Refusal::TlsUnavailable).unwrap();
    let said = session.send(b"QUIT\r\n");
    assert_eq!(
        said,
        b"-ERR [SYS/TEMP] TLS cannot be started for now\r\n+OK goodbye\r\n"
    );
}

#[test]
fn stls_is_not_offered_where_there_is_none() {
    play(
        Session::new(config(), &[]),
        "C: STLS
         S: -ERR TLS is not offered
         C: STLS now
         S: -ERR expected STLS",
    );
}
