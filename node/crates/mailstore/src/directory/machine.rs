//! The directory as the state machine of group 0.
//!
//! Invariants
//! - One command is one transaction: a reader sees all of it or nothing (incident i29).
//! - A refused command has changed nothing.
//! - `apply` depends on the rows, the entry's place and its log time alone.

use mail_model::LogIndex;
use replication::{AppliedAt, ShelfError, StateMachine, StateTxn, StateView};

use super::command::{DirectoryCommand, Outcome};
use super::query;
use super::record;
use super::rejection::{Refused, Rejection};

/// The state machine of the system group. It has no state of its own: all is in rows.
#[derive(Clone, Copy, Debug, Default)]
pub struct DirectoryMachine;

impl StateMachine for DirectoryMachine {
    fn apply(&self, txn: &mut StateTxn<'_>, at: &AppliedAt, payload: &[u8]) -> Result<Vec<u8>, ShelfError> {
        if at.blob_len.is_some() {
            // No command of the directory carries a blob, so nothing would ever name this one.
            txn.free_blob(at.index);
        }
        let outcome = match record::open::<DirectoryCommand>(payload) {
            Ok(command) => command.apply(txn, at),
            Err(reason) => Err(Rejection::Unreadable { reason }.into()),
        };
        match outcome {
            Ok(outcome) => Ok(record::seal(&outcome)),
            Err(Refused::Rejection(rejection)) => Ok(record::seal(&Outcome::Rejected(rejection))),
            Err(Refused::Shelf(error)) => Err(error),
        }
    }

    /// Its rows are small and few, and an administrator may need them to make room.
    fn grows(&self, _: &[u8]) -> bool {
        false
    }

    fn query(&self, view: &StateView, request: &[u8]) -> Result<Vec<u8>, ShelfError> {
        query::answer(view, request)
    }

    fn live_blobs(&self, _: &StateView, _: LogIndex, _: usize) -> Result<Vec<LogIndex>, ShelfError> {
        Ok(Vec::new())
    }
}
