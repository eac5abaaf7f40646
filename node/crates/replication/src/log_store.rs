//! openraft's log storage on a shelf's replica.
//!
//! Invariants
//! - Only votes wait for the disk inside openraft's core; appends report through their callback.
//! - Entries are split: the head goes to the log, the blob beside it, in one batch (DESIGN D3). Only
//!   [`LogReader::limited_get_log_entries`], which feeds replication, puts blobs back.
//! - A reader's error is fatal to a leader, so a blob that is missing or damaged here is first asked of another replica.

use std::fmt::Debug;
use std::io;
use std::ops::{Bound, Range, RangeBounds};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use mail_model::LogIndex;
use openraft::storage::{IOFlushed, LogState, RaftLogReader, RaftLogStorage};
use openraft::{EntryPayload, OptionalSend};
use shelf::{Done, LogEntry, ReplicaStore, ShelfError, piece};
use tokio::sync::oneshot;

use crate::api::BoxFuture;
use crate::limits::{READ_BYTES_MAX, REPLICATE_BYTES_MAX};
use crate::record::{Record, RecordError};
use crate::types::{Entry, GroupTypes, LogId, Vote};

/// Where a replica gets the stored record of a blob from when its own is missing or damaged.
pub(crate) trait BlobSource: Send + Sync + 'static {
    /// The record of the blob at `index`, from another replica of the same group; `None` when nobody in reach has it.
    fn fetch(&self, index: LogIndex) -> BoxFuture<'_, Option<Bytes>>;
}

/// How far a replica's own log is on its disk, as far as it was appended in this run.
#[derive(Clone, Default)]
pub(crate) struct Synced(Arc<Mutex<Option<LogId>>>);

impl Synced {
    pub(crate) fn get(&self) -> Option<LogId> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(Option<LogId>) -> Option<LogId>) {
        let mut synced = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *synced = change(*synced);
    }
}

/// The log and vote of one replica. Cheap to clone.
#[derive(Clone)]
pub(crate) struct LogStore {
    store: ReplicaStore,
    source: Arc<dyn BlobSource>,
    /// Bytes appended; whoever purges sets it back.
    grown: Arc<AtomicU64>,
    synced: Synced,
}

impl LogStore {
    /// Builds on a replica of a shelf, and counts appended bytes in `grown`.
    #[must_use]
    pub(crate) fn new(store: ReplicaStore, source: Arc<dyn BlobSource>, grown: Arc<AtomicU64>) -> Self {
        Self {
            store,
            source,
            grown,
            synced: Synced::default(),
        }
    }

    /// How far this log is on the disk. Kept up to date.
    pub(crate) fn synced(&self) -> Synced {
        self.synced.clone()
    }

    /// Entries of `range` as far as the log has them, without blobs.
    async fn read_stripped(&self, range: Range<u64>) -> Result<Vec<Entry>, io::Error> {
        let mut entries = Vec::new();
        let mut from = range.start;
        while from < range.end {
            let page = self.read_page(from..range.end).await?;
            let Some(last) = page.last() else { break };
            from = last.index.0 + 1;
            for entry in &page {
                entries.push(Entry::from_record(&entry.head)?);
            }
        }
        Ok(entries)
    }

    /// One page without blobs, from memory if it is there.
    async fn read_page(&self, range: Range<u64>) -> Result<Vec<LogEntry>, io::Error> {
        let range = LogIndex(range.start)..LogIndex(range.end);
        match self.store.try_read_tail(range.clone(), READ_BYTES_MAX, false) {
            Some(page) => Ok(page),
            None => self.read_disk(range, READ_BYTES_MAX, false).await,
        }
    }

    async fn read_disk(&self, range: Range<LogIndex>, bytes: usize, blobs: bool) -> Result<Vec<LogEntry>, io::Error> {
        let store = self.store.clone();
        let read = self.store.shelf().run_io(move || store.read_log(range, bytes, blobs));
        read.await.map_err(io_error)
    }

    /// One page with blobs. What never left memory needs no check.
    async fn read_page_with_blobs(&self, range: Range<u64>) -> Result<Vec<Entry>, io::Error> {
        let range = LogIndex(range.start)..LogIndex(range.end);
        if let Some(page) = self.store.try_read_tail(range.clone(), REPLICATE_BYTES_MAX, true)
            && page
                .iter()
                .all(|stored| stored.blob.is_some() == stored.blob_len.is_some())
        {
            return page
                .into_iter()
                .map(|stored| Ok(attached(&stored.head, stored.blob)?))
                .collect();
        }
        let mut entries = Vec::new();
        for stored in self.read_disk(range, REPLICATE_BYTES_MAX, true).await? {
            let blob = match stored.blob_len {
                Some(_) => Some(self.checked_blob(stored.index, stored.blob).await?),
                None => None,
            };
            entries.push(attached(&stored.head, blob)?);
        }
        Ok(entries)
    }

    /// The blob that was read here if it is whole; else another replica's.
    async fn checked_blob(&self, index: LogIndex, read: Option<Bytes>) -> Result<Bytes, io::Error> {
        match read.filter(|record| piece::verify(record).is_ok()) {
            Some(record) => Ok(record),
            None => self.fetch_and_mend(index).await,
        }
    }

