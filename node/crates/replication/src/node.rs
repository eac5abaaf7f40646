//! How one node takes part in the groups: the replicas that run here, and the answers that other nodes get.
//!
//! Invariants
//! - A frame for a replica that does not run here is refused; it never reaches another one.
//! - A node asks itself as it asks others, through the same handler.
//!
//! Must not know: what commands mean, where bytes lie on disk.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock, Weak};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use mail_model::{GroupId, LogIndex, NodeId, ReplicaId};
use openraft::raft::{AppendEntriesRequest, VoteRequest};
use openraft::type_config::TypeConfigExt;
use shelf::{ShelfError, piece};

use crate::api::{BoxFuture, FeedEvent, Token};
use crate::clock::{Clock, ClockJudge};
use crate::front_lane::FrontLanes;
use crate::limits::{ATTEMPT_MS, FOLLOW_MS, HAND_OVER_MS, LIVENESS_MS};
use crate::liveness::Health;
use crate::log_store::BlobSource;
use crate::read_index::ReadIndexes;
use crate::replica::{Proposed, Replica, ReplicaStatus, blob_of, refused};
use crate::rpc::{self, ReplyRow, RequestRow};
use crate::seen::SeenTable;
use crate::transport::{Class, Handler, Transport, TransportError};
use crate::types::{CommandKind, GroupTypes, Incarnation, InstantOf, LogCommand, ReplicaPlace, Vote};
use crate::watched::Watched;

/// A group as it was founded; its stored membership counts wherever there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupPlan {
    /// The group.
    pub group: GroupId,
    /// Replicas with a vote.
    pub voters: Vec<(ReplicaId, ReplicaPlace)>,
    /// Replicas without one.
    pub learners: Vec<(ReplicaId, ReplicaPlace)>,
}

/// Who this node is and which groups there are.
pub struct ReplicatorConfig {
    /// This node.
    pub node: NodeId,
    /// This start of it.
    pub incarnation: Incarnation,
    /// Every group of the cluster.
    pub groups: Vec<GroupPlan>,
    /// For log time.
    pub clock: Arc<dyn Clock>,
}

pub(crate) struct Inner<C: GroupTypes> {
    pub(crate) node: NodeId,
    pub(crate) groups: BTreeMap<GroupId, GroupPlan>,
    pub(crate) lanes: FrontLanes,
    pub(crate) hints: Mutex<HashMap<GroupId, ReplicaPlace>>,
    pub(crate) health: Watched<Health>,
    pub(crate) reads: ReadIndexes,
    pub(crate) seen: Arc<SeenTable>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) judge: Mutex<ClockJudge>,
    pub(crate) started: InstantOf<C>,
    transport: OnceLock<Arc<dyn Transport>>,
    pub(crate) replicas: RwLock<BTreeMap<ReplicaId, Arc<Replica<C>>>>,
}

/// Handle to a node's part in the groups. Cheap to clone.
pub struct Replicator<C: GroupTypes> {
    pub(crate) inner: Arc<Inner<C>>,
}

impl<C: GroupTypes> Clone for Replicator<C> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
        }
    }
}

