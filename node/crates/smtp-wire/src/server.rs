//! The machine of one connection: bytes in, events and replies out.
//!
//! Invariants: replies leave in the order of the commands, since one command at a time is worked on; while a question
//! is open, input waits, and there is never more of it than `INPUT_BYTES_MAX`; a transaction exists only after a
//! greeting and an accepted MAIL; what came in clear text is never read after STARTTLS (RFC 3207 4.2, 5).
//!
//! Must not know: sockets, clocks, who exists, where messages go.

mod dispatch;
mod login;
mod message;
mod step;

use std::collections::VecDeque;
use std::time::Instant;

use bytes::{Bytes, BytesMut};

use crate::command::{Hello, HelloVerb};
use crate::config::{AuthPolicy, Config, Profile, Tls};
use crate::dots::DotDecoder;
use crate::event::{CloseReason, Event};
use crate::intake::Intake;
use crate::limits::{
    COMMAND_TIMEOUT, DATA_TIMEOUT, ERRORS_MAX, FRUITLESS_COMMANDS_MAX, INPUT_BYTES_MAX, MESSAGE_TIMEOUT,
    REFUSED_RECIPIENTS_MAX,
};
use crate::replies;
use crate::reply::Reply;
use crate::trace::Protocol;
use login::Exchange;

/// An answer that does not fit the question that is open, or comes while none is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answer fits no open question")]
pub struct WrongAnswer;

/// The server's side of one SMTP, LMTP or submission connection.
#[derive(Debug)]
pub struct Server {
    config: Config,
    phase: Phase,
    question: Option<Question>,
    hello: Option<Hello>,
    is_authenticated: bool,
    transaction: Option<Transaction>,
    input: BytesMut,
    output: BytesMut,
    events: VecDeque<Event>,
    tally: Tally,
    /// When the client last sent something.
    heard: Instant,
    /// When the line or the message that is being read began.
    begun: Instant,
    is_stopping: bool,
    is_locked_out: bool,
    is_final_reply_unseen: bool,
}

/// How input is read now.
#[derive(Debug)]
enum Phase {
    Command,
    /// Throws the rest of an overlong line away, then sends the reply.
    SkipLine(Reply),
    Auth(Exchange),
    Data(DotDecoder),
    Chunk(Chunk),
    /// Between the reply to STARTTLS and the end of the negotiation.
    Handshake,
    Closed,
}

/// One BDAT chunk.
#[derive(Debug)]
struct Chunk {
    bytes: u64,
    left: u64,
    is_last: bool,
    /// The chunk belongs to no message that could be stored: it is swallowed, and this is said.
    refusal: Option<Reply>,
}

/// What the session has been asked.
#[derive(Debug)]
enum Question {
    Mail,
    Rcpt,
    StartData,
    StartChunk(Chunk),
    /// Replies that are still due after the data.
    Final(usize),
    Auth,
    StartTls,
}

/// From an accepted MAIL to the end of its message, or RSET.
#[derive(Debug, Default)]
struct Transaction {
    /// Accepted ones.
    recipients: usize,
    /// The message, once its first byte may come.
    intake: Option<Intake>,
    /// Why the message has failed. Stays until the transaction ends, for BDAT chunks that are under way
    /// (RFC 3030 2).
    failure: Option<Reply>,
}

/// What one connection has used up of its limits.
#[derive(Debug, Default)]
struct Tally {
    errors: u32,
    unknown_commands: u32,
    auth_failures: u32,
    refused_recipients: u32,
    transactions: u32,
    fruitless_commands: u32,
    discarded_bytes: u64,
}

impl Server {
    /// A connection that has just been opened; the greeting waits in the output.
    #[must_use]
    pub fn new(config: Config, now: Instant) -> Self {
        let service = match config.profile {
            Profile::Smtp | Profile::Submission => "ESMTP",
            Profile::Lmtp => "LMTP",
        };
        let mut server = Self {
            phase: Phase::Command,
            question: None,
            hello: None,
            is_authenticated: false,
            transaction: None,
            input: BytesMut::new(),
            output: BytesMut::new(),
            events: VecDeque::new(),
            tally: Tally::default(),
            heard: now,
            begun: now,
            is_stopping: false,
            is_locked_out: false,
            is_final_reply_unseen: false,
            config,
        };
        server.say(&replies::greeting(&server.config.host, service));
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
        if taken == 0 {
            return 0;
        }
        if self.input.is_empty() && !self.is_in_message() {
            self.begun = now;
        }
        self.heard = now;
        if self.output.is_empty() {
            self.is_final_reply_unseen = false;
        }
        self.input.extend_from_slice(&bytes[..taken]);
        taken
    }

    /// The next event, if the input yields one and no question is open.
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

    /// Answers the open question with yes.
    ///
    /// # Errors
    /// When no question is open, or it is [`DataEnd`](Event::DataEnd).
    pub fn accept(&mut self) -> Result<(), WrongAnswer> {
        match self.question.take() {
            Some(Question::Mail) => self.begin_transaction(),
            Some(Question::Rcpt) => self.add_recipient(),
            Some(Question::StartData) => self.begin_data(),
            Some(Question::StartChunk(chunk)) => self.begin_chunks(chunk),
            Some(Question::Auth) => self.log_in(),
            Some(Question::StartTls) => self.await_handshake(),
            other => {
                self.question = other;
                return Err(WrongAnswer);
            }
        }
        Ok(())
    }