    async fn fetch_and_mend(&self, index: LogIndex) -> Result<Bytes, io::Error> {
        let (group, replica) = (self.store.group(), self.store.id());
        tracing::warn!(%group, %replica, %index, "blob is missing or damaged here, asking another replica");
        let fetched = self.source.fetch(index).await;
        let Some(record) = fetched.filter(|record| piece::verify(record).is_ok()) else {
            let text = format!("blob {index} of replica {replica} is missing or damaged, and no other replica has it");
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        };
        let (store, mended) = (self.store.clone(), record.clone());
        let restore = self.store.shelf().run_io(move || store.restore_blob(index, mended));
        restore.await.map_err(io_error)?;
        Ok(record)
    }
}

/// The entry of a head, with its blob.
fn attached(head: &Bytes, blob: Option<Bytes>) -> Result<Entry, RecordError> {
    let mut entry = Entry::from_record(head)?;
    if let EntryPayload::Normal(command) = &mut entry.payload {
        command.blob = blob;
    }
    Ok(entry)
}

/// A shelf's error as openraft wants it: the kind is for the log, the class stays inside.
pub(crate) fn io_error(error: ShelfError) -> io::Error {
    io::Error::other(error)
}

/// Half open, as the log counts.
fn half_open(range: &impl RangeBounds<u64>) -> Range<u64> {
    let start = match range.start_bound() {
        Bound::Included(start) => *start,
        Bound::Excluded(start) => start.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(end) => end.saturating_add(1),
        Bound::Excluded(end) => *end,
        Bound::Unbounded => u64::MAX,
    };
    start..end
}

/// A callback that only reports: the shelf stops itself when a write fails, so nobody has to wait for it.
fn report(what: &'static str) -> Done {
    Box::new(move |outcome| {
        if let Err(error) = outcome {
            tracing::error!(%error, what, "log operation failed");
        }
    })
}

impl<C: GroupTypes> RaftLogReader<C> for LogStore {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry>, io::Error> {
        self.read_stripped(half_open(&range)).await
    }

    /// In pages, since what is to be applied after a restart may be much.
    async fn entries_stream<RB>(&mut self, range: RB) -> impl Stream<Item = Result<Entry, io::Error>> + OptionalSend
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        let log = self.clone();
        let pages = stream::unfold(Some(half_open(&range)), move |left| {
            let log = log.clone();
            async move {
                let left = left.filter(|left| !left.is_empty())?;
                match log.read_page(left.clone()).await {
                    Ok(page) => {
                        let next = page.last()?.index.0 + 1;
                        let entries: Vec<_> = page
                            .iter()
                            .map(|stored| Entry::from_record(&stored.head).map_err(io::Error::from))
                            .collect();
                        Some((entries, Some(next..left.end)))
                    }
                    Err(error) => Some((vec![Err(error)], None)),
                }
            }
        });
        Box::pin(pages.flat_map(stream::iter))
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, io::Error> {
        Ok(self.store.vote().map(|record| Vote::from_record(&record)).transpose()?)
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> Result<Vec<Entry>, io::Error> {
        let entries = self.read_page_with_blobs(start..end).await?;
        if entries.is_empty() && start < end {
            // Purged meanwhile. An empty answer would be taken for the end of the log.
            let text = format!(
                "entries from {start} on are no longer in the log of replica {}",
                self.store.id()
            );
            return Err(io::Error::new(io::ErrorKind::NotFound, text));
        }
        Ok(entries)
    }
}

impl<C: GroupTypes> RaftLogStorage<C> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<C>, io::Error> {
        let store = self.store.clone();
        let bounds = self
            .store
            .shelf()
            .run_io(move || store.bounds())
            .await
            .map_err(io_error)?;
        let purged = bounds
            .purged
            .map(|(_, marker)| LogId::from_record(&marker))
            .transpose()?;
        let last = bounds.last.map(|(_, head)| Entry::from_record(&head)).transpose()?;
        Ok(LogState {
            last_purged_log_id: purged,
            last_log_id: last.map(|entry| entry.log_id).or(purged),
        })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), io::Error> {
        let (done, durable) = oneshot::channel();
        // Whoever waits may be gone with its group; the vote is stored all the same.
        let done: Done = Box::new(move |outcome| drop(done.send(outcome)));
        self.store.save_vote(vote.to_record(), done);
        durable.await.map_err(io::Error::other)?.map_err(io_error)
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<C>) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut last = None;
        let entries = entries.into_iter().map(|entry| {
            last = Some(entry.log_id);
            let head = entry.to_record();
            let blob = match entry.payload {
                EntryPayload::Normal(command) => command.blob,
                EntryPayload::Blank | EntryPayload::Membership(_) => None,
            };
            let bytes = head.len() + blob.as_ref().map_or(0, Bytes::len);
            self.grown.fetch_add(bytes as u64, Ordering::Relaxed);
            LogEntry::new(LogIndex(entry.log_id.index), head, blob)
        });
        let entries = entries.collect();
        let synced = self.synced();
        let done: Done = Box::new(move |outcome| {
            if outcome.is_ok() {
                synced.change(|before| last.or(before));
            }
            callback.io_completed(outcome.map_err(io_error));
        });
        self.store.append(entries, done);
        Ok(())
    }

    async fn truncate_after(&mut self, last: Option<LogId>) -> Result<(), io::Error> {
        self.synced.change(|before| before.min(last));
        self.store
            .truncate_after(last.map(|last| LogIndex(last.index)), report("truncate"));
        Ok(())
    }

    async fn purge(&mut self, upto: LogId) -> Result<(), io::Error> {
        self.store
            .purge(LogIndex(upto.index), upto.to_record(), report("purge"));
        Ok(())
    }
}
