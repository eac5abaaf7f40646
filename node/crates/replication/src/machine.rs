//! openraft's state machine over the one that the layer above supplies: lanes, log time and membership around its
//! `apply`, everything of some consecutive entries in one batch on the shelf.
//!
//! Rows of ours in the replicated state, beside those of [`crate::lanes`]:
//!
//! | key | value |
//! |---|---|
//! | `FF 00` | log id of the last applied entry |
//! | `FF 01` | membership with the entry that set it |
//! | `FF 02` | log time: the highest leader's clock so far, in milliseconds since 1970 |
//!
//! Invariants
//! - State and applied log id change in one batch, which is written after the entries that it reflects.
//! - Replies and feed events leave only after that batch is written.
//! - Log time never falls.

use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use futures::{Stream, StreamExt};
use mail_model::LogIndex;
use openraft::storage::{EntryResponder, RaftSnapshotBuilder, RaftStateMachine, Snapshot, SnapshotMeta};
use openraft::{EntryPayload, OptionalSend};
use shelf::{KeyRange, ReplicaStore, ShelfError, Staging, StateEvent, StateTxn, StateView};
use tokio::sync::oneshot;

use crate::api::{AppliedAt, StateMachine, Token};
use crate::feed::FeedHub;
use crate::lanes::{self, Known, Lane, LaneError};
use crate::limits::{APPLY_BYTES_MAX, APPLY_ENTRIES_MAX, COPY_BYTES_MAX, COPY_ROWS_MAX};
use crate::log_store::io_error;
use crate::record::{Record, RecordError, open, seal};
use crate::seen::Held;
use crate::types::{
    CommandKind, Entry, GroupTypes, LeaderId, LogCommand, LogId, Outcome, ReplicaPlace, StoredMembership, Vote,
};
use crate::watched::Watched;

const APPLIED: &[u8] = &[0xFF, 0x00];
const MEMBERSHIP: &[u8] = &[0xFF, 0x01];
const LOG_TIME: &[u8] = &[0xFF, 0x02];

/// What openraft knows of a snapshot.
pub(crate) type GroupSnapshotMeta = SnapshotMeta<LeaderId, mail_model::ReplicaId, ReplicaPlace>;
/// A snapshot with its meta.
pub(crate) type RaftSnapshot = Snapshot<LeaderId, mail_model::ReplicaId, ReplicaPlace, GroupSnapshot>;

/// A snapshot of a group: a view on the side that has it, gathered rows on the side that takes it.
pub(crate) enum GroupSnapshot {
    /// State and blobs of a replica as they were when it was built.
    View(StateView),
    /// Complete, next to the present state of the replica that is to install it.
    Staged(Staging),
}

/// The state of one replica. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Machine {
    store: ReplicaStore,
    app: Arc<dyn StateMachine>,
    applied: Arc<Watched<Token>>,
    feeds: Arc<FeedHub>,
    /// Whether openraft was given a snapshot or gave one.
    has_snapshot: Arc<AtomicBool>,
}

impl Machine {
    /// Builds on a replica of a shelf. Blocks on the disk.
    ///
    /// # Errors
    /// When the applied state cannot be read.
    pub(crate) fn open(
        store: ReplicaStore,
        app: Arc<dyn StateMachine>,
        feeds: Arc<FeedHub>,
    ) -> Result<Self, ShelfError> {
        let view = store.state_view()?;
        let applied = read_row::<LogId>(&store, &view, APPLIED)?;
        let token = Token(applied.map_or(0, |log_id| log_id.index));
        Ok(Self {
            store,
            app,
            applied: Arc::new(Watched::new(token)),
            feeds,
            has_snapshot: Arc::default(),
        })
    }

    /// The replica below.
    #[must_use]
    pub(crate) fn store(&self) -> &ReplicaStore {
        &self.store
    }

    /// The state machine above.
    #[must_use]
    pub(crate) fn app(&self) -> &Arc<dyn StateMachine> {
        &self.app
    }

    /// Who follows this group here.
    #[must_use]
    pub(crate) fn feeds(&self) -> &FeedHub {
        &self.feeds
    }

