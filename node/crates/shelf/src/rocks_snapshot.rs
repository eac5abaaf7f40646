//! A RocksDB snapshot that can be handed around.
//!
//! RocksDB's bindings tie a snapshot to a borrow of the database. Here a suspended future owns the database and the
//! snapshot that borrows it, and is polled once per request; so the compiler keeps the two together, without unsafe.
//!
//! Invariants
//! - The future is suspended only while it waits for a request: one poll answers one request.
//! - Reads of one snapshot take turns. A visitor runs between pages, with nothing locked.

use std::future::{Future, poll_fn};
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use parking_lot::Mutex;
use rocksdb::{ReadOptions, SnapshotWithThreadMode};

use crate::engine::{Column, EngineSnapshot, KeyRange, RowVisitor};
use crate::error::{ErrorClass, ShelfError, ShelfLabel};
use crate::limits::{SCAN_PAGE_BYTES, SCAN_PAGE_ROWS};
use crate::rocks_engine::{Db, family};

/// Rows of the first page of a scan: most scans are short.
const FIRST_PAGE_ROWS: usize = 32;

enum Request {
    Get(Column, Vec<u8>),
    MultiGet(Column, Vec<Vec<u8>>),
    Page {
        column: Column,
        range: KeyRange,
        reverse: bool,
        rows_max: usize,
    },
}

enum Answer {
    Value(Option<Bytes>),
    Values(Vec<Option<Bytes>>),
    Page(Page),
}

/// Rows in one buffer: scans copy, but do not allocate per row.
#[derive(Default)]
struct Page {
    bytes: Vec<u8>,
    /// Ends of key and value of each row.
    rows: Vec<(usize, usize)>,
    /// Whether the range goes on after this page.
    more: bool,
}

impl Page {
    fn push(&mut self, key: &[u8], value: &[u8]) {
        self.bytes.extend_from_slice(key);
        let key_end = self.bytes.len();
        self.bytes.extend_from_slice(value);
        self.rows.push((key_end, self.bytes.len()));
    }

    fn rows(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut start = 0;
        self.rows.iter().map(move |(key_end, end)| {
            let row = (&self.bytes[start..*key_end], &self.bytes[*key_end..*end]);
            start = *end;
            row
        })
    }
}

/// What passes between a caller and the future.
#[derive(Default)]
struct Exchange {
    request: Option<Request>,
    answer: Option<Result<Answer, ShelfError>>,
}

type Reader = Pin<Box<dyn Future<Output = ()> + Send>>;

pub(crate) struct RocksSnapshot {
    label: ShelfLabel,
    exchange: Arc<Mutex<Exchange>>,
    reader: Mutex<Reader>,
}

impl RocksSnapshot {
    pub(crate) fn take(label: ShelfLabel, db: Arc<Db>) -> Self {
        let exchange = Arc::new(Mutex::new(Exchange::default()));
        let mut reader: Reader = Box::pin(serve(label.clone(), db, exchange.clone()));
        // The first poll takes the snapshot, and then waits for requests.
        let _waits = reader.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        Self {
            label,
            exchange,
            reader: Mutex::new(reader),
        }
    }

    fn ask(&self, request: Request) -> Result<Answer, ShelfError> {
        let mut reader = self.reader.lock();
        self.exchange.lock().request = Some(request);
        let _waits = reader.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        let answer = self.exchange.lock().answer.take();
        answer.unwrap_or_else(|| Err(self.bug()))
    }

    fn bug(&self) -> ShelfError {
        ShelfError::new(
            &self.label,
            ErrorClass::Bug,
            "read snapshot",
            "the reader gave no answer",
        )
    }

