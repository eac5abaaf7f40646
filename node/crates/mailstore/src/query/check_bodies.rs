//! CheckBodies: whether every body of a group has as many references as rows refer to it, whoever's they are, and every
//! piece its body. What no account can see by itself: bodies that nobody needs any more and that stay for ever.
//!
//! Reads all rows of the group in one view, table by table, a page at a time. What is kept meanwhile is eight bytes for
//! each reference and each piece.

use mail_model::LogIndex;
use minicbor::{Decode, Encode};
use replication::KeyRange;

use crate::codec;
use crate::key;
use crate::query::GroupQuery;
use crate::record::{BodyRow, HotRow, QueuedRow, TombstoneRow, UploadPieceRow};
use crate::rows::{Failure, Row, Rows, missing};

/// Findings after which a check stops writing more down.
const FINDINGS_MAX: usize = 100;
/// Rows in memory at once.
const PAGE_ROWS: usize = 1_024;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct CheckBodies {}

/// What the check found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct BodiesReport {
    /// Bodies looked at.
    #[n(0)]
    pub bodies: u64,
    /// Rows that refer to them.
    #[n(1)]
    pub references: u64,
    /// What is wrong, in words; empty when all is well.
    #[n(2)]
    pub findings: Vec<String>,
}

impl GroupQuery for CheckBodies {
    type Reply = BodiesReport;

    fn run(&self, rows: &impl Rows) -> Result<BodiesReport, Failure> {
        let mut held = Held::default();
        add_messages(rows, &mut held)?;
        add_tombstones(rows, &mut held)?;
        let mut report = BodiesReport::default();
        add_queued(rows, &mut held, &mut report)?;
        report.references = held.0.len() as u64;
        let mut pieces = compare_bodies(rows, &held.in_order(), &mut report)?;
        add_uploaded(rows, &mut pieces)?;
        pieces.sort_unstable();
        compare_pieces(rows, pieces, &mut report)?;
        Ok(report)
    }
}

/// The bodies that rows refer to, one entry per reference. Every table whose rows do has its function below, and its line
/// in [`CheckBodies::run`].
#[derive(Default)]
struct Held(Vec<LogIndex>);

impl Held {
    fn add(&mut self, body: LogIndex) {
        self.0.push(body);
    }

    fn in_order(mut self) -> Vec<LogIndex> {
        self.0.sort_unstable();
        self.0
    }
}

fn add_messages(rows: &impl Rows, held: &mut Held) -> Result<(), Failure> {
    each(rows, key::all_hots(), |_, row| {
        held.add(HotRow::from_bytes(row)?.body);
        Ok(())
    })
}

/// A tombstone holds its body as long as it keeps the rows of its message.
fn add_tombstones(rows: &impl Rows, held: &mut Held) -> Result<(), Failure> {
    each(rows, key::all_tombstones(), |_, row| {
        let tombstone: TombstoneRow = codec::open("tombstone", row)?;
        if tombstone.kept.is_some() {
            held.add(tombstone.body);
        }
        Ok(())
    })
}

/// A queued delivery holds its body, and is due some time.
fn add_queued(rows: &impl Rows, held: &mut Held, report: &mut BodiesReport) -> Result<(), Failure> {
    let (mut deliveries, mut due) = (0_u64, 0_u64);
    each(rows, key::all_queued(), |row_key, row| {
        let (key, delivery) = key::queued_of(row_key).ok_or_else(|| missing("name in a queue row"))?;
        let row: QueuedRow = codec::open("queue row", row)?;
        held.add(row.body);
        deliveries += 1;
        if rows.bytes(&key::queue_due(row.next_ms, key, delivery))?.is_none() {
            report.find(|| format!("queued delivery {delivery} is never due"));
        }
        Ok(())
    })?;
    each(rows, key::queue_due_by(u64::MAX, None), |_, _| {
        due += 1;
        Ok(())
    })?;
    if due != deliveries {
        report.find(|| format!("{due} due rows for {deliveries} queued deliveries"));
    }
    Ok(())
}

/// Compares the bodies with the references to them, both in order; returns the pieces that have rows of their own.
fn compare_bodies(rows: &impl Rows, held: &[LogIndex], report: &mut BodiesReport) -> Result<Vec<LogIndex>, Failure> {
    let mut pieces = Vec::new();
    let mut left = held;
    each(rows, key::bodies_from(LogIndex(0)), |row_key, row| {
        let body = key::index_of(row_key).ok_or_else(|| missing("number of a body"))?;
        let row: BodyRow = codec::open("body row", row)?;
        report.bodies += 1;
        left = report.without_body(left, body);
        let count = left.iter().take_while(|of| **of == body).count();
        left = &left[count..];
        if count == 0 {
            report.find(|| format!("body {body} is kept, and no message needs it"));
        } else if row.references as usize != count {
            report.find(|| {
                let counted = row.references;
                format!("body {body} counts {counted} references, there are {count}")
            });
        }
        pieces.extend(row.pieces.iter().skip(1).map(|piece| piece.blob));
        Ok(())
    })?;
    report.without_body(left, LogIndex(u64::MAX));
    Ok(pieces)
}

/// Of an upload every piece has a row of its own, since nobody knows yet which is the first of a body.
fn add_uploaded(rows: &impl Rows, pieces: &mut Vec<LogIndex>) -> Result<(), Failure> {
    each(rows, key::all_upload_pieces(), |_, row| {
        let uploaded: UploadPieceRow = codec::open("upload piece row", row)?;
        pieces.push(uploaded.piece.blob);
        Ok(())
    })
}

fn compare_pieces(rows: &impl Rows, pieces: Vec<LogIndex>, report: &mut BodiesReport) -> Result<(), Failure> {
    let mut left = pieces.into_iter().peekable();
    each(rows, key::pieces_from(LogIndex(0)), |row_key, _| {
        let piece = key::index_of(row_key).ok_or_else(|| missing("number of a piece"))?;
        while let Some(lost) = left.next_if(|of| *of < piece) {
            report.find(|| format!("piece {lost} of a body or upload is not kept"));
        }
        if left.next_if_eq(&piece).is_none() {
            report.find(|| format!("piece {piece} is kept, and belongs to no body or upload"));
        }
        Ok(())
    })?;
    for lost in left {
        report.find(|| format!("piece {lost} of a body or upload is not kept"));
    }
    Ok(())
}

impl BodiesReport {
    /// Tells of references to bodies before `body`, which are not there, and returns those from it on.
    fn without_body<'h>(&mut self, held: &'h [LogIndex], body: LogIndex) -> &'h [LogIndex] {
        let (before, from) = held.split_at(held.partition_point(|of| *of < body));
        for same in before.chunk_by(|one, other| one == other) {
            self.find(|| format!("body {} is not there, and {} rows refer to it", same[0], same.len()));
        }
        from
    }

    fn find(&mut self, finding: impl FnOnce() -> String) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding());
        }
    }
}

/// All rows of a table.
fn each<R: Rows>(
    rows: &R,
    mut range: KeyRange,
    mut visit: impl FnMut(&[u8], &[u8]) -> Result<(), Failure>,
) -> Result<(), Failure> {
    loop {
        let page: Vec<Row> = rows.rows(&range, PAGE_ROWS)?;
        for (key, row) in &page {
            visit(key, row)?;
        }
        match page.into_iter().next_back() {
            Some((mut last, _)) => {
                last.push(0);
                range.from = last;
            }
            None => return Ok(()),
        }
    }
}
