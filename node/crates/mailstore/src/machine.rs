//! The state machine of a mail group, as replication runs it.

use mail_model::LogIndex;
use replication::{AppliedAt, ShelfError, StateMachine, StateTxn, StateView};

use crate::codec;
use crate::command::{Answer, AnyCommand};
use crate::key;
use crate::query::AnyQuery;
use crate::rejection::Rejection;
use crate::rows::{Failure, Rows, Work};

/// What the log of a mail group means. Has no state of its own.
#[derive(Clone, Copy, Debug, Default)]
pub struct MailMachine;

impl StateMachine for MailMachine {
    fn apply(&self, txn: &mut StateTxn<'_>, at: &AppliedAt, payload: &[u8]) -> Result<Vec<u8>, ShelfError> {
        let mut work = Work::new(txn, *at);
        let outcome = match codec::open::<AnyCommand>("command", payload) {
            Ok(command) => command.apply(&mut work),
            Err(_) => Err(Rejection::Malformed.into()),
        };
        match outcome {
            Ok(reply) => {
                work.keep();
                Ok(reply)
            }
            Err(Failure::Rejected(rejection)) => {
                work.drop_all();
                Ok(rejected(rejection))
            }
            Err(Failure::Shelf(error)) => Err(error),
        }
    }

    /// What cannot be read is rejected by `apply` and leaves an entry behind all the same.
    fn grows(&self, payload: &[u8]) -> bool {
        codec::open::<AnyCommand>("command", payload).map_or(true, |command| command.grows())
    }

    fn query(&self, view: &StateView, request: &[u8]) -> Result<Vec<u8>, ShelfError> {
        let outcome = match codec::open::<AnyQuery>("query", request) {
            Ok(query) => query.run(view),
            Err(_) => Err(Rejection::Malformed.into()),
        };
        match outcome {
            Ok(reply) => Ok(reply),
            Err(Failure::Rejected(rejection)) => Ok(rejected(rejection)),
            Err(Failure::Shelf(error)) => Err(error),
        }
    }

    /// The first pieces of all bodies and all other pieces, merged in order.
    fn live_blobs(&self, view: &StateView, from: LogIndex, limit: usize) -> Result<Vec<LogIndex>, ShelfError> {
        let mut live = Vec::new();
        for range in [key::bodies_from(from), key::pieces_from(from)] {
            let rows = view.rows(&range, limit)?;
            live.extend(rows.iter().filter_map(|(key, _)| key::index_of(key)));
        }
        live.sort_unstable();
        live.truncate(limit);
        Ok(live)
    }
}

fn rejected(rejection: Rejection) -> Vec<u8> {
    codec::seal(&Answer::<()>::Rejected(rejection))
}
