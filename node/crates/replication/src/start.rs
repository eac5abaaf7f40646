//! Starting the replicas of this node: first the others are asked what they saw from them, then those that still have it
//! run (DESIGN D10).
//!
//! Invariants
//! - No replica runs before every other node was asked, or stayed silent for its time.
//! - Who has less than was seen from it never runs again: that its id is used up is on its disk before this is told. A
//!   shelf has one write-ahead log, so all its replicas go with the one that was found out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use mail_model::{GroupId, NodeId, ReplicaId, ShelfId};
use openraft::type_config::TypeConfigExt;
use shelf::{ReplicaState, ReplicaStore, Shelf, ShelfError};

use crate::api::StateMachine;
use crate::limits::ASK_SEEN_MS;
use crate::machine::Machine;
use crate::node::{Inner, Outgoing, PeerBlobs, Replicator};
use crate::replica::Replica;
use crate::rpc::{self, ReplyRow, RequestRow, SeenRow};
use crate::seen::{Held, Seen};
use crate::transport::Class;
use crate::types::{GroupTypes, ReplicaPlace};

/// Why a replica cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The shelf reports an error.
    #[error(transparent)]
    Shelf(#[from] ShelfError),
    /// It has forgotten what it promised, and is retired.
    #[error("replica {replica} of group {group} is retired: others saw {seen} from it, and it has {held}")]
    Forgot {
        /// The replica.
        replica: ReplicaId,
        /// Its group.
        group: GroupId,
        /// What others saw of its vote and log.
        seen: String,
        /// What it has of them.
        held: String,
    },
    /// Another replica of its shelf has forgotten what it promised, so this one is retired too.
    #[error("replica {replica} of group {group} is retired: its shelf has lost acknowledged writes")]
    ShelfForgot {
        /// The replica.
        replica: ReplicaId,
        /// Its group.
        group: GroupId,
    },
    /// openraft does not accept what is there.
    #[error("replica {replica} of group {group} cannot run: {cause}")]
    Raft {
        /// The replica.
        replica: ReplicaId,
        /// Its group.
        group: GroupId,
        /// What openraft says.
        cause: String,
    },
}

/// A replica that is to run.
pub struct Starting {
    /// On its shelf.
    pub store: ReplicaStore,
    /// Where that is.
    pub place: ReplicaPlace,
    /// What its commands mean.
    pub app: Arc<dyn StateMachine>,
}

impl<C: GroupTypes> Replicator<C> {
    /// Runs replicas of shelves of this node until [`Replicator::stop`], or until their shelf fails. Asks the other
    /// nodes first what they saw from them, all in one, and waits [`ASK_SEEN_MS`] for an answer at most. Outcomes come
    /// in the order of `starting`.
    pub async fn start_replicas(&self, starting: Vec<Starting>) -> Vec<Result<(), StartError>> {
        let ids: Vec<_> = starting.iter().map(|one| one.store.id()).collect();
        let seen = self.inner.ask_what_was_seen(ids).await;
        let mut forgot = BTreeMap::new();
        let mut shelves: BTreeMap<ShelfId, Shelf> = BTreeMap::new();
        for one in &starting {
            // One that cannot be read is told so when it is started.
            if let (Some(seen), Ok(held)) = (seen.get(&one.store.id()), held(&one.store).await)
                && held.is_less_than(seen)
            {
                forgot.insert(one.store.id(), (seen.to_string(), held.to_string()));
                shelves.insert(one.place.shelf, one.store.shelf().clone());
            }
        }
        let mut bad = BTreeMap::new();
        for (id, shelf) in shelves {
            bad.insert(id, retire_all(shelf).await);
        }
        let mut outcomes = Vec::with_capacity(starting.len());
        for one in starting {
            let (replica, group) = (one.store.id(), one.store.group());
            outcomes.push(match (bad.get(&one.place.shelf), forgot.remove(&replica)) {
                (None, _) => self.run(one).await,
                (Some(Err(error)), _) => Err(error.clone().into()),
                (Some(Ok(())), None) => Err(StartError::ShelfForgot { replica, group }),
                (Some(Ok(())), Some((seen, held))) => Err(StartError::Forgot {
                    replica,
                    group,
                    seen,
                    held,
                }),
            });
        }
        outcomes
    }

