//! One step forward over the waiting input: a line, or a piece of a list.

use bytes::{Buf, BytesMut};

use super::{Phase, Server};
use crate::command::{BadCommand, Command};
use crate::event::CloseReason;
use crate::limits::{AUTH_LINE_BYTES_MAX, COMMAND_BYTES_MAX, OUTPUT_BYTES_PAUSE, UNKNOWN_COMMANDS_MAX};
use crate::status;

impl Server {
    /// Returns whether anything was done.
    pub(super) fn step(&mut self) -> bool {
        if self.output.len() >= OUTPUT_BYTES_PAUSE {
            return false;
        }
        match &self.phase {
            Phase::Command | Phase::Auth => self.step_line(),
            Phase::SkipLine => self.skip_line(),
            Phase::List(_) => self.step_list(),
            Phase::Message(_) | Phase::Handshake | Phase::Closed => false,
        }
    }

    fn step_line(&mut self) -> bool {
        if self.is_stopping {
            self.close(CloseReason::ShuttingDown);
            return true;
        }
        let Some(line) = self.take_line() else {
            if self.input.len() < self.line_bytes_max() {
                return false;
            }
            self.phase = Phase::SkipLine;
            return true;
        };
        if self.is_locked_out {
            self.say(status::LOCKED_OUT);
            self.close(CloseReason::LockedOut);
            return true;
        }
        let phase = std::mem::replace(&mut self.phase, Phase::Command);
        match (line, phase) {
            (None, _) => self.fail(status::BARE_LINE_FEED),
            (Some(line), Phase::Auth) => self.take_auth_line(&line),
            (Some(line), _) => self.take_command_line(&line),
        }
        true
    }

    /// The next line without its CR LF, if it is there; within that, `None` when it ends with a line feed alone.
    fn take_line(&mut self) -> Option<Option<BytesMut>> {
        let limit = self.line_bytes_max().min(self.input.len());
        let at = self.input[..limit].iter().position(|byte| *byte == b'\n')?;
        let mut line = self.input.split_to(at + 1);
        self.begun = self.heard;
        if !line.ends_with(b"\r\n") {
            return Some(None);
        }
        line.truncate(at - 1);
        Some(Some(line))
    }

    fn line_bytes_max(&self) -> usize {
        let is_auth = matches!(self.phase, Phase::Auth)
            || self
                .input
                .get(..5)
                .is_some_and(|verb| verb.eq_ignore_ascii_case(b"AUTH "));
        if is_auth {
            AUTH_LINE_BYTES_MAX
        } else {
            COMMAND_BYTES_MAX
        }
    }

    fn skip_line(&mut self) -> bool {
        if self.input.is_empty() {
            return false;
        }
        let end = self.input.iter().position(|byte| *byte == b'\n');
        self.input.advance(end.map_or(self.input.len(), |at| at + 1));
        if end.is_some() {
            self.phase = Phase::Command;
            self.begun = self.heard;
            self.fail(status::TOO_LONG);
        }
        true
    }

    fn take_command_line(&mut self, line: &[u8]) {
        let command = match Command::read(line) {
            Ok(command) => command,
            Err(fault) => return self.take_bad_command(fault),
        };
        match command {
            Command::Capabilities => self.take_capa(),
            Command::User(name) => self.take_user(name),
            Command::Pass(password) => self.take_pass(password),
            Command::AuthPlain(initial) => self.take_auth(initial),
            Command::StartTls => self.take_stls(),
            Command::Quit => self.take_quit(),
            Command::Stat
            | Command::List(_)
            | Command::UniqueIds(_)
            | Command::Retrieve(_)
            | Command::Top { .. }
            | Command::Delete(_)
            | Command::Reset
            | Command::Noop => self.take_transaction_command(&command),
        }
    }

    fn take_bad_command(&mut self, fault: BadCommand) {
        self.fail(&status::bad_command(fault));
        if fault == BadCommand::Unknown {
            self.tally.unknown_commands += 1;
            if self.tally.unknown_commands > UNKNOWN_COMMANDS_MAX {
                self.close(CloseReason::TooManyErrors);
            }
        }
    }
}
