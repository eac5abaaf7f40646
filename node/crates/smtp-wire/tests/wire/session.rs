//! Commands of plain SMTP, each as a transcript.

use crate::harness::{Session, config, play, wire};
use smtp_wire::{CloseReason, Event, HelloVerb, Profile, WrongAnswer, replies};

#[test]
fn a_message_is_delivered_to_the_accepted_recipients() {
    let session = play(
        config(Profile::Smtp),
        "C: EHLO client.example
         S: 250-n1.demo.test greets client.example
         S: 250-PIPELINING
         S: 250-SIZE 2000
         S: 250-8BITMIME
         S: 250-CHUNKING
         S: 250 ENHANCEDSTATUSCODES
         C: MAIL FROM:<Ann@example.org> SIZE=100 BODY=8BITMIME
         S: 250 2.1.0 sender ok
         C: RCPT TO:<user1@demo.test>
         S: 250 2.1.5 recipient ok
         C: RCPT TO:<nobody@demo.test>
         S: 550 5.1.1 no such recipient here
         C: RCPT TO:<full@demo.test>
         S: 452 4.2.2 the recipient's mailbox is full
         C: RCPT TO:<Postmaster>
         S: 250 2.1.5 recipient ok
         C: DATA
         S: 354 send the message, end with a dot on a line of its own
         C: Subject: x
         C:
         C: ..dot
         C: .
         S: 250 2.0.0 delivered as 4f2a
         C: QUIT
         S: 221 2.0.0 n1.demo.test closes the connection",
    );
    let message = &session.delivered[0];
    assert_eq!(message.sender, "<Ann@example.org>");
    assert_eq!(message.recipients, ["user1@demo.test", "postmaster"]);
    assert_eq!(message.bytes, b"Subject: x\r\n\r\n.dot\r\n");
    assert_eq!(message.facts.bytes, 20);
    assert!(session.has_quit);
}

#[test]
fn pipelined_commands_are_answered_in_their_order() {
    let session = play(
        config(Profile::Smtp),
        "C: EHLO a
         C: MAIL FROM:<>
         C: RCPT TO:<nobody@demo.test>
         C: RCPT TO:<user1@demo.test>
         C: DATA
         C: x
         C: .
         C: MAIL FROM:<b@c.example>
         C: NOOP
         C: RSET
         C: QUIT
         C: NOOP
         S: 250-...
         S: 250-...
         S: 250-...
         S: 250-...
         S: 250-...
         S: 250 ...
         S: 250 2.1.0 ...
         S: 550 5.1.1 ...
         S: 250 2.1.5 ...
         S: 354 ...
         S: 250 2.0.0 delivered...
         S: 250 2.1.0 ...
         S: 250 2.0.0 ok
         S: 250 2.0.0 ok
         S: 221 2.0.0 ...",
    );
    assert_eq!(session.delivered.len(), 1);
    assert_eq!(session.delivered[0].sender, "<>");
    assert_eq!(session.resets, 1);
}

#[test]
fn commands_out_of_order_are_refused() {
    let session = play(
        config(Profile::Smtp),
        "C: MAIL FROM:<a@b.example>
         S: 503 5.5.1 say who you are first
         C: HELO a
         S: 250 n1.demo.test greets a
         C: RCPT TO:<user1@demo.test>
         S: 503 5.5.1 MAIL comes first
         C: DATA
         S: 503 5.5.1 MAIL comes first
         C: MAIL FROM:<a@b.example>
         S: 250 2.1.0 ...
         C: MAIL FROM:<a@b.example>
         S: 503 5.5.1 a transaction is open, send RSET to give it up
         C: DATA
         S: 503 5.5.1 no valid recipients
         C: RSET
         S: 250 2.0.0 ok
         C: RCPT TO:<user1@demo.test>
         S: 503 5.5.1 MAIL comes first",
    );
    assert_eq!(session.resets, 1);
}

#[test]
fn small_commands_have_their_replies() {
    play(
        config(Profile::Smtp),
        "C: NOOP whatever
         S: 250 2.0.0 ok
         C: VRFY ann
         S: 252 2.0.0 send a message and see
         C: EXPN list
         S: 502 5.7.0 lists are not shown
         C: HELP
         S: 214 2.0.0 ...
         C: STARTTLS
         S: 502 5.5.1 TLS is not offered
         C: AUTH PLAIN
         S: 502 5.5.1 authentication is not offered
         C: FROBNICATE
         S: 500 5.5.1 unknown command
         C: LHLO a
         S: 500 this port wants EHLO
         C: EHLO
         S: 501 say your name, one word
         C: DATA now
         S: 501 5.5.4 this command has no argument",
    );
}

#[test]
fn each_malformed_path_or_parameter_has_its_reply() {
    let session = play(
        config(Profile::Smtp),
        "C: HELO a
         S: 250 ...
         C: MAIL FROM:a@b.example
         S: 501 5.1.7 ...
         C: MAIL FROM:<\u{e4}@b.example>
         S: 553 5.6.7 addresses beyond ASCII are not supported
         C: MAIL FROM:<a@b.example> SMTPUTF8
         S: 553 5.6.7 ...
         C: MAIL FROM:<a@b.example> BODY=BINARYMIME
         S: 555 5.6.1 ...
         C: MAIL FROM:<a@b.example> RET=HDRS
         S: 555 5.5.4 ...
         C: MAIL FROM:<a@b.example> SIZE=x
         S: 501 5.5.4 ...
         C: MAIL FROM:<a@b.example> SIZE=2001
         S: 552 5.3.4 ...
         C: MAIL FROM:<@hop.example:a@b.example> SIZE=2000
         S: 250 2.1.0 ...
         C: RCPT TO:<>
         S: 501 5.1.3 ...
         C: RCPT TO:<user1@demo.test> NOTIFY=NEVER
         S: 555 5.5.4 ...
         C: RCPT TO:<@hop.example,@hop2.example:\"us er\"@[IPv6:2001:db8::1]>
         S: 250 2.1.5 ...
         C: DATA
         S: 354 ...
         C: .
         S: 250 ...",
    );
    assert_eq!(session.delivered[0].sender, "<a@b.example>");
    assert_eq!(session.delivered[0].recipients, ["\"us er\"@[IPv6:2001:db8::1]"]);
    assert_eq!(session.delivered[0].bytes, b"");
}