    /// [`Replicator::start_replicas`] of one.
    ///
    /// # Errors
    /// When the shelf cannot be read, or what is on it makes no replica, or less than others saw from it.
    pub async fn start_replica(
        &self,
        store: ReplicaStore,
        place: ReplicaPlace,
        app: Arc<dyn StateMachine>,
    ) -> Result<(), StartError> {
        let outcomes = self.start_replicas(vec![Starting { store, place, app }]).await;
        outcomes.into_iter().collect()
    }

    async fn run(&self, one: Starting) -> Result<(), StartError> {
        let Starting { store, place, app } = one;
        let source = Arc::new(PeerBlobs {
            inner: Arc::downgrade(&self.inner),
            group: store.group(),
        });
        let outgoing = Arc::new(Outgoing(Arc::downgrade(&self.inner)));
        let shelf = store.shelf().clone();
        let seen = self.inner.seen.clone();
        let replica = Arc::new(Replica::start(store, place, app, source, outgoing, seen).await?);
        let id = replica.id();
        self.inner
            .replicas
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id, replica);
        let inner = Arc::downgrade(&self.inner);
        let watching = async move {
            let error = shelf.failed().await;
            if let Some(inner) = inner.upgrade() {
                inner.lose_replica(id, &error).await;
            }
        };
        drop(C::spawn(watching));
        Ok(())
    }
}

/// What a replica finds on its disk.
async fn held(store: &ReplicaStore) -> Result<Held, ShelfError> {
    let of_call = store.clone();
    store.shelf().run_io(move || Machine::held(&of_call)).await
}

/// Retires every replica of a shelf, durably.
async fn retire_all(shelf: Shelf) -> Result<(), ShelfError> {
    let of_call = shelf.clone();
    let retire = move || {
        let all = of_call.replicas()?;
        let mut active = all.iter().filter(|replica| replica.state == ReplicaState::Active);
        active.try_for_each(|replica| of_call.retire_replica(replica.id))
    };
    shelf.run_io(retire).await
}

impl<C: GroupTypes> Inner<C> {
    /// The most that any node, this one among them, saw from each of `replicas`, as far as they answer in time.
    async fn ask_what_was_seen(&self, replicas: Vec<ReplicaId>) -> BTreeMap<ReplicaId, Seen> {
        let planned = self
            .groups
            .values()
            .flat_map(|plan| plan.voters.iter().chain(&plan.learners));
        let nodes: BTreeSet<NodeId> = planned.map(|(_, place)| place.node).collect();
        let frame = rpc::write_request(&RequestRow::Seen { of: replicas }, &[]);
        let within = Duration::from_millis(ASK_SEEN_MS);
        let asked = nodes.into_iter().map(|node| {
            let frame = frame.clone();
            // The transport keeps to the time as well; here it is what boot relies on.
            async move { C::timeout(within, self.call(node, Class::Vote, frame, within)).await }
        });
        let mut most: BTreeMap<ReplicaId, Seen> = BTreeMap::new();
        for answer in join_all(asked).await {
            let Ok(Ok(reply)) = answer else { continue };
            let Ok((ReplyRow::Seen { rows }, _)) = rpc::read_reply(&reply) else {
                continue;
            };
            for row in rows {
                let seen = row.seen();
                let known = most.entry(row.replica).or_insert(seen);
                *known = seen.max(*known);
            }
        }
        most
    }

    pub(crate) fn seen_here(&self, of: &[ReplicaId]) -> bytes::Bytes {
        let rows = self.seen.of(of);
        let rows = rows.iter().map(|(replica, seen)| SeenRow::new(*replica, seen));
        rpc::write_reply(&ReplyRow::Seen { rows: rows.collect() }, &[])
    }
}
