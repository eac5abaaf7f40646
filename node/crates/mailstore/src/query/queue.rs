//! The queue as its worker and operators see it.

use mail_model::LogIndex;
use minicbor::{Decode, Encode};

use crate::command::QueueName;
use crate::key;
use crate::limits::{DETAILS_BYTES, QUEUE_COUNT_MAX, QUEUE_PAGE};
use crate::query::GroupQuery;
use crate::record::{BodyRow, QueuedRow};
use crate::rejection::Rejection;
use crate::rows::{Failure, Rows, missing};

/// Queued deliveries that are due by a time, the earliest first.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct GetQueue {
    /// Milliseconds since 1970, by the clock of the node that asks; `u64::MAX` for all.
    #[n(0)]
    pub by_ms: u64,
    /// Behind this one: its time and name.
    #[n(1)]
    pub after: Option<(u64, QueueName)>,
}

/// A page of the queue; the last one is empty.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct QueuePage {
    /// At most [`QUEUE_PAGE`].
    #[n(0)]
    pub deliveries: Vec<(QueueName, QueuedRow)>,
}

impl GroupQuery for GetQueue {
    type Reply = QueuePage;

    fn run(&self, rows: &impl Rows) -> Result<QueuePage, Failure> {
        let after = self
            .after
            .map(|(next_ms, name)| key::queue_due(next_ms, name.key, name.delivery));
        let mut deliveries = Vec::new();
        let mut bytes = 0;
        for (due, _) in rows.rows(&key::queue_due_by(self.by_ms, after.as_deref()), QUEUE_PAGE)? {
            let (key, delivery) = key::queue_due_of(&due).ok_or_else(|| missing("name in a due row of the queue"))?;
            let row: Option<QueuedRow> = rows.row("queue row", &key::queued(key, delivery))?;
            let row = row.ok_or_else(|| missing("queue row"))?;
            bytes += row.prefix.len() + row.sender.len() + row.recipient.len();
            deliveries.push((QueueName { key, delivery }, row));
            if bytes >= DETAILS_BYTES {
                break;
            }
        }
        Ok(QueuePage { deliveries })
    }
}

/// The pieces of a body that a queued delivery refers to.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct GetBody {
    /// Which body.
    #[n(0)]
    pub body: LogIndex,
}

impl GroupQuery for GetBody {
    type Reply = BodyRow;

    fn run(&self, rows: &impl Rows) -> Result<BodyRow, Failure> {
        let row = rows.row("body row", &key::body(self.body))?;
        row.ok_or_else(|| Rejection::BodyGone.into())
    }
}

/// How many deliveries wait; counts up to [`QUEUE_COUNT_MAX`].
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct CountQueue;

impl GroupQuery for CountQueue {
    type Reply = u64;

    fn run(&self, rows: &impl Rows) -> Result<u64, Failure> {
        Ok(rows.rows(&key::queue_due_by(u64::MAX, None), QUEUE_COUNT_MAX)?.len() as u64)
    }
}
