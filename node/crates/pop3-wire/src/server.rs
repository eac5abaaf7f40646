//! The machine of one connection: bytes in, events and replies out (RFC 1939 3).
//!
//! | state         | begins with             | ends with                                              |
//! |---------------|-------------------------|--------------------------------------------------------|
//! | AUTHORIZATION | the connection          | a log-in, QUIT                                         |
//! | TRANSACTION   | a log-in                | QUIT; anything else ends it without deleting a message |
//! | UPDATE        | QUIT with marked messages | the session's word that they are deleted, or are not |
//!
//! Invariants: replies leave in the order of the commands, since one command at a time is worked on; while a question
//! is open, input waits, and there is never more of it than `INPUT_BYTES_MAX`; no further command is worked on while
//! `OUTPUT_BYTES_PAUSE` bytes wait for the client; what came in clear text is never read after STLS (RFC 2595 4).
//!
//! Must not know: sockets, clocks, accounts, the store.

mod authorization;
mod step;
mod transaction;

use std::collections::VecDeque;
use std::time::Instant;

use bytes::{BufMut, Bytes, BytesMut};

use crate::config::{Config, PasswordPolicy, Tls};
use crate::dots::DotEncoder;
use crate::event::{CloseReason, Event};
use crate::limits::{AUTH_FAILURES_MAX, ERRORS_MAX, IDLE_TIMEOUT, INPUT_BYTES_MAX, LOGIN_TIMEOUT};
use crate::maildrop::Maildrop;
use crate::status::{self, Refusal};
use transaction::Listing;

/// An answer that does not fit the question that is open, or comes while none is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answer fits no open question")]
pub struct WrongAnswer;

/// Whether a message that is being sent needs more bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// It does, unless it has no more.
    More,
    /// The lines that TOP asked for are sent.
    Enough,
}

/// The server's side of one POP3 connection.
#[derive(Debug)]
pub struct Server {
    config: Config,
    state: State,
    phase: Phase,
    question: Option<Question>,
    input: BytesMut,
    output: BytesMut,
    events: VecDeque<Event>,
    tally: Tally,
    /// When the client last sent something.
    heard: Instant,
    /// When the line that is being read began.
    begun: Instant,
    is_stopping: bool,
    is_locked_out: bool,
}

#[derive(Debug)]
enum State {
    /// With the name that USER gave.
    Authorization(Option<String>),
    Transaction(Maildrop),
}

/// What the machine does with input now.
#[derive(Debug)]
enum Phase {
    Command,
    /// Throws the rest of an overlong line away.
    SkipLine,
    /// Waits for the response of AUTH PLAIN.
    Auth,
    /// Sends a list, piece by piece.
    List(Listing),
    /// The session sends a message.
    Message(DotEncoder),
    /// Between the reply to STLS and the end of the negotiation.
    Handshake,
    Closed,
}

/// What the session has been asked.
#[derive(Debug)]
enum Question {
    Auth,
    Retrieve { octets: u64, lines: Option<u64> },
    Commit(usize),
    StartTls,
}

/// What one connection has used up of its limits.
#[derive(Debug, Default)]
struct Tally {
    errors: u32,
    unknown_commands: u32,
    auth_failures: u32,
}

impl Server {
    /// A connection that has just been opened; the greeting waits in the output.
    #[must_use]
    pub fn new(config: Config, now: Instant) -> Self {
        let mut server = Self {
            state: State::Authorization(None),
            phase: Phase::Command,
            question: None,
            input: BytesMut::new(),
            output: BytesMut::new(),
            events: VecDeque::new(),
            tally: Tally::default(),
            heard: now,
            begun: now,
            is_stopping: false,
            is_locked_out: false,
            config,
        };
        server.say(&status::greeting(&server.config.host));
        server
    }

    /// How many bytes the machine takes now. While it is zero, nothing is to be read from the client.
    #[must_use]
    pub fn room(&self) -> usize {
        match self.phase {
            Phase::Handshake => 0,
            _ => INPUT_BYTES_MAX - self.input.len(),
        }
    }

