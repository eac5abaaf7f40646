//! One running replica: an openraft instance over a shelf's replica, and what other nodes may ask of it.
//!
//! Invariants
//! - A restarted leader has to win an election (`enable_leader_restore` is off): entries may have been committed on two
//!   followers before its own disk had them.
//! - A proposal that openraft refused before appending it is the only one that is reported as not taken.
//! - Stopping never waits for a disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use mail_model::{GroupId, LogIndex, ReplicaId};
use openraft::async_runtime::WatchReceiver;
use openraft::errors::{ClientWriteError, LinearizableReadError, RaftError};
use openraft::raft::{AppendEntriesRequest, Raft, TransferLeaderRequest, VoteRequest};
use openraft::type_config::TypeConfigExt;
use openraft::{Config, RaftMetrics, ReadPolicy, ServerState, SnapshotPolicy};
use shelf::ReplicaStore;

use crate::api::{StateMachine, Token};
use crate::feed::FeedHub;
use crate::limits::{
    ADMIT_QUEUED_BYTES_MAX, ELECTION_TIMEOUT_MS_MAX, ELECTION_TIMEOUT_MS_MIN, HEARTBEAT_MS, REPLICATE_ENTRIES_MAX,
    SNAPSHOT_STEP_MS, TICK_MS,
};
use crate::log_store::{BlobSource, LogStore};
use crate::machine::Machine;
use crate::raft_net::PeerFactory;
use crate::record::{LogIdRow, VoteRow};
use crate::rpc::{self, ReplyRow};
use crate::seen::SeenTable;
use crate::start::StartError;
use crate::transport::Transport;
use crate::types::{GroupTypes, LogCommand, LogId, ReplicaPlace, StoredMembership, Vote};

fn config(group: GroupId) -> Config {
    Config {
        cluster_name: format!("group {group}"),
        // Less than a tick, so that none comes a little too early for it, and more than the half that an odd one comes after.
        heartbeat_interval: HEARTBEAT_MS - TICK_MS / 4,
        election_timeout_min: ELECTION_TIMEOUT_MS_MIN,
        election_timeout_max: ELECTION_TIMEOUT_MS_MAX,
        max_payload_entries: REPLICATE_ENTRIES_MAX,
        install_snapshot_timeout: SNAPSHOT_STEP_MS,
        // State is durable with the log, so a snapshot is a view: it is made when the log is to be purged.
        snapshot_policy: SnapshotPolicy::Never,
        max_in_snapshot_log_to_keep: 0,
        enable_pre_vote: Some(true),
        enable_leader_restore: Some(false),
        allow_log_reversion: Some(false),
        ..Config::default()
    }
}

/// What is known of a replica at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaStatus {
    /// The replica.
    pub replica: ReplicaId,
    /// Its group.
    pub group: GroupId,
    /// Whether it leads its group.
    pub leads: bool,
    /// Whether it has a vote.
    pub votes: bool,
    /// Who leads, as far as it knows.
    pub leader: Option<ReplicaId>,
    /// Its Raft term.
    pub term: u64,
    /// Its last log entry.
    pub last_index: u64,
    /// The last entry that it knows to be committed.
    pub committed_index: u64,
    /// The last entry that it has applied.
    pub applied_index: u64,
    /// Where every replica of the group is, and whether it votes.
    pub members: Vec<(ReplicaId, ReplicaPlace, bool)>,
    /// On the leader: how far each replica's log is known to match.
    pub matched: Vec<(ReplicaId, u64)>,
    /// Why it has stopped, if it has.
    pub stopped: Option<String>,
}

/// A proposal's fate, as far as the leader knows it.
pub(crate) enum Proposed {
    Applied(crate::types::Outcome),
    /// Never appended.
    NotLeader(Option<ReplicaPlace>),
    /// Never appended.
    Busy(String),
    /// Appended perhaps.
    Unsettled(String),
}