impl<C: GroupTypes> Replicator<C> {
    /// Knows the groups, runs nothing yet.
    #[must_use]
    pub fn new(config: ReplicatorConfig) -> Self {
        let others = other_nodes(config.node, &config.groups).len();
        let inner = Inner {
            node: config.node,
            groups: config.groups.into_iter().map(|plan| (plan.group, plan)).collect(),
            lanes: FrontLanes::new(config.node, config.incarnation),
            hints: Mutex::default(),
            health: Watched::default(),
            reads: ReadIndexes::default(),
            seen: Arc::default(),
            clock: config.clock,
            judge: Mutex::new(ClockJudge::new(others)),
            started: C::now(),
            transport: OnceLock::new(),
            replicas: RwLock::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Gives it the network, once. Before that no other node can be reached.
    pub fn connect(&self, transport: Arc<dyn Transport>) {
        // A second network would be a mistake of the caller's; the first one stays.
        let _ = self.inner.transport.set(transport);
    }

    /// Gives the groups whose first voter runs here their founding members, and takes their learners in. Does nothing
    /// for groups that have members already.
    ///
    /// # Errors
    /// What a group says that cannot take its members; the others go on.
    pub async fn found(&self) -> Result<(), String> {
        let mut outcome = Ok(());
        for plan in self.inner.groups.values() {
            let Some((first, _)) = plan.voters.iter().min() else {
                continue;
            };
            let Some(replica) = self.inner.replica(*first) else {
                continue;
            };
            if let Err(error) = replica.initialize(plan.voters.clone()).await {
                outcome = Err(format!("group {}: {error}", plan.group));
            }
        }
        outcome
    }

    /// What is known here of every replica that runs here.
    #[must_use]
    pub fn status(&self) -> Vec<ReplicaStatus> {
        self.inner.all().iter().map(|replica| replica.status()).collect()
    }

    /// Which nodes and shelves are known here to be out of order.
    #[must_use]
    pub fn health(&self) -> Health {
        self.inner.health.borrow().clone()
    }

    /// Has every group that is led from here led from elsewhere, then stops all replicas.
    pub async fn stop(&self) {
        for replica in self.inner.all() {
            replica.hand_over(self.inner.unfit_to_lead()).await;
        }
        let led_elsewhere = async {
            while self.inner.all().iter().any(|replica| replica.leads()) {
                C::sleep(Duration::from_millis(LIVENESS_MS)).await;
            }
        };
        // Alone in its group, or without a majority, a leader has nobody to hand over to.
        let _ = C::timeout(Duration::from_millis(HAND_OVER_MS), led_elsewhere).await;
        let all = std::mem::take(&mut *self.inner.replicas.write().unwrap_or_else(PoisonError::into_inner));
        for replica in all.into_values() {
            replica.stop().await;
        }
    }
}

impl<C: GroupTypes> Inner<C> {
    pub(crate) fn replica(&self, id: ReplicaId) -> Option<Arc<Replica<C>>> {
        self.replicas
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&id)
            .cloned()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Replica<C>>> {
        self.replicas
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .cloned()
            .collect()
    }

    /// The replicas of a group that run here.
    pub(crate) fn of_group(&self, group: GroupId) -> Vec<Arc<Replica<C>>> {
        let replicas = self.replicas.read().unwrap_or_else(PoisonError::into_inner);
        replicas
            .values()
            .filter(|replica| replica.group() == group)
            .cloned()
            .collect()
    }

    /// Where the replicas of a group are: as a replica here knows, else as founded.
    pub(crate) fn members(&self, group: GroupId) -> Vec<(ReplicaId, ReplicaPlace)> {
        let known = self
            .of_group(group)
            .iter()
            .map(|replica| replica.members())
            .find(|members| !members.is_empty());
        if let Some(members) = known {
            return members.into_iter().map(|(id, place, _)| (id, place)).collect();
        }
        let plan = self.groups.get(&group);
        plan.map(|plan| plan.voters.iter().chain(&plan.learners).copied().collect())
            .unwrap_or_default()
    }

    /// A shelf has failed: its replicas answer nobody any more, and who waits for their events gets those of others.
    pub(crate) async fn lose_replica(self: &Arc<Self>, id: ReplicaId, error: &ShelfError) {
        let lost = self
            .replicas
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&id);
        let Some(replica) = lost else { return };
        tracing::error!(group = %replica.group(), replica = %id, %error, "replica stopped: its shelf has failed");
        let shelf = replica.place().shelf;
        self.health.modify(|health| health.own_bad_shelves.insert(shelf));
        for (topic, subscriber) in replica.feeds().close() {
            self.follow_elsewhere(replica.group(), topic, subscriber);
        }
        replica.stop().await;
    }

    pub(crate) async fn call(
        &self,
        to: NodeId,
        class: Class,
        frame: Bytes,
        within: Duration,
    ) -> Result<Bytes, TransportError> {
        if to == self.node {
            let answer = C::timeout(within, self.answer(to, frame)).await;
            return answer.map_err(|_| TransportError::NoReply(to, "no answer in time".to_owned()));
        }
        match self.transport.get() {
            Some(transport) => transport.call(to, class, frame, within).await,
            None => Err(TransportError::Unreachable(to)),
        }
    }

    async fn answer(&self, from: NodeId, frame: Bytes) -> Bytes {
        match rpc::read_request(&frame) {
            Ok((row, rest)) => self.dispatch(from, row, rest).await,
            Err(error) => refused(error),
        }
    }

    async fn dispatch(&self, from: NodeId, row: RequestRow, rest: Bytes) -> Bytes {
        match row {
            RequestRow::Vote {
                to,
                vote,
                last,
                transfer,
                pre_vote,
            } => {
                let vote = Vote::from(vote);
                if !pre_vote {
                    // Who campaigns has its own vote on its disk.
                    self.seen.note(vote.leader_id.node_id, vote.leader_id, None);
                }
                let Some(replica) = self.replica(to) else {
                    return not_here(to);
                };
                let mut request = VoteRequest::new(vote, last.map(Into::into));
                request.leadership_transfer = transfer;
                replica.vote(request, pre_vote).await
            }
            RequestRow::Append {
                to,
                vote,
                previous,
                commit,
                lengths,
                synced,
            } => {
                let vote = Vote::from(vote);
                self.seen
                    .note(vote.leader_id.node_id, vote.leader_id, synced.map(Into::into));
                let Some(replica) = self.replica(to) else {
                    return not_here(to);
                };
                let entries = match rpc::append_entries(&lengths, rest) {
                    Ok(entries) => entries,
                    Err(error) => return refused(error),
                };
                let request = AppendEntriesRequest {
                    vote,
                    prev_log_id: previous.map(Into::into),
                    entries,
                    leader_commit: commit.map(Into::into),
                };
                replica.append(request).await
            }
            RequestRow::Transfer { to, from, leader } => match self.replica(to) {
                Some(replica) => replica.transfer(from.into(), leader).await,
                None => not_here(to),
            },
            RequestRow::LogEnd { of } => match self.replica(of) {
                Some(replica) => replica.log_end().await,
                None => not_here(of),
            },
            RequestRow::Propose {
                group,
                kind,
                request,
                payload_len,
                blob_len,
            } => {
                let (payload, blob) = match rpc::proposed_parts(payload_len, blob_len, rest) {
                    Ok(parts) => parts,
                    Err(error) => return refused(error),
                };
                let command = LogCommand {
                    kind,
                    request,
                    log_time_ms: self.stamp_ms(),
                    payload,
                    blob_len,
                    blob,
                };
                self.propose_here(group, command).await
            }
            RequestRow::ReadIndex { group } => self.read_index_here(group).await,
            RequestRow::Query {
                group,
                at_least,
                within_ms,
            } => {
                let within = Duration::from_millis(within_ms.min(ATTEMPT_MS));
                self.query_here(group, Token(at_least), rest, within).await
            }
            RequestRow::Blob { blob } => self.blob_here(blob.group, blob.index).await,
            RequestRow::Follow {
                group,
                topic,
                within_ms,
            } => self.follow_here(group, topic, within_ms).await,
            RequestRow::Liveness {
                bad_shelves,
                full_shelves,
            } => {
                self.health.modify(|health| health.heard(from, bad_shelves));
                self.health.modify(|health| health.set_full(from, full_shelves));
                let clock_ms = self.timeline_ms();
                rpc::write_reply(&ReplyRow::Alive { clock_ms }, &[])
            }
            RequestRow::Seen { of } => self.seen_here(&of),
            RequestRow::SnapshotRows { .. }
            | RequestRow::SnapshotLacks { .. }
            | RequestRow::SnapshotBlob { .. }
            | RequestRow::SnapshotInstall { .. } => self.dispatch_snapshot(row, rest).await,
        }
    }

    async fn dispatch_snapshot(&self, row: RequestRow, rest: Bytes) -> Bytes {
        let to = match &row {
            RequestRow::SnapshotRows { to, .. }
            | RequestRow::SnapshotLacks { to, .. }
            | RequestRow::SnapshotBlob { to, .. }
            | RequestRow::SnapshotInstall { to, .. } => *to,
            _ => return refused("not a step of a snapshot"),
        };
        let Some(replica) = self.replica(to) else {
            return not_here(to);
        };
        let machine = replica.machine().clone();
        let shelf = machine.store().shelf().clone();
        let step = match row {
            RequestRow::SnapshotRows { last, lengths, .. } => {
                shelf
                    .run_io(move || Ok(machine.take_rows(last.into(), &lengths, rest).map(|()| ReplyRow::Done)))
                    .await
            }
            RequestRow::SnapshotLacks { last, from, .. } => {
                let lacking = move || {
                    machine
                        .lacking(last.into(), from)
                        .map(|(blobs, next)| ReplyRow::Lacks { blobs, next })
                };
                shelf.run_io(move || Ok(lacking())).await
            }
            RequestRow::SnapshotBlob { last, index, .. } => {
                shelf
                    .run_io(move || Ok(machine.take_blob(last.into(), index, rest).map(|()| ReplyRow::Done)))
                    .await
            }
            RequestRow::SnapshotInstall {
                vote, last, membership, ..
            } => {
                return match membership.try_into() {
                    Ok(membership) => replica.install(vote.into(), last.into(), membership).await,
                    Err(error) => {
                        let error: crate::record::RecordError = error;
                        refused(error)
                    }
                };
            }
            _ => return refused("not a step of a snapshot"),
        };
        match step {
            Ok(Ok(reply)) => rpc::write_reply(&reply, &[]),
            Ok(Err(error)) => refused(error),
            Err(error) => refused(error),
        }
    }

    /// The leader of a group as the replicas here know it.
    pub(crate) fn known_leader(&self, group: GroupId) -> Option<ReplicaPlace> {
        self.of_group(group)
            .iter()
            .find_map(|replica| replica.leader())
            .map(|(_, place)| place)
    }

    fn not_leader(&self, group: GroupId, leader: Option<ReplicaPlace>) -> Bytes {
        let leader = leader.or_else(|| self.known_leader(group));
        rpc::write_reply(&ReplyRow::NotLeader { leader }, &[])
    }

    async fn propose_here(&self, group: GroupId, command: LogCommand) -> Bytes {
        let Some(replica) = self.of_group(group).into_iter().find(|replica| replica.leads()) else {
            return self.not_leader(group, None);
        };
        if self.lacks_space_for(&replica, &command) {
            metrics::counter!("holdfast_no_space_total").increment(1);
            return rpc::write_reply(&ReplyRow::NoSpace, &[]);
        }
        match replica.propose(command).await {
            Proposed::Applied(outcome) => rpc::outcome_reply(&outcome),
            Proposed::NotLeader(leader) => self.not_leader(group, leader),
            Proposed::Busy(reason) => refused(reason),
            Proposed::Unsettled(reason) => rpc::write_reply(&ReplyRow::Unsettled { reason }, &[]),
        }
    }

    /// Whether a command would make a group grow that has no room for it (DESIGN D12). Lanes and cancellations never wait.
    fn lacks_space_for(&self, replica: &Replica<C>, command: &LogCommand) -> bool {
        if self.health.borrow().full_shelves.is_empty() || !matches!(command.kind, CommandKind::App) {
            return false;
        }
        let members = replica.members().into_iter();
        let voters = members.filter(|(_, _, votes)| *votes).map(|(_, place, _)| place);
        !self.health.borrow().has_space(voters) && replica.machine().grows(&command.payload)
    }

    async fn read_index_here(&self, group: GroupId) -> Bytes {
        let Some(replica) = self.of_group(group).into_iter().find(|replica| replica.leads()) else {
            return self.not_leader(group, None);
        };
        match replica.read_index().await {
            Ok(index) => rpc::write_reply(&ReplyRow::At { index }, &[]),
            Err(Ok(leader)) => self.not_leader(group, leader),
            Err(Err(reason)) => refused(reason),
        }
    }

    async fn query_here(&self, group: GroupId, at_least: Token, request: Bytes, within: Duration) -> Bytes {
        let mut replicas = self.of_group(group);
        // The one that is furthest answers first.
        replicas.sort_by_key(|replica| std::cmp::Reverse(*replica.machine().applied().borrow()));
        let Some(replica) = replicas.first() else {
            return refused(format!("no replica of group {group} here"));
        };
        if !replica.wait_applied(at_least, within).await {
            return refused(format!("the replica here has not applied entry {} yet", at_least.0));
        }
        match self.ask_replica(replica, request).await {
            Ok((token, reply)) => rpc::write_reply(&ReplyRow::Answer { index: token.0 }, &reply),
            Err(error) => refused(error),
        }
    }

    /// Has a replica of this node answer, as it stands.
    pub(crate) async fn ask_replica(
        &self,
        replica: &Arc<Replica<C>>,
        request: Bytes,
    ) -> Result<(Token, Bytes), ShelfError> {
        if let Some(answer) = replica.machine().query_in_memory(&request) {
            return Ok(answer);
        }
        let machine = replica.machine().clone();
        replica
            .machine()
            .store()
            .shelf()
            .run_io(move || machine.query(&request))
            .await
    }

    async fn blob_here(&self, group: GroupId, index: LogIndex) -> Bytes {
        for replica in self.of_group(group) {
            let reading = replica.clone();
            let read = replica
                .machine()
                .store()
                .shelf()
                .run_io(move || blob_of(&reading, index))
                .await;
            if let Ok(Some(record)) = read
                && piece::verify(&record).is_ok()
            {
                return rpc::write_reply(&ReplyRow::Blob { found: true }, &record);
            }
        }
        rpc::write_reply(&ReplyRow::Blob { found: false }, &[])
    }

    async fn follow_here(&self, group: GroupId, topic: u64, within_ms: u64) -> Bytes {
        let mut here = self.of_group(group).into_iter();
        let Some(mut feed) = here.find_map(|replica| replica.feeds().subscribe(topic)) else {
            return refused(format!("no replica of group {group} here"));
        };
        let within = Duration::from_millis(within_ms.min(FOLLOW_MS));
        let mut events = Vec::new();
        let mut rest = BytesMut::new();
        let mut next = C::timeout(within, feed.next()).await.ok().flatten();
        while let Some(event) = next {
            if let FeedEvent::Event { token, event } = event {
                events.push((token.0, rpc::len_u32(&event)));
                rest.extend_from_slice(&event);
            }
            next = feed.try_next();
        }
        rpc::write_reply(&ReplyRow::Events { events }, &rest)
    }
}

/// The other nodes that have a replica of any of `groups`.
pub(crate) fn other_nodes<'g>(node: NodeId, groups: impl IntoIterator<Item = &'g GroupPlan>) -> BTreeSet<NodeId> {
    let replicas = groups
        .into_iter()
        .flat_map(|plan| plan.voters.iter().chain(&plan.learners));
    let nodes = replicas.map(|(_, place)| place.node);
    nodes.filter(|other| *other != node).collect()
}