#[test]
fn a_second_greeting_gives_the_transaction_up() {
    let session = play(
        config(Profile::Smtp),
        "C: HELO a
         S: 250 ...
         C: MAIL FROM:<>
         S: 250 ...
         C: HELO b
         S: 250 ...
         C: DATA
         S: 503 5.5.1 MAIL comes first",
    );
    assert_eq!(session.resets, 1);
    let hello = session.server.hello().unwrap();
    assert_eq!((hello.verb, hello.name.as_str()), (HelloVerb::Helo, "b"));
    assert_eq!(session.server.protocol().to_string(), "SMTP");
}

#[test]
fn lines_end_with_crlf_and_nothing_less() {
    let session = play(
        config(Profile::Smtp),
        "C- NOOP\\n
         S: 500 5.5.2 command lines end with CR LF
         C: NOOP\\rNOOP
         S: 500 5.5.2 a command holds no control characters
         C- \\n
         S: 500 5.5.2 command lines end with CR LF
         C: HELO a
         S: 250 ...",
    );
    assert_eq!(session.closed, None);
}

#[test]
fn a_web_request_is_cut_off_before_its_body_is_read() {
    let session = play(
        config(Profile::Smtp),
        "C: POST / HTTP/1.1
         C: EHLO a
         C: MAIL FROM:<a@b.example>
         S: 421 4.7.0 this port speaks another protocol",
    );
    assert_eq!(session.closed, Some(CloseReason::OtherProtocol));
}

#[test]
fn input_behind_an_open_question_waits_and_is_bounded() {
    let mut session = Session::new(config(Profile::Smtp));
    session.send(b"HELO a\r\n");
    let server = &mut session.server;
    let flood = b"NOOP\r\n".repeat(100_000);
    server.receive(b"MAIL FROM:<>\r\n", session.now);
    assert!(matches!(server.next_event(), Some(Event::Mail(_))));
    let taken = server.receive(&flood, session.now);
    assert!(taken < flood.len() && !server.wants_input());
    assert_eq!(server.next_event(), None);
    assert!(server.take_output().is_empty());
    server.accept().unwrap();
    assert_eq!(server.next_event(), Some(Event::Closed(CloseReason::TooManyCommands)));
    let said = String::from_utf8(server.take_output().to_vec()).unwrap();
    assert!(said.starts_with("250 2.1.0 "), "{said}");
}

#[test]
fn an_answer_that_fits_no_question_changes_nothing() {
    let mut session = Session::new(config(Profile::Smtp));
    let server = &mut session.server;
    assert_eq!(server.accept(), Err(WrongAnswer));
    assert_eq!(server.refuse(replies::try_later()), Err(WrongAnswer));
    assert_eq!(server.conclude(&replies::delivered("x")), Err(WrongAnswer));
    assert_eq!(server.tls_started(session.now), Err(WrongAnswer));
    server.receive(
        b"HELO a\r\nMAIL FROM:<>\r\nRCPT TO:<postmaster>\r\nDATA\r\n",
        session.now,
    );
    assert!(matches!(server.next_event(), Some(Event::Hello(_))));
    assert!(matches!(server.next_event(), Some(Event::Mail(_))));
    assert_eq!(server.refuse(replies::delivered("x")), Err(WrongAnswer));
    server.accept().unwrap();
    assert!(matches!(server.next_event(), Some(Event::Rcpt(_))));
    server.accept().unwrap();
    assert_eq!(server.next_event(), Some(Event::DataStart));
    server.accept().unwrap();
    server.receive(b".\r\n", session.now);
    assert!(matches!(server.next_event(), Some(Event::DataEnd(_))));
    assert_eq!(server.accept(), Err(WrongAnswer));
    assert_eq!(server.refuse(replies::try_later()), Err(WrongAnswer));
    assert_eq!(server.conclude(&replies::delivered("x")), Ok(0));
}

#[test]
fn a_421_of_the_session_closes_the_connection() {
    let mut session = Session::new(config(Profile::Smtp));
    session.send(b"HELO a\r\n");
    let server = &mut session.server;
    server.receive(b"MAIL FROM:<>\r\nNOOP\r\n", session.now);
    assert!(matches!(server.next_event(), Some(Event::Mail(_))));
    server.refuse(replies::too_many_connections()).unwrap();
    assert_eq!(server.next_event(), Some(Event::Closed(CloseReason::BySession)));
    let said = String::from_utf8(server.take_output().to_vec()).unwrap();
    assert_eq!(said, wire(&replies::too_many_connections()));
}

#[test]
fn whether_the_final_reply_was_seen_is_known_by_what_follows_it() {
    let mut session = Session::new(config(Profile::Smtp));
    session.send(b"HELO a\r\nMAIL FROM:<>\r\nRCPT TO:<postmaster>\r\nDATA\r\nx\r\n.\r\n");
    assert!(session.server.is_final_reply_unseen());
    session.send(b"QUIT\r\n");
    assert!(!session.server.is_final_reply_unseen());
}
