//! The queue as its worker, operators and the consistency check see it.

use std::collections::BTreeMap;

use mail_model::LogIndex;
use minicbor::{Decode, Encode};

use crate::codec;
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

/// The consistency check of the queue: due rows, bodies. For operators and tests.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct CheckQueue;

/// What the check found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct QueueReport {
    /// Deliveries that wait.
    #[n(0)]
    pub deliveries: u64,
    /// What is wrong, in words; empty when all is well.
    #[n(1)]
    pub findings: Vec<String>,
    /// References that the queue holds: (body, how many).
    #[n(2)]
    pub references: Vec<(u64, u32)>,
}

impl GroupQuery for CheckQueue {
    type Reply = QueueReport;

    fn run(&self, rows: &impl Rows) -> Result<QueueReport, Failure> {
        let mut report = QueueReport::default();
        let mut references: BTreeMap<u64, u32> = BTreeMap::new();
        for (row_key, bytes) in rows.rows(&key::all_queued(), usize::MAX)? {
            let (key, delivery) = key::queued_of(&row_key).ok_or_else(|| missing("name in a queue row"))?;
            let row: QueuedRow = codec::open("queue row", &bytes)?;
            let name = delivery.0.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
            if rows.bytes(&key::queue_due(row.next_ms, key, delivery))?.is_none() {
                report.findings.push(format!("queued delivery {name} is never due"));
            }
            if rows.bytes(&key::body(row.body))?.is_none() {
                report.findings.push(format!("queued delivery {name} has no body"));
            }
            *references.entry(row.body.0).or_default() += 1;
            report.deliveries += 1;
        }
        let due = rows.rows(&key::queue_due_by(u64::MAX, None), usize::MAX)?.len() as u64;
        if due != report.deliveries {
            let deliveries = report.deliveries;
            report
                .findings
                .push(format!("{due} due rows for {deliveries} queued deliveries"));
        }
        report.references = references.into_iter().collect();
        Ok(report)
    }
}