    /// Answers the open question with no. A reply of 421 closes the connection.
    ///
    /// # Errors
    /// When no question is open, it is [`DataEnd`](Event::DataEnd), or the reply is a positive one.
    pub fn refuse(&mut self, reply: Reply) -> Result<(), WrongAnswer> {
        if reply.is_positive() || matches!(self.question, None | Some(Question::Final(_))) {
            return Err(WrongAnswer);
        }
        let question = self.question.take();
        if reply.code() == 421 {
            self.close(&reply, CloseReason::BySession);
            return Ok(());
        }
        match question {
            Some(Question::StartChunk(chunk)) => self.refuse_chunks(chunk, reply),
            Some(Question::Auth) => self.refuse_login(&reply),
            Some(Question::Rcpt) if reply.is_permanent() => self.refuse_recipient(&reply),
            _ => self.say(&reply),
        }
        Ok(())
    }

    /// Answers [`DataEnd`](Event::DataEnd), for the next recipient where the profile has a reply for each. Returns how
    /// many answers are still due. The only place where the end of a message is answered with 250.
    ///
    /// # Errors
    /// When that question is not open.
    pub fn conclude(&mut self, reply: &Reply) -> Result<usize, WrongAnswer> {
        let Some(Question::Final(due)) = &mut self.question else {
            return Err(WrongAnswer);
        };
        *due -= 1;
        let due = *due;
        self.say(reply);
        if due == 0 {
            self.question = None;
            self.transaction = None;
            self.tally.fruitless_commands = 0;
            self.is_final_reply_unseen = true;
        }
        Ok(due)
    }

    /// Whether the client has sent nothing since the last reply after data went out: if the connection ends so, the
    /// client may not have seen that reply, and may send the message again (DESIGN M14).
    #[must_use]
    pub fn is_final_reply_unseen(&self) -> bool {
        self.is_final_reply_unseen
    }

    /// TLS has been negotiated: the client begins anew, with nothing that was known of it (RFC 3207 4.2).
    ///
    /// # Errors
    /// When STARTTLS was not accepted before.
    pub fn tls_started(&mut self, now: Instant) -> Result<(), WrongAnswer> {
        if !matches!(self.phase, Phase::Handshake) {
            return Err(WrongAnswer);
        }
        self.config.tls = Tls::Active;
        self.hello = None;
        self.is_authenticated = false;
        self.phase = Phase::Command;
        (self.heard, self.begun) = (now, now);
        Ok(())
    }

    /// By when the client must have sent something more, if the session has waited for it since `waiting_since`.
    /// Not asked while a question is open: then the client waits for us.
    #[must_use]
    pub fn deadline(&self, waiting_since: Instant) -> Instant {
        if self.is_in_message() {
            return (waiting_since + DATA_TIMEOUT).min(self.begun + MESSAGE_TIMEOUT);
        }
        let is_within_line = !self.input.is_empty() || matches!(self.phase, Phase::SkipLine(_));
        let since = if is_within_line { self.begun } else { waiting_since };
        since + COMMAND_TIMEOUT
    }

    /// The deadline has passed: says so and closes.
    pub fn time_out(&mut self) {
        self.close(&replies::timed_out(), CloseReason::TimedOut);
    }

    /// Closes with 421 as soon as the client has no answer and no message under way (RFC 5321 3.8).
    pub fn shut_down(&mut self) {
        self.is_stopping = true;
    }

    /// Closes with 421 as soon as the client has no answer and no message under way: whoever logged in may do so no
    /// more.
    pub fn lock_out(&mut self) {
        self.is_locked_out = true;
    }

    /// What the client called itself last.
    #[must_use]
    pub fn hello(&self) -> Option<&Hello> {
        self.hello.as_ref()
    }

    /// The protocol as a Received field names it (RFC 3848).
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        Protocol {
            is_lmtp: self.config.profile == Profile::Lmtp,
            is_extended: self.hello.as_ref().is_some_and(|hello| hello.verb != HelloVerb::Helo),
            is_encrypted: self.config.tls == Tls::Active,
            is_authenticated: self.is_authenticated,
        }
    }

    fn is_in_message(&self) -> bool {
        matches!(self.phase, Phase::Data(_) | Phase::Chunk(_))
    }

    fn may_authenticate(&self) -> bool {
        match self.config.auth {
            AuthPolicy::Offered => true,
            AuthPolicy::AfterTls => self.config.tls == Tls::Active,
            AuthPolicy::Hidden => false,
        }
    }

    fn say(&mut self, reply: &Reply) {
        reply.write_to(&mut self.output);
    }

    /// Answers a command that the client should not have sent.
    fn fail(&mut self, reply: &Reply) {
        self.say(reply);
        self.tally.errors += 1;
        if self.tally.errors > ERRORS_MAX {
            self.close(&replies::too_many_errors(), CloseReason::TooManyErrors);
        }
    }

    /// Counts a command that leads to no message.
    fn count_fruitless(&mut self) {
        self.tally.fruitless_commands += 1;
        if self.tally.fruitless_commands > FRUITLESS_COMMANDS_MAX {
            self.close(&replies::too_many_commands(), CloseReason::TooManyCommands);
        }
    }

    fn refuse_recipient(&mut self, reply: &Reply) {
        self.say(reply);
        self.tally.refused_recipients += 1;
        if self.tally.refused_recipients > REFUSED_RECIPIENTS_MAX {
            self.close(&replies::too_many_errors(), CloseReason::TooManyRefusedRecipients);
        }
    }

    fn close(&mut self, reply: &Reply, reason: CloseReason) {
        if matches!(self.phase, Phase::Closed) {
            return;
        }
        self.say(reply);
        self.events.push_back(Event::Closed(reason));
        self.end();
    }

    fn end(&mut self) {
        self.phase = Phase::Closed;
        self.question = None;
        self.transaction = None;
        self.input.clear();
    }
}
