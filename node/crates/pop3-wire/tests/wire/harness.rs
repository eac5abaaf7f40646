//! A small language for connections, and a session with one maildrop behind it.
//!
//! A transcript has lines `C: text` (sent with CR LF), `C- text` (sent without) and `S: text`. Client lines in a row
//! go out as one piece. `\r`, `\n` and `\0` in client lines are those bytes; a server line that ends with `...` needs to
//! match up to there. The greeting is not part of it.

use std::time::Instant;

use pop3_wire::{CloseReason, Config, CrlfSize, Event, Flow, Maildrop, PasswordPolicy, Refusal, Server, Tls};

pub(crate) fn config() -> Config {
    Config {
        host: "n1.demo.test".to_owned(),
        tls: Tls::Absent,
        passwords: PasswordPolicy::Offered,
    }
}

/// What the session does with a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Commit {
    Works,
    Fails,
    Uncertain,
}

/// Drives one connection. The password is `demo`; the maildrop of `busy` is in use, that of any other name is open.
pub(crate) struct Session {
    pub(crate) server: Server,
    pub(crate) now: Instant,
    pub(crate) messages: Vec<Vec<u8>>,
    pub(crate) commit: Commit,
    /// Bytes of a message that are handed over at a time.
    pub(crate) step: usize,
    /// Whether messages break off after their first piece.
    pub(crate) breaks_off: bool,
    pub(crate) committed: Option<Vec<usize>>,
    pub(crate) closed: Option<CloseReason>,
    pub(crate) has_quit: bool,
    pub(crate) pieces_read: usize,
}

impl Session {
    pub(crate) fn new(config: Config, messages: &[&[u8]]) -> Self {
        let now = Instant::now();
        let mut session = Self {
            server: Server::new(config, now),
            now,
            messages: messages.iter().map(|message| message.to_vec()).collect(),
            commit: Commit::Works,
            step: 3,
            breaks_off: false,
            committed: None,
            closed: None,
            has_quit: false,
            pieces_read: 0,
        };
        let greeting = session.server.take_output();
        assert_eq!(&greeting[..], b"+OK n1.demo.test POP3 ready\r\n");
        session
    }

    /// A session that has logged in.
    pub(crate) fn logged_in(messages: &[&[u8]]) -> Self {
        let mut session = Self::new(config(), messages);
        let said = session.send(b"USER ann\r\nPASS demo\r\n");
        assert!(said.starts_with(b"+OK") && session.closed.is_none());
        session
    }

    /// Sends bytes and answers what they lead to; returns what the server said.
    pub(crate) fn send(&mut self, mut bytes: &[u8]) -> Vec<u8> {
        let mut said = Vec::new();
        loop {
            let taken = self.server.receive(bytes, self.now);
            bytes = &bytes[taken..];
            loop {
                while let Some(event) = self.server.next_event() {
                    self.answer(event, &mut said);
                    if self.server.tls_started(self.now).is_ok() {
                        // Whatever was behind STLS in clear text never reaches the machine.
                        said.extend_from_slice(&self.server.take_output());
                        return said;
                    }
                }
                let output = self.server.take_output();
                if output.is_empty() {
                    break;
                }
                said.extend_from_slice(&output);
            }
            if bytes.is_empty() {
                return said;
            }
            assert!(self.server.wants_input(), "the machine is stuck");
        }
    }

    fn answer(&mut self, event: Event, said: &mut Vec<u8>) {
        match event {
            Event::Auth(credentials) if credentials.password.expose() != "demo" => {
                self.server.refuse(Refusal::Credentials).unwrap();
            }
            Event::Auth(credentials) if credentials.authcid == "busy" => {
                self.server.refuse(Refusal::InUse).unwrap();
            }
            Event::Auth(_) => {
                let maildrop = self.maildrop();
                self.server.log_in(maildrop).unwrap();
            }
            Event::Retrieve { index, lines } => self.send_message(index, lines, said),
            Event::Commit(indexes) => match self.commit {
                Commit::Works => {
                    self.committed = Some(indexes);
                    self.server.committed().unwrap();
                }
                Commit::Fails => self.server.refuse(Refusal::Temporary).unwrap(),
                Commit::Uncertain => self.server.hang_up(),
            },
            Event::StartTls => self.server.accept_tls().unwrap(),
            Event::Quit => self.has_quit = true,
            Event::Closed(reason) => self.closed = Some(reason),
        }
    }

    fn maildrop(&self) -> Maildrop {
        let mut maildrop = Maildrop::new();
        for (index, message) in self.messages.iter().enumerate() {
            let mut size = CrlfSize::new();
            size.push(message);
            maildrop.push(size.finish(), &format!("id-{}", index + 1)).unwrap();
        }
        maildrop
    }

    fn send_message(&mut self, index: usize, lines: Option<u64>, said: &mut Vec<u8>) {
        self.server.begin_message().unwrap();
        for piece in self.messages[index].chunks(self.step) {
            self.pieces_read += 1;
            let flow = self.server.push_message(piece).unwrap();
            said.extend_from_slice(&self.server.take_output());
            if self.breaks_off {
                return self.server.hang_up();
            }
            if flow == Flow::Enough {
                break;
            }
        }
        let sent = self.server.end_message().unwrap();
        if lines.is_none() {
            let mut size = CrlfSize::new();
            size.push(&self.messages[index]);
            assert_eq!(sent, size.finish());
        }
    }
}

/// Plays a transcript and returns the session at its end.
pub(crate) fn play(mut session: Session, transcript: &str) -> Session {
    let mut to_send = Vec::new();
    let mut said = String::new();
    for line in transcript.lines().map(str::trim_start).filter(|line| !line.is_empty()) {
        if let Some(expected) = line.strip_prefix("S: ") {
            if !to_send.is_empty() {
                assert_eq!(said, "", "said before `{line}` and not expected");
                said = String::from_utf8(session.send(&std::mem::take(&mut to_send))).unwrap();
            }
            said = expect_line(&said, expected);
        } else if let Some(text) = line.strip_prefix("C: ") {
            to_send.extend_from_slice(&unescape(text));
            to_send.extend_from_slice(b"\r\n");
        } else if let Some(text) = line.strip_prefix("C- ") {
            to_send.extend_from_slice(&unescape(text));
        } else {
            panic!("`{line}` is not part of a transcript");
        }
    }
    let rest = said.into_bytes();
    assert_eq!(
        [rest, session.send(&to_send)].concat(),
        b"",
        "said at the end and not expected"
    );
    session
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