fn not_here(replica: ReplicaId) -> Bytes {
    refused(format!("replica {replica} does not run here"))
}

impl<C: GroupTypes> Handler for Replicator<C> {
    fn handle(&self, from: NodeId, request: Bytes) -> BoxFuture<'_, Bytes> {
        Box::pin(self.inner.answer(from, request))
    }
}

/// The network as replicas see it: the transport, and this node itself. Holds nothing alive.
pub(crate) struct Outgoing<C: GroupTypes>(pub(crate) Weak<Inner<C>>);

impl<C: GroupTypes> Transport for Outgoing<C> {
    fn call(
        &self,
        to: NodeId,
        class: Class,
        request: Bytes,
        within: Duration,
    ) -> BoxFuture<'_, Result<Bytes, TransportError>> {
        Box::pin(async move {
            match self.0.upgrade() {
                Some(inner) => inner.call(to, class, request, within).await,
                None => Err(TransportError::Unreachable(to)),
            }
        })
    }
}

/// Where a replica's missing or damaged blobs come from: the other replicas of its group.
pub(crate) struct PeerBlobs<C: GroupTypes> {
    pub(crate) inner: Weak<Inner<C>>,
    pub(crate) group: GroupId,
}

impl<C: GroupTypes> BlobSource for PeerBlobs<C> {
    fn fetch(&self, index: LogIndex) -> BoxFuture<'_, Option<Bytes>> {
        Box::pin(async move {
            self.inner
                .upgrade()?
                .fetch_blob(self.group, index, Duration::from_millis(ATTEMPT_MS))
                .await
                .ok()
        })
    }
}
