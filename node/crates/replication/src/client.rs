//! The asking side: finds a group's leader, and keeps at it until a request is settled or its time is over.
//!
//! Invariants
//! - A request keeps its name however often it is asked, so asking again is harmless.
//! - "Not done" is said only of a request that no leader took, or that a `Cancel` entry stopped (DESIGN P6).

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use mail_model::{BlobId, GroupId, LogIndex, NodeId};
use openraft::type_config::TypeConfigExt;
use shelf::piece;
use tokio::sync::mpsc::{self, Sender};

use crate::api::{
    Applied, BoxFuture, CheckedPiece, Command, Feed, FeedEvent, GroupClient, ProposeError, QueryReply, ReadError, Token,
};
use crate::deadline::{Deadline, Pauses};
use crate::front_lane::{FrontLane, Ticket};
use crate::limits::{
    ATTEMPT_MS, BLOB_BYTES_MAX, FEED_EVENTS_MAX, FOLLOW_MS, LOCAL_WAIT_MS, PAYLOAD_BYTES_MAX, RETRY_MS_MAX,
    SETTLE_MS_MAX,
};
use crate::node::{Inner, Replicator};
use crate::replica::blob_of;
use crate::rpc::{self, ReplyRow, RequestRow};
use crate::transport::{Class, TransportError};
use crate::types::{CommandKind, GroupTypes, LogCommand, Outcome, ReplicaPlace, RequestId};

/// Why a group does not take what makes it grow.
const NO_SPACE: &str = "most of its shelves are full";

/// How one attempt at a leader ended.
enum Attempt {
    Answer(ReplyRow, Bytes),
    /// Certainly nothing was done.
    NotTaken(String),
    /// The same, since the group has no room; it may have for other requests.
    NoSpace,
    /// Something may have been done, or may be yet.
    Unknown(String),
}

/// How all attempts at one request ended.
enum Settled {
    Outcome(Outcome),
    NotTaken(String),
    NoSpace,
    Unknown(String),
}