/// One running replica.
pub(crate) struct Replica<C: GroupTypes> {
    raft: Raft<C, Machine>,
    machine: Machine,
    place: ReplicaPlace,
    grown: Arc<AtomicU64>,
}

impl<C: GroupTypes> Replica<C> {
    pub(crate) async fn start(
        store: ReplicaStore,
        place: ReplicaPlace,
        app: Arc<dyn StateMachine>,
        source: Arc<dyn BlobSource>,
        transport: Arc<dyn Transport>,
        seen: Arc<SeenTable>,
    ) -> Result<Self, StartError> {
        let (group, id) = (store.group(), store.id());
        let refused = |cause: String| StartError::Raft {
            replica: id,
            group,
            cause,
        };
        let (for_machine, feeds) = (store.clone(), Arc::new(FeedHub::default()));
        let opening = store.shelf().run_io(move || Machine::open(for_machine, app, feeds));
        let machine = opening.await?;
        let grown = Arc::new(AtomicU64::new(0));
        let log = LogStore::new(store, source, grown.clone());
        let config = config(group).validate().map_err(|error| refused(error.to_string()))?;
        let peers = PeerFactory::<C>::new(transport, seen, log.synced());
        let raft = Raft::build(id, Arc::new(config), peers, log, machine.clone()).await;
        let raft = raft.map_err(|error| refused(error.to_string()))?;
        raft.run();
        Ok(Self {
            raft,
            machine,
            place,
            grown,
        })
    }

    pub(crate) fn id(&self) -> ReplicaId {
        self.machine.store().id()
    }

    pub(crate) fn group(&self) -> GroupId {
        self.machine.store().group()
    }

    pub(crate) fn place(&self) -> ReplicaPlace {
        self.place
    }

    pub(crate) fn machine(&self) -> &Machine {
        &self.machine
    }

    pub(crate) fn feeds(&self) -> &FeedHub {
        self.machine.feeds()
    }

