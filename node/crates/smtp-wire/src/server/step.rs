//! One step forward over the waiting input: a line, or a piece of a message.

use bytes::{Buf, BytesMut};

use super::{Phase, Server};
use crate::event::CloseReason;
use crate::limits::{AUTH_LINE_BYTES_MAX, COMMAND_BYTES_MAX};
use crate::replies;
use crate::reply::Reply;

impl Server {
    /// Returns whether anything was done.
    pub(super) fn step(&mut self) -> bool {
        match &self.phase {
            Phase::Command | Phase::Auth(_) => self.step_line(),
            Phase::SkipLine(reply) => {
                let reply = reply.clone();
                self.skip_line(&reply)
            }
            Phase::Data(_) => self.step_data(),
            Phase::Chunk(_) => self.step_chunk(),
            Phase::Handshake | Phase::Closed => false,
        }
    }

    fn step_line(&mut self) -> bool {
        if self.is_stopping {
            self.close(&replies::shutting_down(), CloseReason::ShuttingDown);
            return true;
        }
        if self.is_locked_out {
            self.close(&replies::locked_out(), CloseReason::LockedOut);
            return true;
        }
        let Some(line) = self.take_line() else {
            return self.begin_skipping();
        };
        let phase = std::mem::replace(&mut self.phase, Phase::Command);
        match (line, phase) {
            (Err(reply), _) => self.fail(&reply),
            (Ok(line), Phase::Auth(exchange)) => self.take_auth_line(exchange, &line),
            (Ok(line), _) => self.take_command(&line),
        }
        true
    }

    /// The next line without its CR LF, if it is there. A line feed alone ends no command either: what some server
    /// before us took for one line must not be two here.
    fn take_line(&mut self) -> Option<Result<BytesMut, Reply>> {
        let limit = self.line_bytes_max().min(self.input.len());
        let at = self.input[..limit].iter().position(|byte| *byte == b'\n')?;
        let mut line = self.input.split_to(at + 1);
        self.begun = self.heard;
        if !line.ends_with(b"\r\n") {
            return Some(Err(replies::bare_line_feed_in_command()));
        }
        line.truncate(at - 1);
        Some(Ok(line))
    }

    fn line_bytes_max(&self) -> usize {
        let is_auth = matches!(self.phase, Phase::Auth(_))
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

    fn begin_skipping(&mut self) -> bool {
        let limit = self.line_bytes_max();
        if self.input.len() < limit {
            return false;
        }
        let reply = if limit == AUTH_LINE_BYTES_MAX {
            replies::auth_line_too_long()
        } else {
            replies::command_too_long()
        };
        self.phase = Phase::SkipLine(reply);
        true
    }

    fn skip_line(&mut self, reply: &Reply) -> bool {
        if self.input.is_empty() {
            return false;
        }
        let end = self.input.iter().position(|byte| *byte == b'\n');
        let skipped = end.map_or(self.input.len(), |at| at + 1);
        self.input.advance(skipped);
        self.discard(skipped);
        if end.is_some() && matches!(self.phase, Phase::SkipLine(_)) {
            self.phase = Phase::Command;
            self.begun = self.heard;
            self.fail(reply);
        }
        true
    }
}
