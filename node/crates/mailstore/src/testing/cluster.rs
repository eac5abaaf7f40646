//! Groups of one replica each behind a [`GroupClient`], with the answers that a real cluster gives when it is not well.

use std::collections::{BTreeMap, VecDeque};
use std::future::ready;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use mail_model::{AccountId, BlobId, GroupId};
use replication::{
    Applied, BoxFuture, Command, Feed, FeedEvent, GroupClient, ProposeError, QueryReply, ReadError, StateMachine,
    Token, piece,
};
use tokio::sync::mpsc::{Sender, channel};

use super::Replica;
use crate::front::{Account, Mailstore};
use crate::machine::MailMachine;

/// What happens to one proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// No majority, and no effect.
    NotDone,
    /// It takes effect, but the answer is lost.
    LostAnswer,
    /// Others overtake it.
    Slow,
    /// It is applied a second time under another index, as if exactly-once had failed.
    Twice,
}

struct Group {
    replica: Replica,
    faults: VecDeque<Option<Fault>>,
    followers: Vec<(u64, Sender<FeedEvent>)>,
    proposals: u64,
}

struct Client {
    groups: BTreeMap<GroupId, Mutex<Group>>,
}

/// See the module.
#[derive(Clone)]
pub(crate) struct Cluster {
    client: Arc<Client>,
    store: Mailstore,
}

impl Cluster {
    pub(crate) fn new(groups: &[GroupId]) -> Self {
        let group = |id: &GroupId| {
            let replica = Replica::new(*id);
            let (faults, followers) = (VecDeque::new(), Vec::new());
            (
                *id,
                Mutex::new(Group {
                    replica,
                    faults,
                    followers,
                    proposals: 0,
                }),
            )
        };
        let client = Arc::new(Client {
            groups: groups.iter().map(group).collect(),
        });
        let store = Mailstore::new(client.clone());
        Self { client, store }
    }

    /// A cluster of one group with one account in it.
    pub(crate) async fn with_account(id: AccountId) -> (Self, Account) {
        let cluster = Self::new(&[super::ONE]);
        let account = cluster.store.account(id, super::ONE);
        assert!(account.ensure(None).await.expect("made"));
        (cluster, account)
    }

    pub(crate) fn mailstore(&self) -> &Mailstore {
        &self.store
    }

    /// Another front node: it shares no tokens with this one.
    pub(crate) fn other_node(&self) -> Mailstore {
        Mailstore::new(self.client.clone())
    }

    /// The next proposals to a group fare so, in this order; `None` for well.
    pub(crate) fn plan(&self, group: GroupId, faults: impl IntoIterator<Item = Option<Fault>>) {
        self.client.group(group).faults.extend(faults);
    }

    /// From now on all proposals fare well.
    pub(crate) fn heal(&self) {
        for group in self.client.groups.keys() {
            self.client.group(*group).faults.clear();
        }
    }

    pub(crate) fn pass(&self, group: GroupId, time: Duration) {
        let passed = u64::try_from(time.as_millis()).expect("not for ever");
        self.client.group(group).replica.now_ms += passed;
    }

    pub(crate) fn now_ms(&self, group: GroupId) -> u64 {
        self.client.group(group).replica.now_ms
    }

    pub(crate) fn proposals(&self, group: GroupId) -> u64 {
        self.client.group(group).proposals
    }

    /// Looks at the replica of a group.
    pub(crate) fn replica<T>(&self, group: GroupId, look: impl FnOnce(&mut Replica) -> T) -> T {
        look(&mut self.client.group(group).replica)
    }

    /// How every test ends.
    pub(crate) fn check(&self, group: GroupId, accounts: &[AccountId]) {
        self.client.group(group).replica.check(accounts);
    }
}

impl Client {
    fn group(&self, id: GroupId) -> MutexGuard<'_, Group> {
        let group = self.groups.get(&id).expect("a group of the test");
        group.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn propose_now(&self, id: GroupId, command: &Command, fault: Option<Fault>) -> Result<Applied, ProposeError> {
        let mut group = self.group(id);
        group.proposals += 1;
        let reason = "the test wants it".to_owned();
        if fault == Some(Fault::NotDone) {
            return Err(ProposeError::NotDone { group: id, reason });
        }
        let reply = group.apply(command);
        match fault {
            Some(Fault::LostAnswer) => return Err(ProposeError::Uncertain { group: id, reason }),
            Some(Fault::Twice) => drop(group.apply(command)),
            _ => {}
        }
        let index = mail_model::LogIndex(group.replica.applied);
        Ok(Applied {
            index,
            reply: reply.into(),
        })
    }
}

impl Group {
    fn apply(&mut self, command: &Command) -> Vec<u8> {
        let (reply, events) = self
            .replica
            .apply_payload(command.payload.clone(), command.blob.clone());
        for event in events {
            let told = FeedEvent::Event {
                token: Token(event.index.0),
                event: event.event.into(),
            };
            for (_, follower) in self.followers.iter().filter(|(topic, _)| *topic == event.topic) {
                // A follower that is gone or full is the test's own business.
                let _ = follower.try_send(told.clone());
            }
        }
        reply
    }
}

impl GroupClient for Client {
    fn propose(&self, group: GroupId, command: Command, _: Duration) -> BoxFuture<'_, Result<Applied, ProposeError>> {
        Box::pin(async move {
            let fault = self.group(group).faults.pop_front().flatten();
            // As on a network, others may run before the answer is there.
            for _ in 0..if fault == Some(Fault::Slow) { 9 } else { 1 } {
                tokio::task::yield_now().await;
            }
            self.propose_now(group, &command, fault)
        })
    }

    fn read_index(&self, group: GroupId, _: Duration) -> BoxFuture<'_, Result<Token, ReadError>> {
        Box::pin(ready(Ok(Token(self.group(group).replica.applied))))
    }

    fn query(
        &self,
        group: GroupId,
        at_least: Token,
        request: Bytes,
        _: Duration,
    ) -> BoxFuture<'_, Result<QueryReply, ReadError>> {
        let group = self.group(group);
        let token = Token(group.replica.applied);
        assert!(token >= at_least, "a token from the future");
        let reply = MailMachine.query(&group.replica.view(), &request).expect("readable");
        Box::pin(ready(Ok(QueryReply {
            token,
            reply: reply.into(),
        })))
    }

    fn read_blob(&self, id: BlobId, _: Duration) -> BoxFuture<'_, Result<Bytes, ReadError>> {
        let group = self.group(id.group);
        let live = group.replica.live_blobs().binary_search(&id.index).is_ok();
        let record = group.replica.blobs.get(&id.index.0).filter(|_| live);
        let plain = record.map(|record| piece::decode(record).expect("a good piece").1);
        Box::pin(ready(plain.ok_or(ReadError::NoSuchBlob(id))))
    }

    fn subscribe(&self, group: GroupId, topic: u64) -> Feed {
        let (sender, receiver) = channel(64);
        self.group(group).followers.push((topic, sender));
        Feed::new(receiver)
    }

    fn mail_groups(&self) -> Vec<GroupId> {
        self.groups.keys().copied().collect()
    }

    fn leads(&self, _: GroupId) -> bool {
        true
    }
}