    fn pages(
        &self,
        column: Column,
        range: &KeyRange,
        reverse: bool,
        visit: &mut RowVisitor<'_>,
    ) -> Result<(), ShelfError> {
        let mut range = range.clone();
        let mut rows_max = FIRST_PAGE_ROWS;
        loop {
            if range.to.as_ref().is_some_and(|to| *to <= range.from) {
                return Ok(());
            }
            let request = Request::Page {
                column,
                range: range.clone(),
                reverse,
                rows_max,
            };
            let Answer::Page(page) = self.ask(request)? else {
                return Err(self.bug());
            };
            let mut last: &[u8] = &[];
            for (key, value) in page.rows() {
                if let ControlFlow::Break(()) = visit(key, value) {
                    return Ok(());
                }
                last = key;
            }
            if !page.more {
                return Ok(());
            }
            if reverse {
                range.to = Some(last.to_vec());
            } else {
                range.from = [last, &[0]].concat();
            }
            rows_max = (rows_max * 4).min(SCAN_PAGE_ROWS);
        }
    }
}

/// Holds the snapshot and answers one request after the other, for ever.
async fn serve(label: ShelfLabel, db: Arc<Db>, exchange: Arc<Mutex<Exchange>>) {
    let snapshot = db.snapshot();
    loop {
        let request = poll_fn(|_| exchange.lock().request.take().map_or(Poll::Pending, Poll::Ready)).await;
        let answer = answer(&label, &db, &snapshot, request);
        exchange.lock().answer = Some(answer);
    }
}

fn answer(
    label: &ShelfLabel,
    db: &Db,
    snapshot: &SnapshotWithThreadMode<'_, Db>,
    request: Request,
) -> Result<Answer, ShelfError> {
    let failed = |operation| move |error: rocksdb::Error| ShelfError::rocks(label, operation, &error);
    match request {
        Request::Get(column, key) => {
            let value = snapshot
                .get_pinned_cf(family(label, db, column)?, key)
                .map_err(failed("read"))?;
            Ok(Answer::Value(value.map(|value| Bytes::copy_from_slice(&value))))
        }
        Request::MultiGet(column, keys) => {
            let mut options = ReadOptions::default();
            options.set_snapshot(snapshot);
            let values = db.batched_multi_get_cf_opt(family(label, db, column)?, &keys, false, &options);
            let mut copies = Vec::with_capacity(values.len());
            for value in values {
                copies.push(
                    value
                        .map_err(failed("read many"))?
                        .map(|value| Bytes::copy_from_slice(&value)),
                );
            }
            Ok(Answer::Values(copies))
        }
        Request::Page {
            column,
            range,
            reverse,
            rows_max,
        } => {
            let mut options = ReadOptions::default();
            options.set_iterate_lower_bound(range.from);
            if let Some(to) = range.to {
                options.set_iterate_upper_bound(to);
            }
            let mut rows = snapshot.raw_iterator_cf_opt(family(label, db, column)?, options);
            if reverse {
                rows.seek_to_last()
            } else {
                rows.seek_to_first()
            }
            let mut page = Page::default();
            while let Some((key, value)) = rows.item() {
                if page.rows.len() >= rows_max || page.bytes.len() >= SCAN_PAGE_BYTES {
                    page.more = true;
                    break;
                }
                page.push(key, value);
                if reverse { rows.prev() } else { rows.next() }
            }
            rows.status().map_err(failed("scan"))?;
            Ok(Answer::Page(page))
        }
    }
}

impl EngineSnapshot for RocksSnapshot {
    fn get(&self, column: Column, key: &[u8]) -> Result<Option<Bytes>, ShelfError> {
        match self.ask(Request::Get(column, key.to_vec()))? {
            Answer::Value(value) => Ok(value),
            _ => Err(self.bug()),
        }
    }

    fn multi_get(&self, column: Column, keys: &[Vec<u8>]) -> Result<Vec<Option<Bytes>>, ShelfError> {
        match self.ask(Request::MultiGet(column, keys.to_vec()))? {
            Answer::Values(values) => Ok(values),
            _ => Err(self.bug()),
        }
    }

    fn scan(&self, column: Column, range: &KeyRange, visit: &mut RowVisitor<'_>) -> Result<(), ShelfError> {
        self.pages(column, range, false, visit)
    }

    fn scan_reverse(&self, column: Column, range: &KeyRange, visit: &mut RowVisitor<'_>) -> Result<(), ShelfError> {
        self.pages(column, range, true, visit)
    }
}