    /// Whether the machine takes input now.
    #[must_use]
    pub fn wants_input(&self) -> bool {
        self.room() > 0
    }

    /// Takes bytes from the client, and returns how many: at most [`room`](Self::room). Those left over are to be
    /// given again once there is room. On a closed connection they are taken and dropped.
    pub fn receive(&mut self, bytes: &[u8], now: Instant) -> usize {
        if matches!(self.phase, Phase::Closed) {
            return bytes.len();
        }
        let taken = bytes.len().min(self.room());
        if taken > 0 {
            if self.input.is_empty() {
                self.begun = now;
            }
            self.heard = now;
            self.input.extend_from_slice(&bytes[..taken]);
        }
        taken
    }

    /// The next event, if the input yields one, no question is open, and the client has room for replies.
    pub fn next_event(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            if self.question.is_some() || !self.step() {
                return None;
            }
        }
    }

    /// The bytes to be sent to the client. Empty when there are none.
    #[must_use]
    pub fn take_output(&mut self) -> Bytes {
        self.output.split().freeze()
    }

    /// Answers [`Event::Auth`] with yes: the maildrop is locked, and this is in it.
    ///
    /// # Errors
    /// When that question is not open.
    pub fn log_in(&mut self, maildrop: Maildrop) -> Result<(), WrongAnswer> {
        let Some(Question::Auth) = self.question else {
            return Err(WrongAnswer);
        };
        self.question = None;
        self.say(&status::maildrop(&maildrop));
        self.state = State::Transaction(maildrop);
        Ok(())
    }

    /// Answers [`Event::Retrieve`] with yes; the message follows by [`push_message`](Self::push_message) and
    /// [`end_message`](Self::end_message).
    ///
    /// # Errors
    /// When that question is not open.
    pub fn begin_message(&mut self) -> Result<(), WrongAnswer> {
        let Some(Question::Retrieve { octets, lines }) = self.question else {
            return Err(WrongAnswer);
        };
        self.question = None;
        let encoder = match lines {
            None => {
                self.say(&status::octets(octets));
                DotEncoder::whole()
            }
            Some(lines) => {
                self.say(status::TOP_FOLLOWS);
                DotEncoder::top(lines)
            }
        };
        self.phase = Phase::Message(encoder);
        Ok(())
    }

    /// The next bytes of the message, as they are stored. The output is to be sent between one and the next.
    ///
    /// # Errors
    /// When no message has begun.
    pub fn push_message(&mut self, bytes: &[u8]) -> Result<Flow, WrongAnswer> {
        let Phase::Message(encoder) = &mut self.phase else {
            return Err(WrongAnswer);
        };
        let wants_more = encoder.push(bytes, &mut self.output);
        Ok(if wants_more { Flow::More } else { Flow::Enough })
    }

    /// The message is whole. Returns the octets sent, which for RETR should be those that the maildrop was filled with.
    /// A message that breaks off must not be ended: [`hang_up`](Self::hang_up).
    ///
    /// # Errors
    /// When no message has begun.
    pub fn end_message(&mut self) -> Result<u64, WrongAnswer> {
        match std::mem::replace(&mut self.phase, Phase::Command) {
            Phase::Message(encoder) => {
                self.begun = self.heard;
                Ok(encoder.finish(&mut self.output))
            }
            phase => {
                self.phase = phase;
                Err(WrongAnswer)
            }
        }
    }

    /// Answers [`Event::Commit`] with yes: all of the messages are deleted, durably. The only place where that is
    /// said.
    ///
    /// # Errors
    /// When that question is not open.
    pub fn committed(&mut self) -> Result<(), WrongAnswer> {
        let Some(Question::Commit(count)) = self.question else {
            return Err(WrongAnswer);
        };
        self.quit(&status::committed(count));
        Ok(())
    }

    /// Answers [`Event::StartTls`] with yes.
    ///
    /// # Errors
    /// When that question is not open.
    pub fn accept_tls(&mut self) -> Result<(), WrongAnswer> {
        let Some(Question::StartTls) = self.question else {
            return Err(WrongAnswer);
        };
        self.question = None;
        self.await_handshake();
        Ok(())
    }

    /// TLS has been negotiated: the client begins anew.
    ///
    /// # Errors
    /// When STLS was not accepted before.
    pub fn tls_started(&mut self, now: Instant) -> Result<(), WrongAnswer> {
        if !matches!(self.phase, Phase::Handshake) {
            return Err(WrongAnswer);
        }
        self.config.tls = Tls::Active;
        self.state = State::Authorization(None);
        self.phase = Phase::Command;
        (self.heard, self.begun) = (now, now);
        Ok(())
    }

    /// Answers the open question with no. After [`Event::Commit`], that says that no message was deleted, and the
    /// connection ends.
    ///
    /// # Errors
    /// When no question is open.
    pub fn refuse(&mut self, refusal: Refusal) -> Result<(), WrongAnswer> {
        match self.question.take().ok_or(WrongAnswer)? {
            Question::Commit(_) => self.quit(status::NOT_COMMITTED),
            Question::Auth if refusal == Refusal::Credentials => self.refuse_credentials(),
            Question::Auth | Question::Retrieve { .. } | Question::StartTls => self.say(refusal.status()),
        }
        Ok(())
    }

    /// Ends the connection without another word, where any would be a guess: a message broke off, or it is not known
    /// whether deletions were committed (DESIGN P6).
    pub fn hang_up(&mut self) {
        self.close(CloseReason::BySession);
    }

    /// By when the client must have sent something more, if the session has waited for it since `waiting_since`.
    /// Not asked while a question is open or a message is sent: then the client waits for us.
    #[must_use]
    pub fn deadline(&self, waiting_since: Instant) -> Instant {
        let is_within_line = !self.input.is_empty() || matches!(self.phase, Phase::SkipLine);
        let since = if is_within_line { self.begun } else { waiting_since };
        match self.state {
            State::Authorization(_) => since + LOGIN_TIMEOUT,
            State::Transaction(_) => since + IDLE_TIMEOUT,
        }
    }

    /// The deadline has passed: closes without a word and without deleting (RFC 1939 3).
    pub fn time_out(&mut self) {
        self.close(CloseReason::TimedOut);
    }

    /// Closes as soon as no answer is under way, without deleting.
    pub fn shut_down(&mut self) {
        self.is_stopping = true;
    }

    /// Answers the next command with -ERR and closes, without deleting: whoever logged in may do so no more.
    pub fn lock_out(&mut self) {
        self.is_locked_out = true;
    }

    fn may_log_in(&self) -> bool {
        match self.config.passwords {
            PasswordPolicy::Offered => true,
            PasswordPolicy::AfterTls => self.config.tls == Tls::Active,
        }
    }

    fn say(&mut self, status: &str) {
        self.output.put_slice(status.as_bytes());
        self.output.put_slice(b"\r\n");
    }

    /// Answers a command that the client should not have sent.
    fn fail(&mut self, status: &str) {
        self.say(status);
        self.tally.errors += 1;
        if self.tally.errors > ERRORS_MAX {
            self.say(status::TOO_MANY_ERRORS);
            self.close(CloseReason::TooManyErrors);
        }
    }

    fn refuse_credentials(&mut self) {
        self.say(Refusal::Credentials.status());
        self.tally.auth_failures += 1;
        if self.tally.auth_failures >= AUTH_FAILURES_MAX {
            self.close(CloseReason::TooManyAuthFailures);
        }
    }

    fn quit(&mut self, status: &str) {
        self.say(status);
        self.events.push_back(Event::Quit);
        self.end();
    }

    fn close(&mut self, reason: CloseReason) {
        if !matches!(self.phase, Phase::Closed) {
            self.events.push_back(Event::Closed(reason));
            self.end();
        }
    }

    fn end(&mut self) {
        self.phase = Phase::Closed;
        self.question = None;
        self.input.clear();
    }
}
