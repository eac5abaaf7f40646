//! What became of each recipient of each message that was offered to this node: one line per recipient, kept for some
//! days, and found again by the id of the transaction, by Message-ID or by address. `docs/delivery-log.md` has the
//! format.
//!
//! Invariants
//! - A session never waits for the disk of the log: what finds no room is lost and counted.
//! - The log proves nothing and nothing depends on it: acknowledged mail is in the mail store, logged or not.
//! - It is the one place that keeps addresses; its files are readable by their owner alone.
//!
//! Must not know: protocols.

pub mod limits;
mod reader;
mod record;
mod writer;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, SyncSender};

use tokio::task::spawn_blocking;

pub use reader::{Found, Query};
pub use record::{DeliveryRecord, Outcome};

use limits::{FLUSH_WITHIN, RECORDS_QUEUED_MAX};
use writer::{Order, Writer};

/// Below the state directory.
const DIR: &str = "delivery-log";

/// Handle to the log of one node. Cheap to clone; the last one that goes lets the writer write what waits, and end.
#[derive(Clone)]
pub struct DeliveryLog {
    inner: Arc<Inner>,
}

struct Inner {
    dir: PathBuf,
    orders: SyncSender<Order>,
}

impl DeliveryLog {
    /// Opens the log below a node's state directory; makes its directory where there is none. Days older than `days` go,
    /// now and whenever a day begins; today's stays always.
    ///
    /// # Errors
    /// When the directory cannot be made, or the writer's thread not be started.
    pub fn open(state_dir: &Path, days: u32) -> io::Result<Self> {
        let dir = state_dir.join(DIR);
        let writer = Writer::open(&dir, days)?;
        // What comes in while the disk stands still for a moment; a full queue loses records, never time.
        let (orders, taken) = mpsc::sync_channel(RECORDS_QUEUED_MAX);
        std::thread::Builder::new()
            .name("delivery-log".to_owned())
            .spawn(move || writer.run(&taken))?;
        let inner = Arc::new(Inner { dir, orders });
        Ok(Self { inner })
    }

    /// Puts a record down, soon.
    pub fn record(&self, mut record: DeliveryRecord) {
        record.clip();
        if self.inner.orders.try_send(Order::Write(Box::new(record))).is_err() {
            writer::count_lost(1);
        }
    }

    /// Returns once everything recorded before is in its file, or after a while if the disk does not take it. For a
    /// node's clean stop.
    pub async fn flush(&self) {
        let inner = self.inner.clone();
        // Only a runtime that ends cancels this, and then there is nobody left who waits.
        let _ = spawn_blocking(move || inner.flush()).await;
    }

    /// What is known about a message or an address, newest first.
    ///
    /// # Errors
    /// When the directory cannot be read. A file that cannot be is left out, and the answer says so.
    pub async fn search(&self, query: Query) -> io::Result<Found> {
        let inner = self.inner.clone();
        let search = move || {
            inner.flush();
            reader::search(&inner.dir, &query)
        };
        spawn_blocking(search).await.map_err(io::Error::other)?
    }
}

impl Inner {
    fn flush(&self) {
        let (done, is_done) = mpsc::sync_channel(1);
        if self.orders.try_send(Order::Flush(done)).is_ok() {
            // A timeout means that the disk is slow, or the writer has ended; what is in the files can be read anyway.
            let _ = is_done.recv_timeout(FLUSH_WITHIN);
        }
    }
}

#[cfg(test)]
mod tests;
