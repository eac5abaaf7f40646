//! Literals: those that are collected, the messages of APPEND, and those of refused commands (RFC 3501 4.3, RFC 7888).
//!
//! Invariant: before octets of a literal are taken as anything else, they have been counted off. A synchronizing one
//! that is refused never comes; a non-synchronizing one is dropped, or, when it is larger than what could be accepted,
//! ends the connection.

use super::{AppendUnderWay, Event, ImapServer, Mode, Step, not_now};
use crate::command::append::{self, Announced};
use crate::command::{Append, read_head};
use crate::limits::{APPEND_MESSAGES_MAX, COMMAND_BYTES_MAX, LITERAL_BYTES_MAX, LITERAL_BYTES_MAX_BEFORE_LOGIN};
use crate::refusal::Refusal;
use crate::response::Code;
use crate::syntax::{Cursor, LiteralMarker, literal_marker};
use crate::tag::Tag;

const TOO_LARGE: &str = "the literal is too large";

impl ImapServer {
    /// A line of the collected command ends in `marker`.
    pub(super) fn step_marker(&mut self, marker: LiteralMarker) -> Step {
        let mut head = match read_head(&self.command) {
            Ok(head) => head,
            Err((tag, _)) => return self.step_collect(marker, tag),
        };
        if head.verb != append::VERB {
            let tag = head.tag;
            return self.step_collect(marker, Some(tag));
        }
        let announced = if !self.state.is_authenticated() {
            Err(not_now())
        } else if self.bare_lf {
            Err(Refusal::bad("a line ends in CR and LF"))
        } else {
            append::read_announced(&mut head.arguments, marker)
        };
        let tag = head.tag;
        match announced {
            Ok(Announced::MailboxName) => self.step_collect(marker, Some(tag)),
            Ok(Announced::Message(mailbox, message)) => {
                let command = AppendUnderWay {
                    tag: tag.clone(),
                    messages: 1,
                };
                self.step_offer(command, marker, Event::Append(Append { tag, mailbox, message }))
            }
            Err(refusal) => self.refuse_literal(marker, Some(tag), refusal),
        }
    }

    /// A literal that becomes part of the command.
    fn step_collect(&mut self, marker: LiteralMarker, tag: Option<Tag>) -> Step {
        let is_authenticated = self.state.is_authenticated();
        let size_max = if is_authenticated {
            LITERAL_BYTES_MAX
        } else {
            LITERAL_BYTES_MAX_BEFORE_LOGIN
        };
        let fits = |size: &usize| *size <= size_max && self.command.len() + 2 + *size <= COMMAND_BYTES_MAX;
        let Some(size) = usize::try_from(marker.size).ok().filter(fits) else {
            return if marker.synchronizing {
                self.refuse_literal(marker, tag, Refusal::bad(TOO_LARGE))
            } else {
                self.fatal(TOO_LARGE)
            };
        };
        self.command.extend_from_slice(b"\r\n");
        self.mode = Mode::Literal { remaining: size };
        if marker.synchronizing {
            Step::Event(Event::Continue)
        } else {
            Step::Again
        }
    }

    pub(super) fn step_literal(&mut self, remaining: usize) -> Step {
        if remaining == 0 {
            self.mode = Mode::Line;
            return Step::Again;
        }
        let Some(octets) = self.input.take(remaining as u64) else {
            return Step::Wait;
        };
        self.command.extend_from_slice(&octets);
        self.mode = Mode::Literal {
            remaining: remaining.saturating_sub(octets.len()),
        };
        Step::Again
    }

    /// A message of `command` that is announced by `event`.
    fn step_offer(&mut self, command: AppendUnderWay, marker: LiteralMarker, event: Event) -> Step {
        let refusal = if marker.size == 0 {
            // RFC 3502 6.3.11 has clients abort so.
            Refusal::no(Code::Cannot, "there is no message of no octets")
        } else if marker.size > self.append_limit.0 {
            Refusal::no(Code::TooBig, "the message is too large")
        } else if command.messages > APPEND_MESSAGES_MAX {
            Refusal::no(Code::Limit, "too many messages in one command")
        } else {
            self.command = Vec::new();
            self.errors = 0;
            self.mode = Mode::AppendOffered {
                command,
                size: marker.size,
                synchronizing: marker.synchronizing,
            };
            return Step::Event(event);
        };
        self.refuse_literal(marker, Some(command.tag), refusal)
    }