impl<C: GroupTypes> Inner<C> {
    /// Whom to ask first: who said so last, then who the replicas here follow, then each replica's node in turn.
    fn likely_leader(&self, group: GroupId, attempt: usize) -> Option<NodeId> {
        let health = self.health.borrow().clone();
        let hint = self
            .hints
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&group)
            .copied();
        let known = hint
            .or_else(|| self.known_leader(group))
            .filter(|place| !health.is_bad(*place));
        if let Some(place) = known {
            return Some(place.node);
        }
        let members = self.members(group);
        let in_order: Vec<_> = members.iter().filter(|(_, place)| !health.is_bad(*place)).collect();
        let (_, place) = in_order.get(attempt % in_order.len().max(1))?;
        Some(place.node)
    }

    fn set_hint(&self, group: GroupId, leader: Option<ReplicaPlace>) {
        let mut hints = self.hints.lock().unwrap_or_else(PoisonError::into_inner);
        match leader {
            Some(place) => hints.insert(group, place),
            None => hints.remove(&group),
        };
    }

    /// One attempt at whoever seems to lead the group. Ends early when that node is found dead.
    async fn attempt(&self, group: GroupId, class: Class, frame: Bytes, number: usize, within: Duration) -> Attempt {
        let Some(node) = self.likely_leader(group, number) else {
            return Attempt::NotTaken("none of its replicas is in order".to_owned());
        };
        let call = self.call(node, class, frame, within.min(Duration::from_millis(ATTEMPT_MS)));
        let answer = tokio::select! {
            biased;
            answer = call => answer,
            () = self.health.wait_for(|health| health.dead.contains(&node)) => {
                Err(TransportError::NoReply(node, "the node died".to_owned()))
            }
        };
        match answer {
            Ok(reply) => self.read_attempt(group, &reply),
            Err(error) => {
                self.set_hint(group, None);
                match error {
                    TransportError::Unreachable(_) => Attempt::NotTaken(error.to_string()),
                    TransportError::NoReply(..) => Attempt::Unknown(error.to_string()),
                }
            }
        }
    }

    fn read_attempt(&self, group: GroupId, reply: &Bytes) -> Attempt {
        match rpc::read_reply(reply) {
            Ok((ReplyRow::NotLeader { leader }, _)) => {
                self.set_hint(group, leader);
                Attempt::NotTaken("its leader is not known yet".to_owned())
            }
            Ok((ReplyRow::Refused { reason }, _)) => Attempt::NotTaken(reason),
            Ok((ReplyRow::NoSpace, _)) => Attempt::NoSpace,
            Ok((ReplyRow::Unsettled { reason }, _)) => {
                self.set_hint(group, None);
                Attempt::Unknown(reason)
            }
            Ok((row, rest)) => Attempt::Answer(row, rest),
            Err(error) => Attempt::Unknown(error.to_string()),
        }
    }

    pub(crate) async fn ask_read_index(&self, group: GroupId, deadline: Deadline<C>) -> Result<Token, ReadError> {
        let mut pauses = Pauses::new(u64::from(group.0));
        let frame = rpc::write_request(&RequestRow::ReadIndex { group }, &[]);
        for number in 0.. {
            let reason = match self
                .attempt(group, Class::Vote, frame.clone(), number, deadline.left())
                .await
            {
                Attempt::Answer(ReplyRow::At { index }, _) => return Ok(Token(index)),
                Attempt::Answer(..) | Attempt::NoSpace => "the reply does not fit the request".to_owned(),
                Attempt::NotTaken(reason) | Attempt::Unknown(reason) => reason,
            };
            if deadline.is_over() {
                return Err(ReadError::Unavailable { group, reason });
            }
            C::sleep(pauses.next().min(deadline.left())).await;
        }
        unreachable!("attempts go on until the deadline")
    }

    /// Sends one command until it has an outcome or `deadline` is over.
    async fn insist(
        &self,
        group: GroupId,
        command: &LogCommand,
        request: impl Fn() -> RequestId,
        deadline: Deadline<C>,
    ) -> Settled {
        let mut command = command.clone();
        let mut pauses = Pauses::new(command.request.counter ^ command.request.incarnation.random);
        let mut may_be_done = false;
        for number in 0.. {
            command.request = request();
            let frame = rpc::propose_request(group, &command);
            let reason = match self.attempt(group, Class::Log, frame, number, deadline.left()).await {
                Attempt::Answer(ReplyRow::Proposed { outcome }, rest) => {
                    return Settled::Outcome(outcome.with_reply(rest));
                }
                Attempt::Answer(..) => "the reply does not fit the request".to_owned(),
                Attempt::NotTaken(reason) => reason,
                Attempt::NoSpace if !may_be_done => return Settled::NoSpace,
                Attempt::NoSpace => NO_SPACE.to_owned(),
                Attempt::Unknown(reason) => {
                    may_be_done = true;
                    pauses.reset();
                    reason
                }
            };
            if deadline.is_over() {
                return if may_be_done {
                    Settled::Unknown(reason)
                } else {
                    Settled::NotTaken(reason)
                };
            }
            C::sleep(pauses.next().min(deadline.left())).await;
        }
        unreachable!("attempts go on until the deadline")
    }

    /// Makes sure that the group takes requests of this incarnation. `Err` says why it does not.
    async fn open_lane(&self, group: GroupId, lane: &FrontLane, deadline: Deadline<C>) -> Result<(), String> {
        let _turn = C::timeout(deadline.left(), lane.opening.lock())
            .await
            .map_err(|_| "its lane is being opened".to_owned())?;
        while !lane.is_open() {
            let command = bare(CommandKind::OpenLane, lane.opener());
            match self.insist(group, &command, || lane.opener(), deadline).await {
                Settled::Outcome(Outcome::Nothing) => lane.set_open(true),
                Settled::Outcome(Outcome::NoLane(Some(known))) => lane.supersede(known),
                Settled::Outcome(odd) => return Err(format!("opening a lane was answered with {odd}")),
                Settled::NotTaken(reason) | Settled::Unknown(reason) => return Err(reason),
                Settled::NoSpace => return Err(NO_SPACE.to_owned()),
            }
        }
        Ok(())
    }

    async fn propose_once(&self, group: GroupId, command: Command, within: Duration) -> Result<Applied, ProposeError> {
        check_size(command.payload.len(), PAYLOAD_BYTES_MAX)?;
        check_size(command.blob.as_ref().map_or(0, Bytes::len), BLOB_BYTES_MAX)?;
        let end = Deadline::after(within);
        let deadline = end.earlier_by((within / 4).min(Duration::from_millis(SETTLE_MS_MAX)));
        let lane = self.lanes.of(group);
        loop {
            if let Err(reason) = self.open_lane(group, &lane, deadline).await {
                return Err(ProposeError::NotDone { group, reason });
            }
            let ticket = lane.begin();
            let entry = LogCommand {
                blob_len: command.blob.as_deref().map(rpc::len_u32),
                payload: command.payload.clone(),
                blob: command.blob.clone(),
                ..bare(CommandKind::App, ticket.request())
            };
            let settled = self.insist(group, &entry, || ticket.request(), deadline).await;
            match settled {
                Settled::Outcome(Outcome::Reply { index, reply }) => return Ok(Applied { index, reply }),
                // The group no longer knows this incarnation, so nothing of it was done: begin anew.
                Settled::Outcome(Outcome::NoLane(_)) if !deadline.is_over() => lane.set_open(false),
                Settled::Outcome(outcome) => return Err(odd_outcome(group, &outcome)),
                Settled::NotTaken(reason) => return Err(ProposeError::NotDone { group, reason }),
                Settled::NoSpace => return Err(ProposeError::NoSpace { group }),
                Settled::Unknown(reason) => return self.settle(group, &ticket, reason, end).await,
            }
        }
    }

    /// Finds out what became of a request without an answer, or keeps it from ever taking effect.
    async fn settle(
        &self,
        group: GroupId,
        ticket: &Ticket,
        reason: String,
        end: Deadline<C>,
    ) -> Result<Applied, ProposeError> {
        let cancel = bare(CommandKind::Cancel, ticket.request());
        match self.insist(group, &cancel, || ticket.request(), end).await {
            Settled::Outcome(Outcome::Reply { index, reply }) => Ok(Applied { index, reply }),
            Settled::Outcome(Outcome::Cancelled) => Err(ProposeError::NotDone { group, reason }),
            Settled::Outcome(_) | Settled::NotTaken(_) | Settled::NoSpace | Settled::Unknown(_) => {
                Err(ProposeError::Uncertain { group, reason })
            }
        }
    }

    async fn query_group(
        &self,
        group: GroupId,
        at_least: Token,
        request: Bytes,
        deadline: Deadline<C>,
    ) -> Result<QueryReply, ReadError> {
        let mut pauses = Pauses::new(at_least.0);
        for number in 0.. {
            if let Some(reply) = self
                .query_local(group, at_least, request.clone(), deadline.left())
                .await
            {
                return Ok(reply);
            }
            let row = RequestRow::Query {
                group,
                at_least: at_least.0,
                within_ms: millis(deadline.left()),
            };
            let frame = rpc::write_request(&row, &request);
            let reason = match self.attempt(group, Class::Log, frame, number, deadline.left()).await {
                Attempt::Answer(ReplyRow::Answer { index }, reply) => {
                    let token = Token(index);
                    return Ok(QueryReply { token, reply });
                }
                Attempt::Answer(..) | Attempt::NoSpace => "the reply does not fit the request".to_owned(),
                Attempt::NotTaken(reason) | Attempt::Unknown(reason) => reason,
            };
            if deadline.is_over() {
                return Err(ReadError::Unavailable { group, reason });
            }
            C::sleep(pauses.next().min(deadline.left())).await;
        }
        unreachable!("attempts go on until the deadline")
    }

    /// Asks a replica of this node, if one is there and not far behind.
    async fn query_local(&self, group: GroupId, at_least: Token, request: Bytes, left: Duration) -> Option<QueryReply> {
        for replica in self.of_group(group) {
            if !replica
                .wait_applied(at_least, left.min(Duration::from_millis(LOCAL_WAIT_MS)))
                .await
            {
                continue;
            }
            match self.ask_replica(&replica, request.clone()).await {
                Ok((token, reply)) => return Some(QueryReply { token, reply }),
                Err(error) => tracing::warn!(%group, %error, "query failed here, asking elsewhere"),
            }
        }
        None
    }

    /// The checked record of a blob from whoever of its group has it whole. Asks round after round, since a node that is
    /// thought dead may answer again, until every member has said that it has none.
    pub(crate) async fn fetch_blob(
        &self,
        group: GroupId,
        index: LogIndex,
        within: Duration,
    ) -> Result<Bytes, ReadError> {
        let deadline = Deadline::<C>::after(within);
        let mut pauses = Pauses::new(index.0);
        loop {
            let members = self.members(group);
            let mut absent = 0;
            for (_, place) in &members {
                match self.ask_for_blob(group, index, *place, deadline).await {
                    Some(Some(record)) => return Ok(record),
                    Some(None) => absent += 1,
                    None => {}
                }
            }
            if absent == members.len() {
                return Err(ReadError::NoSuchBlob(BlobId { group, index }));
            }
            if deadline.is_over() {
                let reason = format!("no replica in reach has blob {index}");
                return Err(ReadError::Unavailable { group, reason });
            }
            C::sleep(pauses.next().min(deadline.left())).await;
        }
    }

    /// `None` when that place does not say; `Some(None)` when it has no whole copy.
    async fn ask_for_blob(
        &self,
        group: GroupId,
        index: LogIndex,
        place: ReplicaPlace,
        deadline: Deadline<C>,
    ) -> Option<Option<Bytes>> {
        if self.health.borrow().is_bad(place) {
            return None;
        }
        let blob = BlobId { group, index };
        let frame = rpc::write_request(&RequestRow::Blob { blob }, &[]);
        let reply = self.call(place.node, Class::Bulk, frame, deadline.left()).await.ok()?;
        match rpc::read_reply(&reply) {
            Ok((ReplyRow::Blob { found: true }, record)) => piece::verify(&record).is_ok().then_some(Some(record)),
            Ok((ReplyRow::Blob { found: false }, _)) => Some(None),
            _ => None,
        }
    }

    async fn read_blob_checked(&self, id: BlobId, deadline: Deadline<C>) -> Result<Bytes, ReadError> {
        for replica in self.of_group(id.group) {
            let reading = replica.clone();
            let shelf = replica.machine().store().shelf();
            let record = match shelf.run_io(move || blob_of(&reading, id.index)).await {
                Ok(Some(record)) => record,
                Ok(None) => continue,
                Err(error) => {
                    tracing::error!(blob = %id, %error, "blob cannot be read here");
                    continue;
                }
            };
            match piece::decode(&record) {
                Ok((_, plain)) => return Ok(plain),
                Err(error) => tracing::error!(blob = %id, replica = %replica.id(), %error, "blob is damaged here"),
            }
        }
        let record = self.fetch_blob(id.group, id.index, deadline.left()).await?;
        let decoded = piece::decode(&record).map(|(_, plain)| plain);
        decoded.map_err(|error| ReadError::Unavailable {
            group: id.group,
            reason: format!("blob {id}: {error}"),
        })
    }

    /// See [`GroupClient::read_blobs`]. What is wrong with a blob is said, and made good, by whoever asks for it alone.
    async fn read_blobs_here(&self, group: GroupId, indexes: Vec<LogIndex>) -> Vec<Option<CheckedPiece>> {
        let nothing = vec![None; indexes.len()];
        let Some(replica) = self.of_group(group).into_iter().next() else {
            return nothing;
        };
        let reading = replica.clone();
        let shelf = replica.machine().store().shelf();
        let read = shelf.run_io(move || {
            let records = reading.machine().store().blobs(&indexes)?;
            let pieces = records.into_iter().map(|record| piece::decode(&record?).ok());
            Ok(pieces.collect())
        });
        read.await.unwrap_or(nothing)
    }

    /// Tells a subscriber of the events that other nodes have, until it is gone.
    pub(crate) fn follow_elsewhere(self: &Arc<Self>, group: GroupId, topic: u64, sender: Sender<FeedEvent>) {
        let inner = Arc::downgrade(self);
        let following = async move {
            for number in 0.. {
                let Some(inner) = inner.upgrade() else { return };
                // The first question only finds somebody to ask, for what has happened meanwhile not to wait for the next.
                let within_ms = if number == 0 { 0 } else { FOLLOW_MS };
                let events = inner.next_events(group, topic, within_ms, number).await;
                drop(inner);
                let is_answered = events.is_ok();
                for event in events.unwrap_or_default().into_iter().chain([FeedEvent::Lagged]) {
                    if sender.send(event).await.is_err() {
                        return;
                    }
                }
                if !is_answered {
                    C::sleep(Duration::from_millis(RETRY_MS_MAX)).await;
                }
            }
        };
        drop(C::spawn(following));
    }

    /// Events of a topic from another node, in long questions. Between two of them some may be lost.
    async fn next_events(
        &self,
        group: GroupId,
        topic: u64,
        within_ms: u64,
        number: usize,
    ) -> Result<Vec<FeedEvent>, String> {
        let row = RequestRow::Follow {
            group,
            topic,
            within_ms,
        };
        let node = self
            .likely_leader(group, number)
            .ok_or_else(|| "no replica in order".to_owned())?;
        let within = Duration::from_millis(within_ms + ATTEMPT_MS);
        let call = self.call(node, Class::Log, rpc::write_request(&row, &[]), within);
        let reply = tokio::select! {
            biased;
            reply = call => reply,
            () = self.health.wait_for(|health| health.dead.contains(&node)) => {
                Err(TransportError::NoReply(node, "the node died".to_owned()))
            }
        };
        let reply = reply.map_err(|error| error.to_string())?;
        match rpc::read_reply(&reply).map_err(|error| error.to_string())? {
            (ReplyRow::Events { events }, mut rest) => events
                .into_iter()
                .map(|(index, len)| {
                    let event = rpc::take(&mut rest, len).map_err(|error| error.to_string())?;
                    let token = Token(index);
                    Ok(FeedEvent::Event { token, event })
                })
                .collect(),
            (ReplyRow::Refused { reason }, _) => Err(reason),
            _ => Err("the reply does not fit the request".to_owned()),
        }
    }
}

