//! Start times of engine calls in flight, so that a watchdog above can tell a slow shelf from a hung one (DESIGN D11).
//!
//! Invariants
//! - Every call of the engine below goes through here; a call that never returns stays visible for ever.
//! - Time that a scan's visitor takes is not held against the disk.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;

use crate::engine::{Batch, Column, Engine, EngineSnapshot, KeyRange, RowVisitor};
use crate::error::ShelfError;

/// Rows after which a scan's start time is renewed: often enough for slow visitors, seldom enough to cost nothing.
const ROWS_PER_TOUCH: u32 = 256;

/// A call that has not returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InFlight {
    /// Which call.
    pub operation: &'static str,
    /// For how long it has been running.
    pub age: Duration,
}

#[derive(Default)]
struct Slots {
    next: u64,
    running: BTreeMap<u64, (&'static str, Arc<AtomicU64>)>,
}

/// The calls in flight of one shelf.
pub(crate) struct Watch {
    base: Instant,
    slots: Mutex<Slots>,
}

impl Watch {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            base: Instant::now(),
            slots: Mutex::default(),
        })
    }

    pub(crate) fn oldest(&self) -> Option<InFlight> {
        let now = self.now();
        let slots = self.slots.lock();
        let ages = slots.running.values().map(|(operation, start)| {
            let age = now.saturating_sub(start.load(Ordering::Relaxed));
            InFlight {
                operation,
                age: Duration::from_nanos(age),
            }
        });
        ages.max_by_key(|call| call.age)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.base.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn enter(&self, operation: &'static str) -> Call<'_> {
        let start = Arc::new(AtomicU64::new(self.now()));
        let mut slots = self.slots.lock();
        slots.next += 1;
        let id = slots.next;
        slots.running.insert(id, (operation, start.clone()));
        Call { watch: self, id, start }
    }
}

/// Leaves the list when dropped.
struct Call<'w> {
    watch: &'w Watch,
    id: u64,
    start: Arc<AtomicU64>,
}

impl Call<'_> {
    fn touch(&self) {
        self.start.store(self.watch.now(), Ordering::Relaxed);
    }

    /// Runs a scan's visitor on a row and renews the start time of the scan now and then.
    fn visited(&self, visit: &mut RowVisitor<'_>, rows: &mut u32, key: &[u8], value: &[u8]) -> ControlFlow<()> {
        let flow = visit(key, value);
        *rows = rows.wrapping_add(1);
        if rows.is_multiple_of(ROWS_PER_TOUCH) {
            self.touch();
        }
        flow
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.watch.slots.lock().running.remove(&self.id);
    }
}

/// An engine whose calls are listed while they run.
pub(crate) struct WatchedEngine {
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) watch: Arc<Watch>,
}

impl Engine for WatchedEngine {
    fn write(&self, batch: &Batch) -> Result<(), ShelfError> {
        let _call = self.watch.enter("write batch");
        self.engine.write(batch)
    }

    fn sync(&self) -> Result<(), ShelfError> {
        let _call = self.watch.enter("sync log");
        self.engine.sync()
    }

    fn get(&self, column: Column, key: &[u8]) -> Result<Option<Bytes>, ShelfError> {
        let _call = self.watch.enter("read");
        self.engine.get(column, key)
    }

    fn multi_get(&self, column: Column, keys: &[Vec<u8>]) -> Result<Vec<Option<Bytes>>, ShelfError> {
        let _call = self.watch.enter("read many");
        self.engine.multi_get(column, keys)
    }

    fn snapshot(&self) -> Result<Arc<dyn EngineSnapshot>, ShelfError> {
        let _call = self.watch.enter("take snapshot");
        let snapshot = self.engine.snapshot()?;
        let (engine, watch) = (self.engine.clone(), self.watch.clone());
        Ok(Arc::new(WatchedSnapshot {
            snapshot,
            watch,
            _engine: engine,
        }))
    }

    fn write_buffer_bytes(&self) -> u64 {
        self.engine.write_buffer_bytes()
    }
}

struct WatchedSnapshot {
    snapshot: Arc<dyn EngineSnapshot>,
    watch: Arc<Watch>,
    /// Shows that somebody still holds the engine; dropped after the snapshot.
    _engine: Arc<dyn Engine>,
}

impl EngineSnapshot for WatchedSnapshot {
    fn get(&self, column: Column, key: &[u8]) -> Result<Option<Bytes>, ShelfError> {
        let _call = self.watch.enter("read");
        self.snapshot.get(column, key)
    }

    fn multi_get(&self, column: Column, keys: &[Vec<u8>]) -> Result<Vec<Option<Bytes>>, ShelfError> {
        let _call = self.watch.enter("read many");
        self.snapshot.multi_get(column, keys)
    }

    fn scan(&self, column: Column, range: &KeyRange, visit: &mut RowVisitor<'_>) -> Result<(), ShelfError> {
        let call = self.watch.enter("scan");
        let mut rows = 0;
        self.snapshot.scan(column, range, &mut |key, value| {
            call.visited(visit, &mut rows, key, value)
        })
    }

    fn scan_reverse(&self, column: Column, range: &KeyRange, visit: &mut RowVisitor<'_>) -> Result<(), ShelfError> {
        let call = self.watch.enter("scan");
        let mut rows = 0;
        self.snapshot.scan_reverse(column, range, &mut |key, value| {
            call.visited(visit, &mut rows, key, value)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_call_is_the_one_reported_until_it_returns() {
        let watch = Watch::new();
        assert_eq!(watch.oldest(), None);
        let sync = watch.enter("sync log");
        let read = watch.enter("read");
        read.touch();
        assert_eq!(watch.oldest().map(|call| call.operation), Some("sync log"));
        drop(sync);
        assert_eq!(watch.oldest().map(|call| call.operation), Some("read"));
        drop(read);
        assert_eq!(watch.oldest(), None);
    }
}
