//! The machine that turns a client's octets into events.
//!
//! Invariants
//! - One event at a time, and only when asked: pipelined commands stay octets until [`ImapServer::poll`], so that a
//!   command is read in the state that the one before it has left.
//! - Events do not depend on how the octets were cut into packets, but for the cut of [`Event::AppendChunk`].
//! - Memory is bounded by [`INPUT_BYTES_MAX`], one read of the caller, and [`COMMAND_BYTES_MAX`], if the caller heeds
//!   [`ImapServer::wants_input`]. Messages are handed on as they come.
//! - The octets of a literal are never read as a command: what follows a refused one is dropped, or the connection
//!   ends.
//! - After [`Event::Fatal`] nothing comes any more.
//!
//! Must not know: sockets, TLS, time, and what commands do.

mod event;
mod input;
mod literal;

use std::fmt;

pub use event::Event;

use input::{Input, Line};

use crate::command::{self, Tagged, read_auth_line, read_head};
use crate::limits::{
    AppendLimit, COMMAND_BYTES_MAX, ERRORS_MAX, ERRORS_MAX_BEFORE_LOGIN, INPUT_BYTES_MAX, LINE_BYTES_MAX,
    LINE_BYTES_MAX_BEFORE_LOGIN,
};
use crate::refusal::{Refusal, RefusalKind};
use crate::state::SessionState;
use crate::syntax::literal_marker;
use crate::tag::Tag;

/// See the module.
pub struct ImapServer {
    append_limit: AppendLimit,
    state: SessionState,
    input: Input,
    /// The command that is being collected: its lines, with CRLF between them, and its literals.
    command: Vec<u8>,
    /// Whether a line of that command ended in a bare LF.
    bare_lf: bool,
    mode: Mode,
    /// Bad commands since the last good one.
    errors: u32,
}

/// What the next octets are.
#[derive(Debug)]
enum Mode {
    /// A line of a command, its first or one after a literal.
    Line,
    /// A literal that is collected.
    Literal { remaining: usize },
    /// Not read: the session has to decide about a message.
    AppendOffered {
        command: AppendUnderWay,
        size: u64,
        synchronizing: bool,
    },
    /// The message is accepted, the client waits to hear it.
    AppendAccepted { command: AppendUnderWay, size: u64 },
    /// The message.
    AppendOctets { command: AppendUnderWay, remaining: u64 },
    /// What follows the message: the end of the APPEND, or the next one.
    AppendTail { command: AppendUnderWay },
    /// A literal of a refused command.
    Skip { remaining: u64 },
    /// A line of a refused command, after a literal.
    SkipLine,
    /// The line that ends IDLE.
    Idle { tag: Tag },
    /// A line of AUTHENTICATE.
    Auth { tag: Tag },
    /// Nothing any more.
    Ended,
}

/// An APPEND some of whose messages were announced.
#[derive(Debug)]
struct AppendUnderWay {
    tag: Tag,
    /// How many, that being decided about included.
    messages: usize,
}

/// What one step of the machine gives.
enum Step {
    /// Something to tell.
    Event(Event),
    /// Nothing yet, but there is more to do.
    Again,
    /// Nothing until more octets come, or the session decides.
    Wait,
}

impl ImapServer {
    /// The machine of a fresh connection. The greeting is the session's.
    #[must_use]
    pub fn new(append_limit: AppendLimit) -> Self {
        Self {
            append_limit,
            state: SessionState::NotAuthenticated,
            input: Input::default(),
            command: Vec::new(),
            bare_lf: false,
            mode: Mode::Line,
            errors: 0,
        }
    }

    /// Takes octets from the client.
    pub fn handle_input(&mut self, octets: &[u8]) {
        if !matches!(self.mode, Mode::Ended) {
            self.input.extend(octets);
        }
    }

    /// Whether octets should be read from the client now. While it is false, [`ImapServer::poll`] has something to
    /// give or the session something to decide.
    #[must_use]
    pub fn wants_input(&self) -> bool {
        !matches!(self.mode, Mode::Ended) && self.input.len() < INPUT_BYTES_MAX
    }

    /// The next event; `None` until more octets come, or the session has decided about an announced message.
    pub fn poll(&mut self) -> Option<Event> {
        loop {
            match self.step() {
                Step::Event(event) => return Some(event),
                Step::Again => {}
                Step::Wait => return None,
            }
        }
    }

    /// Where the session stands.
    #[must_use]
    pub fn state(&self) -> SessionState {
        self.state
    }

    /// Says where the session stands now; commands after this are judged by it.
    pub fn set_state(&mut self, state: SessionState) {
        self.state = state;
    }

    /// Accepts the announced message: its octets follow as events.
    pub fn accept_append(&mut self) {
        self.mode = match std::mem::replace(&mut self.mode, Mode::Line) {
            Mode::AppendOffered {
                command,
                size,
                synchronizing: true,
            } => Mode::AppendAccepted { command, size },
            Mode::AppendOffered { command, size, .. } => Mode::AppendOctets {
                command,
                remaining: size,
            },
            other => other,
        };
    }

    /// Refuses the announced message, and with it its command; the session sends the tagged NO itself. Octets that come
    /// nevertheless are dropped, further messages of the command among them.
    pub fn refuse_append(&mut self) {
        self.mode = match std::mem::replace(&mut self.mode, Mode::Line) {
            Mode::AppendOffered {
                synchronizing: true, ..
            } => Mode::Line,
            Mode::AppendOffered { size, .. } => Mode::Skip { remaining: size },
            other => other,
        };
    }

    /// After the command IDLE of `tag`: the next line ends it. The session sends the continuation.
    pub fn begin_idle(&mut self, tag: Tag) {
        self.expect_instead_of_command(Mode::Idle { tag });
    }