    /// Ends the collected command, whose literal is not wanted.
    fn refuse_literal(&mut self, marker: LiteralMarker, tag: Option<Tag>, refusal: Refusal) -> Step {
        self.command = Vec::new();
        self.bare_lf = false;
        if !marker.synchronizing && !self.may_skip(marker.size) {
            return self.fatal(TOO_LARGE);
        }
        self.mode = if marker.synchronizing {
            Mode::Line
        } else {
            Mode::Skip { remaining: marker.size }
        };
        self.reject(tag, refusal)
    }

    /// Whether a literal of a refused command is small enough to wait for its end.
    fn may_skip(&self, size: u64) -> bool {
        if self.state.is_authenticated() {
            size <= self.append_limit.0.max(LITERAL_BYTES_MAX as u64)
        } else {
            size <= LITERAL_BYTES_MAX_BEFORE_LOGIN as u64
        }
    }

    pub(super) fn step_accepted(&mut self) -> Step {
        if let Mode::AppendAccepted { command, size } = std::mem::replace(&mut self.mode, Mode::Line) {
            self.mode = Mode::AppendOctets {
                command,
                remaining: size,
            };
        }
        Step::Event(Event::Continue)
    }

    pub(super) fn step_message(&mut self) -> Step {
        let Mode::AppendOctets { command, remaining } = &mut self.mode else {
            return Step::Again;
        };
        if *remaining == 0 {
            if let Mode::AppendOctets { command, .. } = std::mem::replace(&mut self.mode, Mode::Line) {
                self.mode = Mode::AppendTail { command };
            }
            return Step::Again;
        }
        let Some(octets) = self.input.take(*remaining) else {
            return Step::Wait;
        };
        *remaining = remaining.saturating_sub(octets.len() as u64);
        if octets.contains(&0) {
            // RFC 3501 4.3.1: only literal8 of BINARY could carry it.
            let (tag, remaining) = (command.tag.clone(), *remaining);
            self.mode = Mode::Skip { remaining };
            return self.reject(Some(tag), Refusal::bad("a message has no NUL"));
        }
        Step::Event(Event::AppendChunk(octets))
    }

    pub(super) fn step_append_tail(&mut self) -> Step {
        let (line, bare_lf) = match self.line() {
            Ok(line) => line,
            Err(step) => return step,
        };
        let Mode::AppendTail { mut command } = std::mem::replace(&mut self.mode, Mode::Line) else {
            return Step::Again;
        };
        let Some(marker) = literal_marker(&line) else {
            return if line.is_empty() && !bare_lf {
                Step::Event(Event::AppendEnd { tag: command.tag })
            } else {
                self.reject(Some(command.tag), Refusal::bad("APPEND ends after its last message"))
            };
        };
        let read = if bare_lf {
            Err(Refusal::bad("a line ends in CR and LF"))
        } else {
            append::read_message(&mut Cursor::new(&line), marker)
        };
        let tag = command.tag.clone();
        match read {
            Ok(message) => {
                command.messages += 1;
                self.step_offer(command, marker, Event::AppendNext { tag, message })
            }
            Err(refusal) => self.refuse_literal(marker, Some(tag), refusal),
        }
    }

    pub(super) fn step_skip(&mut self, remaining: u64) -> Step {
        if remaining == 0 {
            self.mode = Mode::SkipLine;
            return Step::Again;
        }
        let skipped = self.input.skip(remaining) as u64;
        if skipped == 0 {
            return Step::Wait;
        }
        self.mode = Mode::Skip {
            remaining: remaining.saturating_sub(skipped),
        };
        Step::Again
    }

    pub(super) fn step_skip_line(&mut self) -> Step {
        let (line, _) = match self.line() {
            Ok(line) => line,
            Err(step) => return step,
        };
        self.mode = Mode::Line;
        self.skip_after(&line).unwrap_or(Step::Again)
    }

    /// After a `line` of a refused command: it may announce one more literal. Gives the end of the connection when
    /// that is too large to be dropped.
    fn skip_after(&mut self, line: &[u8]) -> Option<Step> {
        let marker = literal_marker(line).filter(|marker| !marker.synchronizing)?;
        if !self.may_skip(marker.size) {
            return Some(self.fatal(TOO_LARGE));
        }
        self.mode = Mode::Skip { remaining: marker.size };
        None
    }
}
