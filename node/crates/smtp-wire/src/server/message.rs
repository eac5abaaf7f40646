//! The message of a transaction, by DATA (RFC 5321 4.1.1.4) or in BDAT chunks (RFC 3030).
//!
//! A message that fails is swallowed to its end, since only then the client and we agree again on what is a command.
//! A failed chunk is answered at once, and those that are already under way behind it with the same reply
//! (RFC 3030 2). After the end there is one reply per accepted recipient in LMTP, also for a failure (RFC 2033 4.2).

use bytes::{Buf, Bytes};

use super::{Chunk, Phase, Question, Server};
use crate::config::Profile;
use crate::dots::DotDecoder;
use crate::event::{CloseReason, Event};
use crate::intake::{Fault, Intake};
use crate::limits::{CHUNK_BYTES_MAX, DISCARDED_BYTES_MAX};
use crate::replies;
use crate::reply::Reply;

impl Server {
    pub(super) fn take_data(&mut self) {
        let Some(transaction) = &self.transaction else {
            return self.fail(&replies::mail_first());
        };
        if transaction.intake.is_some() || transaction.failure.is_some() {
            return self.fail(&replies::chunks_begun());
        }
        if transaction.recipients == 0 {
            return self.say(&replies::recipient_first());
        }
        self.question = Some(Question::StartData);
        self.events.push_back(Event::DataStart);
    }

    pub(super) fn begin_data(&mut self) {
        self.open_message();
        self.say(&replies::send_data());
        self.phase = Phase::Data(DotDecoder::default());
    }

    fn open_message(&mut self) {
        self.begun = self.heard;
        if let Some(transaction) = &mut self.transaction {
            transaction.intake = Some(Intake::new(self.config.message_bytes_max));
        }
    }

    pub(super) fn take_bdat(&mut self, bytes: u64, is_last: bool) {
        let mut chunk = Chunk {
            bytes,
            left: bytes,
            is_last,
            refusal: None,
        };
        chunk.refusal = self.chunk_refusal(bytes);
        let is_first = self.transaction.as_ref().is_some_and(|open| open.intake.is_none());
        if chunk.refusal.is_none() && is_first {
            self.question = Some(Question::StartChunk(chunk));
            self.events.push_back(Event::DataStart);
        } else {
            self.phase = Phase::Chunk(chunk);
        }
    }

    /// Why the octets of a chunk go nowhere.
    fn chunk_refusal(&mut self, bytes: u64) -> Option<Reply> {
        let Some(transaction) = &self.transaction else {
            return Some(replies::mail_first());
        };
        if let Some(failure) = &transaction.failure {
            return Some(failure.clone());
        }
        if transaction.recipients == 0 {
            return Some(replies::recipient_first());
        }
        let before = transaction.intake.as_ref().map_or(0, Intake::bytes);
        if bytes > self.config.message_bytes_max.saturating_sub(before) {
            self.fail_message(Fault::TooLarge);
            return Some(Fault::TooLarge.reply());
        }
        None
    }

    pub(super) fn begin_chunks(&mut self, chunk: Chunk) {
        self.open_message();
        self.phase = Phase::Chunk(chunk);
    }

    pub(super) fn refuse_chunks(&mut self, mut chunk: Chunk, reply: Reply) {
        if let Some(transaction) = &mut self.transaction {
            transaction.failure = Some(reply.clone());
        }
        chunk.refusal = Some(reply);
        self.phase = Phase::Chunk(chunk);
    }

    pub(super) fn step_data(&mut self) -> bool {
        let Phase::Data(decoder) = &mut self.phase else {
            return false;
        };
        if self.input.is_empty() {
            return false;
        }
        let mut message = Vec::with_capacity(self.input.len());
        let decoded = decoder.decode(&self.input, &mut message);
        self.input.advance(decoded.consumed);
        self.take_message(Bytes::from(message));
        if decoded.is_over && self.is_in_message() {
            self.end_message();
        }
        true
    }

    pub(super) fn step_chunk(&mut self) -> bool {
        let Phase::Chunk(chunk) = &mut self.phase else {
            return false;
        };
        let ready = self.input.len().min(CHUNK_BYTES_MAX);
        let taken = usize::try_from(chunk.left).map_or(ready, |left| left.min(ready));
        if taken == 0 && chunk.left > 0 {
            return false;
        }
        chunk.left -= taken as u64;
        let is_whole = chunk.left == 0;
        let is_refused = chunk.refusal.is_some();
        let bytes = self.input.split_to(taken).freeze();
        if is_refused {
            self.discard(taken);
        } else {
            self.take_message(bytes);
        }
        if is_whole && self.is_in_message() {
            self.end_chunk();
        }
        true
    }

    fn end_chunk(&mut self) {
        let Phase::Chunk(chunk) = std::mem::replace(&mut self.phase, Phase::Command) else {
            return;
        };
        self.begun = self.heard;
        let failure = self.transaction.as_ref().and_then(|open| open.failure.clone());
        match failure.or(chunk.refusal) {
            _ if chunk.is_last && self.is_message_known() => self.end_message(),
            Some(reply) if self.transaction.is_none() => self.fail(&reply),
            Some(reply) => self.say(&reply),
            None => self.say(&replies::chunk_ok(chunk.bytes)),
        }
    }

    /// Whether the open transaction has a message, be it a failed one.
    fn is_message_known(&self) -> bool {
        self.transaction
            .as_ref()
            .is_some_and(|open| open.intake.is_some() || open.failure.is_some())
    }

    /// Takes the next bytes of the message.
    fn take_message(&mut self, bytes: Bytes) {
        let Some(transaction) = &mut self.transaction else {
            return;
        };
        let Some(intake) = transaction.intake.as_mut().filter(|_| transaction.failure.is_none()) else {
            return self.discard(bytes.len());
        };
        match intake.push(&bytes) {
            Ok(()) if bytes.is_empty() => {}
            Ok(()) => self.events.push_back(Event::Chunk(bytes)),
            Err(fault) => self.fail_message(fault),
        }
    }

    fn fail_message(&mut self, fault: Fault) {
        if let Some(transaction) = &mut self.transaction {
            transaction.failure = Some(fault.reply());
        }
        self.events.push_back(Event::DataRefused(fault));
    }

    /// The last byte is there: asks, or answers for what has failed.
    fn end_message(&mut self) {
        self.phase = Phase::Command;
        self.begun = self.heard;
        let Some(transaction) = &self.transaction else {
            return;
        };
        let due = match self.config.profile {
            Profile::Lmtp => transaction.recipients,
            Profile::Smtp | Profile::Submission => 1,
        };
        if transaction.failure.is_none() {
            match transaction.intake.as_ref().map(Intake::finish) {
                Some(Ok(facts)) => {
                    self.question = Some(Question::Final(due));
                    return self.events.push_back(Event::DataEnd(facts));
                }
                Some(Err(fault)) => self.fail_message(fault),
                None => {}
            }
        }
        if let Some(failure) = self.transaction.take().and_then(|transaction| transaction.failure) {
            (0..due).for_each(|_| self.say(&failure));
        }
    }

    /// Counts bytes that were thrown away.
    pub(super) fn discard(&mut self, bytes: usize) {
        self.tally.discarded_bytes += bytes as u64;
        if self.tally.discarded_bytes > DISCARDED_BYTES_MAX {
            self.close(&replies::too_much_discarded(), CloseReason::TooMuchDiscarded);
        }
    }
}