    /// Has the state machine above answer a read against what is applied now. Blocks on the disk.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub(crate) fn query(&self, request: &[u8]) -> Result<(Token, Bytes), ShelfError> {
        self.answer(&self.store.state_view()?, request)
    }

    /// The same, if all that it takes is in memory. Never waits for the disk.
    pub(crate) fn query_in_memory(&self, request: &[u8]) -> Option<(Token, Bytes)> {
        self.answer(&self.store.memory_view()?, request).ok()
    }

    fn answer(&self, view: &StateView, request: &[u8]) -> Result<(Token, Bytes), ShelfError> {
        let applied = read_row::<LogId>(&self.store, view, APPLIED)?;
        let reply = self.app.query(view, request)?;
        Ok((Token(applied.map_or(0, |applied| applied.index)), Bytes::from(reply)))
    }

    /// Whether a command makes the group grow (DESIGN D12).
    pub(crate) fn grows(&self, payload: &[u8]) -> bool {
        self.app.grows(payload)
    }

    /// How far this replica has applied.
    #[must_use]
    pub(crate) fn applied(&self) -> &Watched<Token> {
        &self.applied
    }

    /// Applies entries that follow what was applied before. Blocks on the disk.
    fn apply_entries(&self, entries: &[Entry]) -> Result<(Vec<Outcome>, Vec<StateEvent>), ShelfError> {
        let mut outcomes = Vec::with_capacity(entries.len());
        let mut events = Vec::new();
        let mut left = entries;
        while !left.is_empty() {
            let taken = self.apply_some(left, &mut outcomes, &mut events)?;
            left = &left[taken..];
        }
        Ok((outcomes, events))
    }

    /// Applies as many entries as make one batch of bearable size, at least one. Returns how many.
    fn apply_some(
        &self,
        entries: &[Entry],
        outcomes: &mut Vec<Outcome>,
        events: &mut Vec<StateEvent>,
    ) -> Result<usize, ShelfError> {
        let view = self.store.state_view()?;
        let mut txn = StateTxn::new(&view, LogIndex(entries[0].log_id.index));
        let mut taken = 0;
        for entry in entries {
            txn.set_index(LogIndex(entry.log_id.index));
            outcomes.push(
                self.apply_one(&mut txn, entry)
                    .map_err(|error| self.as_shelf_error(error))?,
            );
            taken += 1;
            if txn.approximate_bytes() >= APPLY_BYTES_MAX {
                break;
            }
        }
        let last = entries[taken - 1].log_id;
        txn.put(APPLIED, last.to_record());
        let changes = txn.finish();
        self.store.write_state(LogIndex(last.index), &changes.batch)?;
        events.extend(changes.events);
        Ok(taken)
    }

    fn apply_one(&self, txn: &mut StateTxn<'_>, entry: &Entry) -> Result<Outcome, LaneError> {
        match &entry.payload {
            EntryPayload::Blank => Ok(Outcome::Nothing),
            EntryPayload::Membership(membership) => {
                let stored = StoredMembership::new(Some(entry.log_id), membership.clone());
                txn.put(MEMBERSHIP, stored.to_record());
                Ok(Outcome::Nothing)
            }
            EntryPayload::Normal(command) => self.apply_command(txn, entry.log_id.index, command),
        }
    }

    fn apply_command(&self, txn: &mut StateTxn<'_>, index: u64, command: &LogCommand) -> Result<Outcome, LaneError> {
        let log_time_ms = advance_log_time(txn, command.log_time_ms)?;
        let outcome = match command.kind {
            CommandKind::OpenLane => lanes::open_lane(txn, &command.request)?,
            CommandKind::Cancel => lanes::cancel(txn, &command.request)?,
            CommandKind::App => match lanes::look_up(txn, &command.request)? {
                Known::Done(outcome) => outcome,
                Known::New(lane) => return self.apply_app(txn, index, (log_time_ms, lane), command),
            },
        };
        if command.blob_len.is_some() {
            // Nobody will ever name this entry's blob.
            txn.free_blob(LogIndex(index));
        }
        Ok(outcome)
    }

    fn apply_app(
        &self,
        txn: &mut StateTxn<'_>,
        index: u64,
        (log_time_ms, lane): (u64, Lane),
        command: &LogCommand,
    ) -> Result<Outcome, LaneError> {
        let at = AppliedAt {
            group: self.store.group(),
            index: LogIndex(index),
            log_time_ms,
            blob_len: command.blob_len,
        };
        let reply = Bytes::from(self.app.apply(txn, &at, &command.payload)?);
        lane.remember_reply(txn, &command.request, &reply)?;
        Ok(Outcome::Reply { index: at.index, reply })
    }

    fn as_shelf_error(&self, error: LaneError) -> ShelfError {
        match error {
            LaneError::Shelf(error) => error,
            LaneError::Record(error) => damaged_row(&self.store, &error),
        }
    }

    /// Shows the world what is written now.
    fn publish(&self, last: LogIndex, events: Vec<StateEvent>) {
        self.applied.replace(Token(last.0));
        self.feeds.deliver(events);
    }

    /// What is on the disk of a vote, a log and the state above it. Blocks on the disk.
    pub(crate) fn held(store: &ReplicaStore) -> Result<Held, ShelfError> {
        let of = |error| damaged_row(store, &error);
        let vote = store.vote().map(|record| Vote::from_record(&record)).transpose();
        let bounds = store.bounds()?;
        let purged = bounds.purged.map(|(_, marker)| LogId::from_record(&marker)).transpose();
        let last = bounds.last.map(|(_, head)| Entry::from_record(&head)).transpose();
        let applied = read_row::<LogId>(store, &store.state_view()?, APPLIED)?;
        let last = last.map_err(of)?.map(|entry| entry.log_id);
        Ok(Held {
            vote: vote.map_err(of)?.map(|vote| vote.leader_id),
            last: last.max(purged.map_err(of)?).max(applied),
        })
    }

    /// A snapshot of what is applied now. Blocks on the disk.
    fn build(&self) -> Result<RaftSnapshot, ShelfError> {
        let view = self.store.state_view()?;
        Ok(Snapshot {
            meta: SnapshotMeta {
                last_log_id: read_row(&self.store, &view, APPLIED)?,
                last_membership: read_row(&self.store, &view, MEMBERSHIP)?.unwrap_or_default(),
            },
            snapshot: GroupSnapshot::View(view),
        })
    }

    /// Gathers another replica's view next to the present state. Blocks on the disk.
    fn gather(&self, tag: &[u8], view: &StateView) -> Result<Staging, ShelfError> {
        let staging = self.store.stage(tag)?;
        copy_state(view, &staging)?;
        let mut from = LogIndex(0);
        loop {
            let page = self.app.live_blobs(view, from, COPY_ROWS_MAX)?;
            let Some(last) = page.last() else { return Ok(staging) };
            from = LogIndex(last.0 + 1);
            for index in page {
                let record = view.blob(index)?.ok_or_else(|| {
                    let detail = format!("the snapshot lacks blob {index}");
                    ShelfError::damage(self.store.shelf().label(), "copy snapshot", detail)
                })?;
                staging.put_blobs([(index, record)])?;
            }
        }
    }
}

