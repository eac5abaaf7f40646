//! What a client may do with its maildrop (RFC 1939 5 to 7).

use std::fmt::Write;

use super::{Phase, Question, Server, State};
use crate::command::Command;
use crate::event::Event;
use crate::limits::OUTPUT_BYTES_PAUSE;
use crate::maildrop::Maildrop;
use crate::status;

/// A list that is being sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Listing {
    column: Column,
    /// Index of the next message.
    next: usize,
}

/// What stands beside the number.
#[derive(Clone, Copy, Debug)]
enum Column {
    Octets,
    UniqueId,
}

impl Server {
    pub(super) fn take_transaction_command(&mut self, command: &Command) {
        let State::Transaction(maildrop) = &mut self.state else {
            return self.fail(status::LOG_IN_FIRST);
        };
        match *command {
            Command::Stat => {
                let status = status::stat(maildrop);
                self.say(&status);
            }
            Command::Reset => {
                maildrop.reset();
                let status = status::maildrop(maildrop);
                self.say(&status);
            }
            Command::List(None) => self.begin_list(Column::Octets),
            Command::UniqueIds(None) => self.begin_list(Column::UniqueId),
            Command::List(Some(number))
            | Command::UniqueIds(Some(number))
            | Command::Retrieve(number)
            | Command::Top { number, .. }
            | Command::Delete(number) => match maildrop.find(number) {
                Ok(index) => self.take_message_command(command, number, index),
                Err(fault) => self.say(status::bad_number(fault)),
            },
            _ => self.say(status::NOOP),
        }
    }

    /// A command about the message at `index`, which is there.
    fn take_message_command(&mut self, command: &Command, number: u64, index: usize) {
        let State::Transaction(maildrop) = &mut self.state else {
            return;
        };
        let octets = maildrop.octets_of(index).unwrap_or_default();
        let lines = match *command {
            Command::Delete(_) => {
                maildrop.delete(index);
                return self.say(&status::deleted(number));
            }
            Command::List(_) => return self.say(&status::one(number, octets)),
            Command::UniqueIds(_) => {
                let status = status::one(number, maildrop.uidl_of(index).unwrap_or_default());
                return self.say(&status);
            }
            Command::Top { lines, .. } => Some(lines),
            _ => None,
        };
        self.question = Some(Question::Retrieve { octets, lines });
        self.events.push_back(Event::Retrieve { index, lines });
    }

    fn begin_list(&mut self, column: Column) {
        self.say(status::LIST_FOLLOWS);
        self.phase = Phase::List(Listing { column, next: 0 });
    }

    pub(super) fn step_list(&mut self) -> bool {
        let (Phase::List(listing), State::Transaction(maildrop)) = (&mut self.phase, &self.state) else {
            return false;
        };
        while listing.next < maildrop.len() {
            if self.output.len() >= OUTPUT_BYTES_PAUSE {
                return true;
            }
            write_row(maildrop, *listing, &mut self.output);
            listing.next += 1;
        }
        self.phase = Phase::Command;
        self.say(".");
        true
    }

    pub(super) fn take_quit(&mut self) {
        let deleted = match &self.state {
            State::Authorization(_) => Vec::new(),
            State::Transaction(maildrop) => maildrop.deleted(),
        };
        if deleted.is_empty() {
            return self.quit(status::GOODBYE);
        }
        self.question = Some(Question::Commit(deleted.len()));
        self.events.push_back(Event::Commit(deleted));
    }
}

/// One line of a list; none for a message that is marked.
fn write_row(maildrop: &Maildrop, listing: Listing, output: &mut impl Write) {
    let number = listing.next + 1;
    let written = match listing.column {
        Column::Octets => maildrop
            .octets_of(listing.next)
            .map(|octets| write!(output, "{number} {octets}\r\n")),
        Column::UniqueId => maildrop
            .uidl_of(listing.next)
            .map(|uidl| write!(output, "{number} {uidl}\r\n")),
    };
    written.transpose().expect("writing to a buffer in memory succeeds");
}
