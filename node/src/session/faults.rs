//! Groups that fail, one by one, between a session and a node that works.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt, pending};
use mail_model::{BlobId, GroupId};
use mailstore::Mailstore;
use replication::{Applied, Command, Feed, GroupClient, ProposeError, QueryReply, ReadError, Token};

use crate::auth::Authenticator;
use crate::delivery_log::DeliveryLog;
use crate::services::{Services, SharedServices};
use crate::testing::{TestNode, node_with_accounts};

/// How a group fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It takes no change.
    Refuses,
    /// It takes the change, and the answer is lost.
    LosesAnswers,
    /// It never answers anything.
    Hangs,
}

/// The groups of a node, with faults and counts of what goes in.
pub(super) struct FaultyGroups {
    inner: Arc<dyn GroupClient>,
    faults: Mutex<BTreeMap<GroupId, Fault>>,
    /// Bytes of body pieces that are on their way.
    in_flight: AtomicUsize,
    /// The most that ever were.
    pub(super) in_flight_max: AtomicUsize,
    /// Body pieces that were committed.
    pub(super) pieces: AtomicUsize,
}

impl FaultyGroups {
    fn fault(&self, group: GroupId) -> Option<Fault> {
        self.faults.lock().unwrap().get(&group).copied()
    }

    pub(super) fn set(&self, group: GroupId, fault: Option<Fault>) {
        let mut faults = self.faults.lock().unwrap();
        match fault {
            Some(fault) => faults.insert(group, fault),
            None => faults.remove(&group),
        };
    }

    async fn counted(&self, group: GroupId, command: Command, within: Duration) -> Result<Applied, ProposeError> {
        let bytes = command.blob.as_ref().map_or(0, Bytes::len);
        let now = self.in_flight.fetch_add(bytes, Ordering::SeqCst) + bytes;
        self.in_flight_max.fetch_max(now, Ordering::SeqCst);
        let applied = self.inner.propose(group, command, within).await;
        self.in_flight.fetch_sub(bytes, Ordering::SeqCst);
        self.pieces.fetch_add(usize::from(bytes > 0), Ordering::SeqCst);
        applied
    }
}

impl GroupClient for FaultyGroups {
    fn propose(
        &self,
        group: GroupId,
        command: Command,
        within: Duration,
    ) -> BoxFuture<'_, Result<Applied, ProposeError>> {
        let reason = "a test".to_owned();
        match self.fault(group) {
            None => self.counted(group, command, within).boxed(),
            Some(Fault::Refuses) => async move { Err(ProposeError::NotDone { group, reason }) }.boxed(),
            Some(Fault::Hangs) => pending().boxed(),
            Some(Fault::LosesAnswers) => async move {
                self.inner.propose(group, command, within).await?;
                Err(ProposeError::Uncertain { group, reason })
            }
            .boxed(),
        }
    }

    fn read_index(&self, group: GroupId, within: Duration) -> BoxFuture<'_, Result<Token, ReadError>> {
        self.inner.read_index(group, within)
    }

    fn query(
        &self,
        group: GroupId,
        at_least: Token,
        request: Bytes,
        within: Duration,
    ) -> BoxFuture<'_, Result<QueryReply, ReadError>> {
        match self.fault(group) {
            Some(Fault::Hangs) => pending().boxed(),
            _ => self.inner.query(group, at_least, request, within),
        }
    }

    fn read_blob(&self, id: BlobId, within: Duration) -> BoxFuture<'_, Result<Bytes, ReadError>> {
        self.inner.read_blob(id, within)
    }

    fn subscribe(&self, group: GroupId, topic: u64) -> Feed {
        self.inner.subscribe(group, topic)
    }

    fn mail_groups(&self) -> Vec<GroupId> {
        self.inner.mail_groups()
    }

    fn leads(&self, group: GroupId) -> bool {
        self.inner.leads(group)
    }
}

/// A node of which the sessions see faults, and its log directory.
pub(super) struct FaultyNode {
    pub(super) node: TestNode,
    pub(super) groups: Arc<FaultyGroups>,
    pub(super) services: SharedServices,
    _dir: tempfile::TempDir,
}

pub(super) async fn faulty_node(accounts: usize) -> FaultyNode {
    let node = node_with_accounts(accounts).await;
    let groups = Arc::new(FaultyGroups {
        inner: Arc::new(node.replicator.clone()),
        faults: Mutex::default(),
        in_flight: AtomicUsize::new(0),
        in_flight_max: AtomicUsize::new(0),
        pieces: AtomicUsize::new(0),
    });
    let directory = node.services.directory.clone();
    let dir = tempfile::tempdir().expect("a directory");
    let services = Services {
        store: Mailstore::new(groups.clone()),
        auth: Authenticator::new(directory.clone()).expect("random bytes"),
        directory,
        access: node.services.access.clone(),
        delivery_log: DeliveryLog::open(dir.path(), 30).expect("opens"),
        settings: node.services.settings.clone(),
        stopping: node.services.stopping.clone(),
    };
    FaultyNode {
        node,
        groups,
        services: Arc::new(services),
        _dir: dir,
    }
}