    /// Gives a group its first members. Again, it changes nothing.
    pub(crate) async fn initialize(&self, voters: Vec<(ReplicaId, ReplicaPlace)>) -> Result<(), String> {
        if self.raft.is_initialized().await.map_err(|error| error.to_string())? {
            return Ok(());
        }
        let members: std::collections::BTreeMap<_, _> = voters.into_iter().collect();
        match self.raft.initialize(members).await {
            // Another initialisation, or a vote, came first.
            Ok(()) | Err(RaftError::APIError(openraft::errors::InitializeError::NotAllowed(_))) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }

    pub(crate) async fn add_learner(&self, id: ReplicaId, place: ReplicaPlace) -> Result<(), String> {
        self.raft
            .add_learner(id, place, false)
            .await
            .map(drop)
            .map_err(|error| error.to_string())
    }

    fn metrics(&self) -> RaftMetrics<C> {
        // Cloned at once: a borrowed one would hold up openraft's core.
        self.raft.metrics().borrow_watched().clone()
    }

    pub(crate) fn leads(&self) -> bool {
        self.raft.is_leader()
    }

    /// Who leads the group as far as this replica knows.
    pub(crate) fn leader(&self) -> Option<(ReplicaId, ReplicaPlace)> {
        // Borrowed for no longer than a look takes, since every group is asked ten times a second.
        let metrics = self.raft.server_metrics();
        let metrics = metrics.borrow_watched();
        let leader = metrics.current_leader?;
        let place = metrics.membership_config.membership().get_node(&leader).copied()?;
        Some((leader, place))
    }

    /// Members with their places and whether they vote; empty before the group is initialised.
    pub(crate) fn members(&self) -> Vec<(ReplicaId, ReplicaPlace, bool)> {
        members_of(&self.metrics())
    }

    pub(crate) fn vote_held(&self) -> Vote {
        self.metrics().vote
    }

    pub(crate) fn status(&self) -> ReplicaStatus {
        let metrics = self.metrics();
        let matched = metrics.replication.iter().flatten();
        ReplicaStatus {
            replica: self.id(),
            group: self.group(),
            leads: metrics.state == ServerState::Leader,
            votes: metrics
                .membership_config
                .membership()
                .voter_ids()
                .any(|voter| voter == self.id()),
            leader: metrics.current_leader,
            term: metrics.current_term,
            last_index: metrics.last_log_index.unwrap_or(0),
            committed_index: index_of(&metrics.local_committed),
            applied_index: index_of(&metrics.last_applied),
            members: members_of(&metrics),
            matched: matched.map(|(replica, id)| (*replica, index_of(id))).collect(),
            stopped: metrics.running_state.err().map(|error| error.to_string()),
        }
    }

    pub(crate) async fn append(&self, request: AppendEntriesRequest<C>) -> Bytes {
        match self.raft.append_entries(request).await {
            Ok(reply) => rpc::append_reply(&reply),
            Err(error) => refused(error),
        }
    }

    pub(crate) async fn vote(&self, request: VoteRequest<C>, pre_vote: bool) -> Bytes {
        let reply = if pre_vote {
            self.raft.pre_vote(request).await
        } else {
            self.raft.vote(request).await
        };
        match reply {
            Ok(reply) => rpc::vote_reply(&reply),
            Err(error) => refused(error),
        }
    }

    pub(crate) async fn transfer(&self, from: Vote, leader: ReplicaId) -> Bytes {
        match self
            .raft
            .handle_transfer_leader(TransferLeaderRequest::new(from, leader, None))
            .await
        {
            Ok(Ok(())) => rpc::write_reply(&ReplyRow::Done, &[]),
            Ok(Err(error)) => refused(error),
            Err(error) => refused(error),
        }
    }

    pub(crate) async fn install(&self, vote: Vote, last: LogId, membership: StoredMembership) -> Bytes {
        let machine = self.machine.clone();
        let gathered = self
            .machine
            .store()
            .shelf()
            .run_io(move || Ok(machine.gathered(last, membership)));
        let snapshot = match gathered.await {
            Ok(Ok(snapshot)) => snapshot,
            Ok(Err(error)) => return refused(error),
            Err(error) => return refused(error),
        };
        match self.raft.install_full_snapshot(vote, snapshot).await {
            Ok(reply) => {
                let row = ReplyRow::Vote {
                    vote: VoteRow::from(&reply.vote),
                    granted: true,
                    last: None,
                };
                rpc::write_reply(&row, &[])
            }
            Err(error) => refused(error),
        }
    }

    /// The end of the log and the vote held: what a new leader is chosen by.
    pub(crate) async fn log_end(&self) -> Bytes {
        let held = self
            .raft
            .with_raft_state(|state| (state.log_ids.last().copied(), *state.vote_ref()))
            .await;
        match held {
            Ok((last, vote)) => {
                let row = ReplyRow::LogEnd {
                    last: last.as_ref().map(LogIdRow::from),
                    vote: VoteRow::from(&vote),
                };
                rpc::write_reply(&row, &[])
            }
            Err(error) => refused(error),
        }
    }

    /// Proposes a command here, if this replica leads.
    pub(crate) async fn propose(&self, command: LogCommand) -> Proposed {
        let queued = self.machine.store().shelf().queued_bytes();
        if queued > ADMIT_QUEUED_BYTES_MAX {
            return Proposed::Busy(format!("{queued} bytes wait for the disk of the leader"));
        }
        match self.raft.client_write(command).await {
            Ok(response) => Proposed::Applied(response.data),
            Err(RaftError::APIError(ClientWriteError::ForwardToLeader(forward))) => {
                Proposed::NotLeader(forward.leader_node)
            }
            Err(error) => Proposed::Unsettled(error.to_string()),
        }
    }

    /// ReadIndex. `Err` with the leader to ask instead, if one is known.
    pub(crate) async fn read_index(&self) -> Result<u64, Result<Option<ReplicaPlace>, String>> {
        match self.raft.get_read_linearizer(ReadPolicy::ReadIndex).await {
            Ok(linearizer) => Ok(linearizer.read_log_id().index()),
            Err(RaftError::APIError(LinearizableReadError::ForwardToLeader(forward))) => Err(Ok(forward.leader_node)),
            Err(error) => Err(Err(error.to_string())),
        }
    }

    /// Waits until this replica has applied `at_least`. Returns whether it has.
    pub(crate) async fn wait_applied(&self, at_least: Token, within: Duration) -> bool {
        let applied = self.machine.applied();
        if *applied.borrow() >= at_least {
            return true;
        }
        let reached = applied.wait_for(|applied| *applied >= at_least);
        C::timeout(within, reached).await.is_ok()
    }

    /// Bytes that the log has grown by since it was purged last, or since the start.
    pub(crate) fn log_grown(&self) -> u64 {
        self.grown.load(Ordering::Relaxed)
    }

    /// Lets the log go up to `upto`, which must be applied.
    pub(crate) async fn purge(&self, upto: u64) {
        // openraft purges up to its last snapshot; ours is a view of the applied state, made in no time. A replica that
        // is stopping has no log to care for.
        if self.raft.trigger().snapshot().await.is_err() {
            return;
        }
        let wait = self.raft.wait(Some(Duration::from_millis(SNAPSHOT_STEP_MS)));
        let built = wait
            .metrics(|metrics| index_of(&metrics.snapshot) >= upto, "snapshot for a purge")
            .await;
        if built.is_ok() && self.raft.trigger().purge_log(upto).await.is_ok() {
            self.grown.store(0, Ordering::Relaxed);
        }
    }

    /// Lets it campaign by its own timer, or keeps it from that.
    pub(crate) fn set_campaigns(&self, campaigns: bool) {
        self.raft.runtime_config().elect(campaigns);
    }

    /// Hands leadership to the voter that is furthest and fit to lead, if this replica leads. Returns at once.
    pub(crate) async fn hand_over(&self, unfit: impl Fn(ReplicaPlace) -> bool + Send) {
        let status = self.status();
        if !status.leads {
            return;
        }
        let voters = status
            .members
            .iter()
            .filter(|(id, place, votes)| *votes && *id != status.replica && !unfit(*place));
        let matched = |id: &ReplicaId| {
            status
                .matched
                .iter()
                .find(|(of, _)| of == id)
                .map_or(0, |(_, index)| *index)
        };
        if let Some((to, ..)) = voters.max_by_key(|(id, ..)| (matched(id), std::cmp::Reverse(*id))) {
            // A leader that is stopping already has nothing to hand over.
            let _ = self.raft.trigger().transfer_leader(*to).await;
        }
    }

    /// Ends the instance. Its last calls into the shelf may still be running.
    pub(crate) async fn stop(&self) {
        // The join handle of a core that panicked says so; it is stopped all the same.
        let _ = self.raft.shutdown().await;
    }
}

fn index_of(id: &Option<LogId>) -> u64 {
    id.as_ref().map_or(0, |id| id.index)
}

fn members_of<C: GroupTypes>(metrics: &RaftMetrics<C>) -> Vec<(ReplicaId, ReplicaPlace, bool)> {
    let membership = metrics.membership_config.membership();
    let votes = |id: &ReplicaId| membership.voter_ids().any(|voter| voter == *id);
    membership.nodes().map(|(id, place)| (*id, *place, votes(id))).collect()
}

pub(crate) fn refused(reason: impl ToString) -> Bytes {
    let reason = reason.to_string();
    rpc::write_reply(&ReplyRow::Refused { reason }, &[])
}

/// Position of a blob that a query may name.
pub(crate) fn blob_of<C: GroupTypes>(
    replica: &Replica<C>,
    index: LogIndex,
) -> Result<Option<Bytes>, shelf::ShelfError> {
    replica.machine.store().blob(index)
}
