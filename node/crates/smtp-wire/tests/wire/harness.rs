//! A small language for connections, and a session that answers as a cluster with few accounts would.
//!
//! A transcript has lines `C: text` (sent with CR LF), `C- text` (sent without) and `S: text`. Client lines in a row
//! go out as one piece. `\r`, `\n` and `\0` in client lines are those bytes; a server line that ends with `...` needs to
//! match up to there. The greeting is not part of it.

use std::time::Instant;

use bytes::BytesMut;
use smtp_wire::{
    AuthPolicy, CloseReason, Config, Event, Fault, MailRequest, MessageFacts, Profile, Recipient, Reply, Server, Tls,
    replies,
};

pub(crate) fn config(profile: Profile) -> Config {
    Config {
        profile,
        host: "n1.demo.test".to_owned(),
        message_bytes_max: 2_000,
        tls: Tls::Absent,
        auth: AuthPolicy::Hidden,
    }
}

/// One message that came through.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Delivered {
    pub(crate) sender: String,
    pub(crate) recipients: Vec<String>,
    pub(crate) bytes: Vec<u8>,
    pub(crate) facts: MessageFacts,
}

/// Drives one connection. `nobody@…` does not exist, `full@…` has no room, `late@…` cannot be stored now; the sender
/// `stranger@…` is refused; the password is `demo`.
pub(crate) struct Session {
    pub(crate) server: Server,
    pub(crate) now: Instant,
    pub(crate) delivered: Vec<Delivered>,
    pub(crate) faults: Vec<Fault>,
    pub(crate) resets: usize,
    pub(crate) chunks: usize,
    pub(crate) log_ins: Vec<String>,
    pub(crate) closed: Option<CloseReason>,
    pub(crate) has_quit: bool,
    pub(crate) can_store: bool,
    open: Delivered,
}

impl Session {
    pub(crate) fn new(config: Config) -> Self {
        let now = Instant::now();
        let mut session = Self {
            server: Server::new(config, now),
            now,
            delivered: Vec::new(),
            faults: Vec::new(),
            resets: 0,
            chunks: 0,
            log_ins: Vec::new(),
            closed: None,
            has_quit: false,
            can_store: true,
            open: Delivered::default(),
        };
        let greeting = session.output();
        assert!(greeting.starts_with("220 n1.demo.test "), "{greeting}");
        session
    }

    pub(crate) fn output(&mut self) -> String {
        String::from_utf8(self.server.take_output().to_vec()).expect("replies are ASCII")
    }

    /// Sends bytes and answers what they lead to; returns what the server said.
    pub(crate) fn send(&mut self, mut bytes: &[u8]) -> String {
        let mut said = String::new();
        loop {
            let taken = self.server.receive(bytes, self.now);
            bytes = &bytes[taken..];
            while let Some(event) = self.server.next_event() {
                self.answer(event);
                if self.server.tls_started(self.now).is_ok() {
                    // Whatever was behind STARTTLS in clear text never reaches the machine.
                    said += &self.output();
                    return said;
                }
            }
            said += &self.output();
            if bytes.is_empty() {
                return said;
            }
            assert!(self.server.wants_input(), "the machine is stuck");
        }
    }

    fn answer(&mut self, event: Event) {
        match event {
            Event::Hello(_) => {}
            Event::Mail(request) => self.answer_mail(&request),
            Event::Rcpt(recipient) => self.answer_rcpt(&recipient),
            Event::DataStart if self.can_store => self.server.accept().unwrap(),
            Event::DataStart => self.server.refuse(replies::try_later()).unwrap(),
            Event::Chunk(bytes) => {
                self.chunks += 1;
                self.open.bytes.extend_from_slice(&bytes);
            }
            Event::DataRefused(fault) => {
                self.faults.push(fault);
                self.open = Delivered::default();
            }
            Event::DataEnd(facts) => self.conclude(facts),
            Event::Reset => {
                self.resets += 1;
                self.open = Delivered::default();
            }
            Event::Auth { credentials, .. } => {
                if credentials.password.expose() == "demo" {
                    self.log_ins.push(credentials.authcid);
                    self.server.accept().unwrap();
                } else {
                    self.server.refuse(replies::bad_credentials()).unwrap();
                }
            }
            Event::StartTls => self.server.accept().unwrap(),
            Event::Quit => self.has_quit = true,
            Event::Closed(reason) => self.closed = Some(reason),
        }
    }