/// A command that only touches its lane.
fn bare(kind: CommandKind, request: RequestId) -> LogCommand {
    LogCommand {
        kind,
        request,
        // The leader stamps it.
        log_time_ms: 0,
        payload: Bytes::new(),
        blob_len: None,
        blob: None,
    }
}

fn check_size(bytes: usize, limit: usize) -> Result<(), ProposeError> {
    if bytes > limit {
        return Err(ProposeError::TooLarge { bytes, limit });
    }
    Ok(())
}

/// The lane was closed by a later start of this node, or forgot the request: what became of it cannot be known here.
fn odd_outcome(group: GroupId, outcome: &Outcome) -> ProposeError {
    let reason = format!("the group answered {outcome}");
    ProposeError::Uncertain { group, reason }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl<C: GroupTypes> GroupClient for Replicator<C> {
    fn propose(
        &self,
        group: GroupId,
        command: Command,
        within: Duration,
    ) -> BoxFuture<'_, Result<Applied, ProposeError>> {
        Box::pin(self.inner.propose_once(group, command, within))
    }

    fn read_index(&self, group: GroupId, within: Duration) -> BoxFuture<'_, Result<Token, ReadError>> {
        Box::pin(self.read_index_coalesced(group, within))
    }

    fn query(
        &self,
        group: GroupId,
        at_least: Token,
        request: Bytes,
        within: Duration,
    ) -> BoxFuture<'_, Result<QueryReply, ReadError>> {
        Box::pin(
            self.inner
                .query_group(group, at_least, request, Deadline::after(within)),
        )
    }

    fn read_blob(&self, id: BlobId, within: Duration) -> BoxFuture<'_, Result<Bytes, ReadError>> {
        Box::pin(self.inner.read_blob_checked(id, Deadline::after(within)))
    }

    fn read_blobs(&self, group: GroupId, indexes: Vec<LogIndex>) -> BoxFuture<'_, Vec<Option<CheckedPiece>>> {
        Box::pin(self.inner.read_blobs_here(group, indexes))
    }

    fn subscribe(&self, group: GroupId, topic: u64) -> Feed {
        let mut here = self.inner.of_group(group).into_iter();
        if let Some(feed) = here.find_map(|replica| replica.feeds().subscribe(topic)) {
            return feed;
        }
        let (sender, receiver) = mpsc::channel(FEED_EVENTS_MAX);
        self.inner.follow_elsewhere(group, topic, sender);
        Feed::new(receiver)
    }

    fn mail_groups(&self) -> Vec<GroupId> {
        self.inner
            .groups
            .keys()
            .copied()
            .filter(|group| *group != GroupId::SYSTEM)
            .collect()
    }

    fn leads(&self, group: GroupId) -> bool {
        self.inner.of_group(group).iter().any(|replica| replica.leads())
    }
}