/// Copies all rows of a view, in batches of bearable size.
fn copy_state(view: &StateView, staging: &Staging) -> Result<(), ShelfError> {
    let mut outcome = Ok(());
    let mut page: Vec<(Vec<u8>, Bytes)> = Vec::new();
    let mut page_bytes = 0;
    view.scan(&KeyRange::all(), &mut |key, value| {
        page_bytes += key.len() + value.len();
        page.push((key.to_vec(), Bytes::copy_from_slice(value)));
        if page_bytes >= COPY_BYTES_MAX {
            page_bytes = 0;
            outcome = staging.put_state(std::mem::take(&mut page));
        }
        if outcome.is_ok() {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    })?;
    outcome?;
    staging.put_state(page)
}

fn advance_log_time(txn: &mut StateTxn<'_>, stamped_ms: u64) -> Result<u64, LaneError> {
    let before = match txn.get(LOG_TIME)? {
        Some(row) => open::<u64>("log time", &row)?.0,
        None => 0,
    };
    if stamped_ms > before {
        txn.put(LOG_TIME, seal(&stamped_ms, &[]));
    }
    Ok(stamped_ms.max(before))
}

fn read_row<T: Record>(store: &ReplicaStore, view: &StateView, key: &[u8]) -> Result<Option<T>, ShelfError> {
    let row = view.get(key)?.map(|row| T::from_record(&row)).transpose();
    row.map_err(|error| damaged_row(store, &error))
}

fn damaged_row(store: &ReplicaStore, error: &RecordError) -> ShelfError {
    let detail = format!("replica {}: {error}", store.id());
    ShelfError::damage(store.shelf().label(), "read applied state", detail)
}

impl<C: GroupTypes> RaftStateMachine<C> for Machine {
    type SnapshotData = GroupSnapshot;
    type SnapshotBuilder = Self;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), io::Error> {
        let machine = self.clone();
        let read = self.store.shelf().run_io(move || machine.build());
        let meta = read.await.map_err(io_error)?.meta;
        Ok((meta.last_log_id, meta.last_membership))
    }

    async fn apply<Strm>(&mut self, entries: Strm) -> Result<(), io::Error>
    where
        Strm: Stream<Item = Result<EntryResponder<C>, io::Error>> + Unpin + OptionalSend,
    {
        let mut chunks = entries.ready_chunks(APPLY_ENTRIES_MAX);
        while let Some(chunk) = chunks.next().await {
            let mut entries = Vec::with_capacity(chunk.len());
            let mut responders = Vec::with_capacity(chunk.len());
            for item in chunk {
                let (entry, responder) = item?;
                entries.push(entry);
                responders.push(responder);
            }
            let Some(last) = entries.last().map(|entry| LogIndex(entry.log_id.index)) else {
                continue;
            };
            let machine = self.clone();
            let apply = self.store.shelf().run_io(move || machine.apply_entries(&entries));
            let (outcomes, events) = apply.await.map_err(io_error)?;
            self.publish(last, events);
            for (responder, outcome) in responders.into_iter().zip(outcomes) {
                if let Some(responder) = responder {
                    responder.send(outcome);
                }
            }
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Self {
        self.clone()
    }

    async fn install_snapshot(&mut self, meta: &GroupSnapshotMeta, snapshot: GroupSnapshot) -> Result<(), io::Error> {
        let Some(last) = meta.last_log_id else { return Ok(()) };
        let staging = match snapshot {
            GroupSnapshot::Staged(staging) => staging,
            GroupSnapshot::View(view) => {
                let machine = self.clone();
                let gather = self
                    .store
                    .shelf()
                    .run_io(move || machine.gather(&last.to_record(), &view));
                gather.await.map_err(io_error)?
            }
        };
        let (done, installed) = oneshot::channel();
        // Whoever waits may be gone with its group; the install goes on all the same.
        staging.install(LogIndex(last.index), Box::new(move |outcome| drop(done.send(outcome))));
        installed.await.map_err(io::Error::other)?.map_err(io_error)?;
        self.has_snapshot.store(true, Ordering::Relaxed);
        self.applied.replace(Token(last.index));
        self.feeds.lag();
        Ok(())
    }

    /// There is one once one was built or installed, and whenever entries were purged: made of what is applied now, which
    /// reaches past any purge.
    async fn get_current_snapshot(&mut self) -> Result<Option<RaftSnapshot>, io::Error> {
        let machine = self.clone();
        let read = self.store.shelf().run_io(move || {
            let has_one = machine.has_snapshot.load(Ordering::Relaxed) || machine.store.bounds()?.purged.is_some();
            if has_one { machine.build().map(Some) } else { Ok(None) }
        });
        read.await.map_err(io_error)
    }
}

impl<C: GroupTypes> RaftSnapshotBuilder<C> for Machine {
    type SnapshotData = GroupSnapshot;

    async fn build_snapshot(&mut self) -> Result<RaftSnapshot, io::Error> {
        let machine = self.clone();
        let built = self.store.shelf().run_io(move || machine.build()).await;
        let built = built.map_err(io_error)?;
        self.has_snapshot.store(true, Ordering::Relaxed);
        Ok(built)
    }
}
