//! One replica of a mail group on a memory shelf, to which a test applies commands as a log would.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use bytes::Bytes;
use mail_model::{AccountId, GroupId, LogIndex, ReplicaId};
use replication::{AppliedAt, KeyRange, StateMachine, StateTxn, StateView};
use shelf::{MemDisk, ReplicaStore, Shelf, StateEvent};

use crate::codec;
use crate::command::{Answer, AnyCommand, GroupCommand};
use crate::machine::MailMachine;
use crate::query::{AnyQuery, CheckAccount, CheckBodies, GroupQuery};
use crate::record::{BodyRow, QueuedRow};
use crate::rejection::Rejection;

/// One entry of a log.
#[derive(Clone, Debug)]
pub(crate) struct LogEntry {
    pub(crate) payload: Bytes,
    pub(crate) blob: Option<Bytes>,
    pub(crate) log_time_ms: u64,
}

/// See the module.
pub(crate) struct Replica {
    group: GroupId,
    store: ReplicaStore,
    pub(crate) applied: u64,
    pub(crate) now_ms: u64,
    pub(crate) blobs: BTreeMap<u64, Bytes>,
    pub(crate) log: Vec<LogEntry>,
}

impl Replica {
    pub(crate) fn new(group: GroupId) -> Self {
        let shelf = Shelf::simulated(MemDisk::new("mem").open()).expect("a memory shelf");
        let store = shelf.create_replica(ReplicaId(1), group).expect("a replica");
        Self {
            group,
            store,
            applied: 0,
            now_ms: 1_800_000_000_000,
            blobs: BTreeMap::new(),
            log: Vec::new(),
        }
    }

    pub(crate) fn view(&self) -> StateView {
        self.store.state_view().expect("readable")
    }

    /// Applies one payload as the next entry and returns its reply and events.
    pub(crate) fn apply_payload(&mut self, payload: Bytes, blob: Option<Bytes>) -> (Vec<u8>, Vec<StateEvent>) {
        let entry = LogEntry {
            payload,
            blob,
            log_time_ms: self.now_ms,
        };
        self.apply_entries(std::slice::from_ref(&entry))
            .pop()
            .expect("one entry, one reply")
    }

    /// Applies entries in one transaction.
    pub(crate) fn apply_entries(&mut self, entries: &[LogEntry]) -> Vec<(Vec<u8>, Vec<StateEvent>)> {
        let view = self.view();
        let mut txn = StateTxn::new(&view, LogIndex(self.applied + 1));
        let mut replies = Vec::new();
        for entry in entries {
            self.applied += 1;
            let index = LogIndex(self.applied);
            txn.set_index(index);
            if let Some(blob) = &entry.blob {
                self.blobs.insert(index.0, blob.clone());
            }
            let at = AppliedAt {
                group: self.group,
                index,
                log_time_ms: entry.log_time_ms,
                blob_len: entry
                    .blob
                    .as_ref()
                    .map(|blob| u32::try_from(blob.len()).expect("small")),
            };
            replies.push((
                index,
                MailMachine
                    .apply(&mut txn, &at, &entry.payload)
                    .expect("the shelf is well"),
            ));
            self.log.push(entry.clone());
        }
        let changes = txn.finish();
        drop(view);
        self.store
            .write_state(LogIndex(self.applied), &changes.batch)
            .expect("writable");
        let events = changes.events;
        let own = |index: LogIndex| {
            events
                .iter()
                .filter(move |event| event.index == index)
                .cloned()
                .collect()
        };
        replies.into_iter().map(|(index, reply)| (reply, own(index))).collect()
    }

    pub(crate) fn apply<C: GroupCommand>(&mut self, command: C, blob: Option<Bytes>) -> Result<C::Reply, Rejection> {
        let any: AnyCommand = command.into();
        let (reply, _) = self.apply_payload(codec::seal(&any).into(), blob);
        match codec::open("reply", &reply).expect("a reply") {
            Answer::Done(reply) => Ok(reply),
            Answer::Rejected(rejection) => Err(rejection),
        }
    }

    pub(crate) fn ask<Q: GroupQuery>(&self, query: Q) -> Result<Q::Reply, Rejection> {
        let any: AnyQuery = query.into();
        let reply = MailMachine.query(&self.view(), &codec::seal(&any)).expect("readable");
        match codec::open("reply", &reply).expect("a reply") {
            Answer::Done(reply) => Ok(reply),
            Answer::Rejected(rejection) => Err(rejection),
        }
    }

    /// Writes a row behind the machine's back, or takes one away, as a mistake would.
    pub(crate) fn damage(&self, key: Vec<u8>, row: Option<Vec<u8>>) {
        let view = self.view();
        let mut txn = StateTxn::new(&view, LogIndex(self.applied));
        match row {
            Some(row) => txn.put(key, row),
            None => txn.delete(key),
        }
        let changes = txn.finish();
        self.store
            .write_state(LogIndex(self.applied), &changes.batch)
            .expect("writable");
    }

    /// Every row of the state.
    pub(crate) fn rows(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut rows = Vec::new();
        self.view()
            .scan(&KeyRange::all(), &mut |key, value| {
                rows.push((key.to_vec(), value.to_vec()));
                ControlFlow::Continue(())
            })
            .expect("readable");
        rows
    }

    /// Rows of one table.
    pub(crate) fn count_rows(&self, table: u8) -> usize {
        self.rows()
            .iter()
            .filter(|(key, _)| key.first() == Some(&table))
            .count()
    }

    pub(crate) fn live_blobs(&self) -> Vec<LogIndex> {
        MailMachine
            .live_blobs(&self.view(), LogIndex(0), usize::MAX)
            .expect("readable")
    }

    /// Accounts and bodies pass their checks, the bodies have exactly the references that accounts and queue hold, and each
    /// blob of a body is named once.
    pub(crate) fn check(&self, accounts: &[AccountId]) {
        let mut held: BTreeMap<u64, u32> = BTreeMap::new();
        for account in accounts {
            let report = self
                .ask(CheckAccount { account: *account })
                .expect("the account is there");
            assert_eq!(report.findings, Vec::<String>::new(), "account {account}");
            for (body, count) in report.references {
                *held.entry(body).or_default() += count;
            }
        }
        for (_, value) in self.rows().iter().filter(|(key, _)| key.first() == Some(&0x14)) {
            let row: QueuedRow = codec::open("queue row", value).expect("a queue row");
            *held.entry(row.body.0).or_default() += 1;
        }
        let mut stored: BTreeMap<u64, u32> = BTreeMap::new();
        let mut pieces = Vec::new();
        for (key, value) in self.rows().iter().filter(|(key, _)| key.first() == Some(&0x0A)) {
            let row: BodyRow = codec::open("body row", value).expect("a body row");
            stored.insert(crate::key::index_of(key).expect("an index").0, row.references);
            pieces.extend(row.pieces.iter().map(|piece| piece.blob));
        }
        assert_eq!(stored, held, "references of bodies");
        let report = self.ask(CheckBodies {}).expect("the group is there");
        assert_eq!(report.findings, Vec::<String>::new(), "bodies");
        assert_eq!(report.bodies, stored.len() as u64);
        let live = self.live_blobs();
        assert!(
            pieces.iter().all(|piece| live.binary_search(piece).is_ok()),
            "pieces are live blobs"
        );
        assert!(live.windows(2).all(|pair| pair[0] < pair[1]), "live blobs ascend");
        let uploaded = self.count_rows(0x0E);
        assert_eq!(live.len(), pieces.len() + uploaded, "every live blob has one user");
    }
}