    fn answer_mail(&mut self, request: &MailRequest) {
        self.open = Delivered::default();
        self.open.sender = request.reverse_path.to_string();
        if self.open.sender.starts_with("<stranger@") {
            self.server.refuse(replies::sender_not_owned()).unwrap();
        } else {
            self.server.accept().unwrap();
        }
    }

    fn answer_rcpt(&mut self, recipient: &Recipient) {
        let recipient = recipient.to_string();
        if recipient.starts_with("nobody@") {
            self.server.refuse(replies::no_such_recipient()).unwrap();
        } else if recipient.starts_with("full@") {
            self.server.refuse(replies::over_quota()).unwrap();
        } else {
            self.open.recipients.push(recipient);
            self.server.accept().unwrap();
        }
    }

    fn conclude(&mut self, facts: MessageFacts) {
        self.open.facts = facts;
        let message = std::mem::take(&mut self.open);
        let mut recipients = message.recipients.iter();
        loop {
            let reply = match recipients.next() {
                Some(recipient) if recipient.starts_with("late@") => replies::try_later(),
                _ => replies::delivered("4f2a"),
            };
            if self.server.conclude(&reply).unwrap() == 0 {
                break;
            }
        }
        self.delivered.push(message);
    }
}

/// Plays a transcript and returns the session at its end.
pub(crate) fn play(config: Config, transcript: &str) -> Session {
    let mut session = Session::new(config);
    go_on(&mut session, transcript);
    session
}

/// Plays a transcript on a connection that is already open.
pub(crate) fn go_on(session: &mut Session, transcript: &str) {
    let mut to_send = Vec::new();
    let mut said = String::new();
    for line in transcript.lines().map(str::trim_start).filter(|line| !line.is_empty()) {
        if let Some(expected) = line.strip_prefix("S: ") {
            if !to_send.is_empty() {
                assert_eq!(said, "", "said before `{line}` and not expected");
                said = session.send(&std::mem::take(&mut to_send));
            }
            said = expect_line(&said, expected);
        } else if let Some(text) = line.strip_prefix("C:") {
            to_send.extend_from_slice(&unescape(text.strip_prefix(' ').unwrap_or(text)));
            to_send.extend_from_slice(b"\r\n");
        } else if let Some(text) = line.strip_prefix("C- ") {
            to_send.extend_from_slice(&unescape(text));
        } else {
            panic!("`{line}` is not part of a transcript");
        }
    }
    assert_eq!(said + &session.send(&to_send), "", "said at the end and not expected");
}

fn expect_line(said: &str, expected: &str) -> String {
    let (line, rest) = said
        .split_once("\r\n")
        .unwrap_or_else(|| panic!("silence where `{expected}` was expected"));
    match expected.strip_suffix("...") {
        Some(start) => assert!(line.starts_with(start), "`{line}` does not start with `{start}`"),
        None => assert_eq!(line, expected),
    }
    rest.to_owned()
}

fn unescape(text: &str) -> Vec<u8> {
    text.replace("\\r", "\r")
        .replace("\\n", "\n")
        .replace("\\0", "\0")
        .into_bytes()
}

/// The wire form of a reply.
pub(crate) fn wire(reply: &Reply) -> String {
    let mut output = BytesMut::new();
    reply.write_to(&mut output);
    String::from_utf8(output.to_vec()).expect("replies are ASCII")
}
