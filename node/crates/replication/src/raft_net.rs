//! openraft's network over a [`Transport`]: one peer is one replica on another node (or on another shelf of this one).

use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;

use bytes::Bytes;
use mail_model::ReplicaId;
use openraft::OptionalSend;
use openraft::errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::{RPCOption, RaftNetworkFactory, RaftNetworkV2};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest, VoteRequest, VoteResponse,
};

use crate::log_store::Synced;
use crate::machine::{GroupSnapshot, RaftSnapshot};
use crate::record::VoteRow;
use crate::rpc::{self, ReplyRow, RequestRow};
use crate::seen::SeenTable;
use crate::transport::{Class, Transport, TransportError};
use crate::types::{GroupTypes, LogId, ReplicaPlace, Vote};

/// Makes peers for one group.
pub(crate) struct PeerFactory<C> {
    transport: Arc<dyn Transport>,
    seen: Arc<SeenTable>,
    synced: Synced,
    _types: PhantomData<C>,
}

impl<C> PeerFactory<C> {
    /// `synced` is how far this replica's own log is on its disk; what peers acknowledge is noted in `seen`.
    pub(crate) fn new(transport: Arc<dyn Transport>, seen: Arc<SeenTable>, synced: Synced) -> Self {
        Self {
            transport,
            seen,
            synced,
            _types: PhantomData,
        }
    }
}

impl<C: GroupTypes> RaftNetworkFactory<C> for PeerFactory<C> {
    type Network = Peer<C>;

    async fn new_client(&mut self, target: ReplicaId, place: &ReplicaPlace) -> Peer<C> {
        Peer {
            target,
            place: *place,
            transport: self.transport.clone(),
            seen: self.seen.clone(),
            synced: self.synced.clone(),
            _types: PhantomData,
        }
    }
}

/// A replica elsewhere.
pub(crate) struct Peer<C> {
    target: ReplicaId,
    place: ReplicaPlace,
    transport: Arc<dyn Transport>,
    seen: Arc<SeenTable>,
    synced: Synced,
    _types: PhantomData<C>,
}

impl<C: GroupTypes> Peer<C> {
    pub(crate) fn target(&self) -> ReplicaId {
        self.target
    }

    pub(crate) async fn call(
        &self,
        class: Class,
        frame: Bytes,
        option: &RPCOption,
    ) -> Result<(ReplyRow, Bytes), RPCError<C>> {
        let reply = self
            .transport
            .call(self.place.node, class, frame, option.soft_ttl())
            .await;
        let reply = reply.map_err(|error| match error {
            TransportError::Unreachable(_) => RPCError::Unreachable(Unreachable::new(&error)),
            TransportError::NoReply(..) => RPCError::Network(NetworkError::new(&error)),
        })?;
        match rpc::read_reply(&reply) {
            // Not there, or stopped: worth a pause before the next try.
            Ok((ReplyRow::Refused { reason }, _)) => Err(RPCError::Unreachable(Unreachable::from_string(reason))),
            Ok(read) => Ok(read),
            Err(error) => Err(RPCError::Network(NetworkError::new(&error))),
        }
    }

    async fn call_vote(
        &self,
        rpc: &VoteRequest<C>,
        pre_vote: bool,
        option: &RPCOption,
    ) -> Result<VoteResponse<C>, RPCError<C>> {
        let frame = rpc::vote_request(self.target, rpc, pre_vote);
        match self.call(Class::Vote, frame, option).await? {
            (ReplyRow::Vote { vote, granted, last }, _) => {
                if granted && !pre_vote {
                    self.seen.note(self.target, rpc.vote.leader_id, None);
                }
                Ok(VoteResponse::new(Vote::from(vote), last.map(Into::into), granted))
            }
            _ => Err(odd_reply()),
        }
    }
}

/// What a peer acknowledges is on its disk, and remembered here (DESIGN D10).
impl<C: GroupTypes> Peer<C> {
    fn note_acknowledged(&self, rpc: &AppendEntriesRequest<C>, reply: &AppendEntriesResponse<C>) {
        let sent = || rpc.entries.last().map(|entry| entry.log_id).or(rpc.prev_log_id);
        match reply {
            AppendEntriesResponse::Success => self.seen.note(self.target, rpc.vote.leader_id, sent()),
            AppendEntriesResponse::PartialSuccess(upto) => self.seen.note(self.target, rpc.vote.leader_id, *upto),
            AppendEntriesResponse::Conflict | AppendEntriesResponse::HigherVote(_) => {}
        }
    }

    pub(crate) fn note_installed(&self, vote: &Vote, last: LogId) {
        self.seen.note(self.target, vote.leader_id, Some(last));
    }
}

/// The peer speaks another protocol than we do.
fn odd_reply<C: GroupTypes>() -> RPCError<C> {
    RPCError::Network(NetworkError::from_string("the reply does not fit the request"))
}

impl<C: GroupTypes> RaftNetworkV2<C> for Peer<C> {
    type SnapshotData = GroupSnapshot;

    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<C>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<C>, RPCError<C>> {
        // Without entries it is a heartbeat, which must not wait behind bodies.
        let class = if rpc.entries.is_empty() {
            Class::Vote
        } else {
            Class::Log
        };
        let frame = rpc::append_request(self.target, &rpc, self.synced.get());
        match self.call(class, frame, &option).await? {
            (ReplyRow::Append { outcome }, _) => {
                let reply = outcome.into();
                self.note_acknowledged(&rpc, &reply);
                Ok(reply)
            }
            _ => Err(odd_reply()),
        }
    }

    async fn vote(&mut self, rpc: VoteRequest<C>, option: RPCOption) -> Result<VoteResponse<C>, RPCError<C>> {
        self.call_vote(&rpc, false, &option).await
    }

    async fn pre_vote(&mut self, rpc: VoteRequest<C>, option: RPCOption) -> Result<VoteResponse<C>, RPCError<C>> {
        self.call_vote(&rpc, true, &option).await
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: RaftSnapshot,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        option: RPCOption,
    ) -> Result<SnapshotResponse<C>, StreamingError<C>> {
        futures::pin_mut!(cancel);
        let send = crate::snapshot::send(self, vote, snapshot, option);
        futures::pin_mut!(send);
        match futures::future::select(cancel, send).await {
            futures::future::Either::Left((closed, _)) => Err(StreamingError::Closed(closed)),
            futures::future::Either::Right((sent, _)) => sent,
        }
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<C>,
        option: RPCOption,
    ) -> Result<openraft::raft::TransferLeaderResponse<C>, RPCError<C>> {
        let row = RequestRow::Transfer {
            to: self.target,
            from: VoteRow::from(request.from_leader()),
            leader: *request.to_node_id(),
        };
        match self.call(Class::Vote, rpc::write_request(&row, &[]), &option).await? {
            (ReplyRow::Done, _) => Ok(Ok(())),
            _ => Err(odd_reply()),
        }
    }
}