    /// After the command AUTHENTICATE of `tag`, and after each of its lines that is not the last: the next line
    /// belongs to it. The session sends the challenge.
    pub fn expect_auth_line(&mut self, tag: Tag) {
        self.expect_instead_of_command(Mode::Auth { tag });
    }

    fn expect_instead_of_command(&mut self, mode: Mode) {
        if matches!(self.mode, Mode::Line) && self.command.is_empty() {
            self.mode = mode;
        }
    }

    /// To be called between the OK to STARTTLS and the handshake: what came in the clear after that command is
    /// dropped, since anybody could have put it there (RFC 3501 6.2.1, RFC 2595 2.1).
    pub fn reset_after_starttls(&mut self) {
        if !matches!(self.mode, Mode::Ended) {
            *self = Self::new(self.append_limit);
        }
    }

    fn step(&mut self) -> Step {
        match &self.mode {
            Mode::Line => self.step_line(),
            Mode::Literal { remaining } => self.step_literal(*remaining),
            Mode::AppendOffered { .. } | Mode::Ended => Step::Wait,
            Mode::AppendAccepted { .. } => self.step_accepted(),
            Mode::AppendOctets { .. } => self.step_message(),
            Mode::AppendTail { .. } => self.step_append_tail(),
            Mode::Skip { remaining } => self.step_skip(*remaining),
            Mode::SkipLine => self.step_skip_line(),
            Mode::Idle { .. } | Mode::Auth { .. } => self.step_exchange(),
        }
    }

    /// The next line, or the step that there is instead.
    fn line(&mut self) -> Result<(bytes::Bytes, bool), Step> {
        let len_max = if self.state.is_authenticated() {
            LINE_BYTES_MAX
        } else {
            LINE_BYTES_MAX_BEFORE_LOGIN
        };
        match self.input.take_line(len_max) {
            Line::Missing => Err(Step::Wait),
            Line::TooLong => Err(self.fatal("the line is too long")),
            Line::Whole { text, bare_lf } => Ok((text, bare_lf)),
        }
    }

    fn step_line(&mut self) -> Step {
        let (line, bare_lf) = match self.line() {
            Ok(line) => line,
            Err(step) => return step,
        };
        self.bare_lf |= bare_lf;
        let line_start = self.command.len();
        if line_start + line.len() > COMMAND_BYTES_MAX {
            return self.fatal("the command is too long");
        }
        self.command.extend_from_slice(&line);
        match literal_marker(&line) {
            Some(mut marker) => {
                marker.start += line_start;
                self.step_marker(marker)
            }
            None => self.step_command_end(),
        }
    }

    fn step_command_end(&mut self) -> Step {
        let octets = std::mem::take(&mut self.command);
        let bare_lf = std::mem::take(&mut self.bare_lf);
        let mut head = match read_head(&octets) {
            Ok(head) => head,
            Err((tag, refusal)) => return self.reject(tag, refusal),
        };
        let read = if bare_lf {
            Err(Refusal::bad("a line ends in CR and LF"))
        } else if head.verb == command::append::VERB {
            Err(Refusal::bad("APPEND ends in a mailbox and the literal of a message"))
        } else {
            command::read_arguments(&head.verb, &mut head.arguments)
        };
        let tag = head.tag;
        match read {
            Ok(command) if !command.allowed_in(self.state) => self.reject(Some(tag), not_now()),
            Ok(command) => {
                self.errors = 0;
                Step::Event(Event::Command(Tagged { tag, command }))
            }
            Err(refusal) => self.reject(Some(tag), refusal),
        }
    }

    /// A line that is no command: the end of IDLE, or an answer of AUTHENTICATE.
    fn step_exchange(&mut self) -> Step {
        let (line, _) = match self.line() {
            Ok(line) => line,
            Err(step) => return step,
        };
        match std::mem::replace(&mut self.mode, Mode::Line) {
            Mode::Idle { tag } if line.eq_ignore_ascii_case(b"DONE") => Step::Event(Event::IdleDone { tag }),
            Mode::Idle { tag } => self.reject(Some(tag), Refusal::bad("IDLE ends in DONE")),
            Mode::Auth { tag } => match read_auth_line(&line) {
                Ok(Some(response)) => Step::Event(Event::AuthLine(response)),
                Ok(None) => self.reject(Some(tag), Refusal::bad("cancelled")),
                Err(refusal) => self.reject(Some(tag), refusal),
            },
            other => {
                self.mode = other;
                Step::Again
            }
        }
    }

    fn reject(&mut self, tag: Option<Tag>, refusal: Refusal) -> Step {
        if refusal.kind == RefusalKind::Bad {
            self.errors += 1;
        }
        let errors_max = if self.state.is_authenticated() {
            ERRORS_MAX
        } else {
            ERRORS_MAX_BEFORE_LOGIN
        };
        if self.errors >= errors_max {
            return self.fatal("too many bad commands");
        }
        Step::Event(Event::Rejected(refusal.of(tag)))
    }

    fn fatal(&mut self, text: &'static str) -> Step {
        self.mode = Mode::Ended;
        self.input.clear();
        self.command = Vec::new();
        Step::Event(Event::Fatal { text })
    }
}

fn not_now() -> Refusal {
    Refusal::bad("this command is not allowed in this state")
}

/// Without the octets, among which may be a password.
impl fmt::Debug for ImapServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImapServer")
            .field("state", &self.state)
            .field("mode", &self.mode)
            .field("input_bytes", &self.input.len())
            .field("command_bytes", &self.command.len())
            .finish_non_exhaustive()
    }
}
