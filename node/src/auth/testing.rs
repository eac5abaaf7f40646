//! What the tests of authentication share: a directory on a simulated shelf behind a client whose leader can be lost and
//! whose local replica can fall behind.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use mail_model::{
    AccountId, Address, BlobId, ClusterId, Domain, GroupId, LogIndex, NodeId, ReplicaId, Secret, ShelfId,
};
use mailstore::directory::{
    ActivateAccount, AddAccount, AddDomain, Credential, Directory, DirectoryCommand, DirectoryMachine, Found, NewNode,
    NewReplica, NewShelf, SetCredentials,
};
use replication::{
    Applied, AppliedAt, BoxFuture, Command, Feed, FeedEvent, GroupClient, ProposeError, QueryReply, ReadError,
    StateMachine, Token,
};
use shelf::{MemDisk, ReplicaStore, Shelf, StateEvent, StateTxn, StateView};
use tokio::sync::mpsc;

use super::authenticator::{Authenticator, LoggedIn, LoginError};

pub(super) const HOME: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
pub(super) const TRAIN: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 7));

pub(super) fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

pub(super) fn address(text: &str) -> Address {
    Address::new(text).expect("an address")
}

/// A cluster of one node whose one account is Ann's.
pub(super) struct Cluster {
    pub(super) client: Arc<FakeClient>,
    pub(super) directory: Directory,
    pub(super) authenticator: Authenticator,
    pub(super) ann: AccountId,
}

impl Cluster {
    pub(super) async fn with_ann(password: &str) -> Self {
        let client = Arc::new(FakeClient::new());
        let directory = Directory::new(client.clone());
        let authenticator = Authenticator::new(directory.clone()).expect("random");
        let mut cluster = Self {
            client,
            directory,
            authenticator,
            ann: AccountId(0),
        };
        cluster.change(founding()).await;
        let domain = Domain::new("a.org").expect("a domain");
        cluster.change(AddDomain { domain }).await;
        let account = cluster.add_unfinished("ann@a.org", password).await;
        cluster.change(ActivateAccount { account }).await;
        cluster.ann = account;
        cluster
    }

    async fn make(&self, password: &str) -> Vec<Credential> {
        let password = secret(password);
        self.authenticator.make_credentials(&password).await.expect("made")
    }

    pub(super) async fn change(&self, command: impl Into<DirectoryCommand>) {
        self.directory.change(command).await.expect("taken");
    }

    pub(super) async fn add_unfinished(&self, name: &str, password: &str) -> AccountId {
        let command = AddAccount {
            address: address(name),
            credentials: self.make(password).await,
            quota_bytes: None,
        };
        self.directory.add_account(command).await.expect("added").account
    }

    pub(super) async fn set_password(&self, password: &str) {
        let (account, credentials) = (self.ann, self.make(password).await);
        self.change(SetCredentials { account, credentials }).await;
    }

    pub(super) async fn log_in(&self, name: &str, password: &str) -> Result<LoggedIn, LoginError> {
        self.authenticator.log_in(name, &secret(password), HOME).await
    }
}

fn founding() -> Found {
    let (node, shelf) = (NodeId([1; 16]), ShelfId([2; 16]));
    let replica = |group: u32| NewReplica {
        id: ReplicaId(u64::from(group) + 1),
        group: GroupId(group),
        shelf,
    };
    Found {
        cluster: ClusterId([7; 16]),
        version: 1,
        nodes: vec![NewNode {
            id: node,
            name: "n1".to_owned(),
        }],
        shelves: vec![NewShelf {
            id: shelf,
            node,
            name: "shelf1".to_owned(),
        }],
        groups: vec![GroupId(0), GroupId(1)],
        replicas: vec![replica(0), replica(1)],
        sealed_authority_key: Some("sealed".to_owned()),
    }
}

/// A client of the system group; see the fields.
pub(super) struct FakeClient {
    inner: Mutex<Inner>,
}

struct Inner {
    store: ReplicaStore,
    index: u64,
    leader_lost: bool,
    /// What a local replica that no longer follows knows.
    frozen: Option<(Token, StateView)>,
    /// Who follows the group.
    followers: Vec<mpsc::Sender<FeedEvent>>,
    _shelf: Shelf,
}

impl FakeClient {
    fn new() -> Self {
        let shelf = Shelf::simulated(MemDisk::new("s").open()).expect("opens");
        let store = shelf.create_replica(ReplicaId(1), GroupId::SYSTEM).expect("made");
        let inner = Inner {
            store,
            index: 0,
            leader_lost: false,
            frozen: None,
            followers: Vec::new(),
            _shelf: shelf,
        };
        Self {
            inner: Mutex::new(inner),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("not poisoned")
    }

    pub(super) fn lose_leader(&self) {
        self.lock().leader_lost = true;
    }

    pub(super) fn find_leader(&self) {
        self.lock().leader_lost = false;
    }

    pub(super) fn freeze_local_replica(&self) {
        let mut inner = self.lock();
        inner.frozen = Some((Token(inner.index), inner.view()));
    }

    pub(super) fn thaw_local_replica(&self) {
        self.lock().frozen = None;
    }
}

impl Inner {
    fn view(&self) -> StateView {
        self.store.state_view().expect("a view")
    }

    fn apply(&mut self, payload: &[u8]) -> Applied {
        self.index += 1;
        let index = LogIndex(self.index);
        let at = AppliedAt {
            group: GroupId::SYSTEM,
            index,
            log_time_ms: self.index,
            blob_len: None,
        };
        let view = self.view();
        let mut txn = StateTxn::new(&view, index);
        let reply = DirectoryMachine.apply(&mut txn, &at, payload).expect("applies");
        let changes = txn.finish();
        self.store.write_state(index, &changes.batch).expect("written");
        for StateEvent { event, .. } in changes.events {
            let (token, event) = (Token(index.0), Bytes::from(event));
            let told = FeedEvent::Event { token, event };
            self.followers
                .retain(|follower| follower.try_send(told.clone()).is_ok());
        }
        let reply = Bytes::from(reply);
        Applied { index, reply }
    }

    fn fresh(&self) -> Result<Token, ReadError> {
        if self.leader_lost {
            let reason = "no leader".to_owned();
            return Err(ReadError::Unavailable {
                group: GroupId::SYSTEM,
                reason,
            });
        }
        Ok(Token(self.index))
    }

    fn view_at(&self, at_least: Token) -> Result<(Token, StateView), ReadError> {
        match &self.frozen {
            Some((token, view)) if *token >= at_least => Ok((*token, view.clone())),
            Some(_) => Ok((self.fresh()?, self.view())),
            None => Ok((Token(self.index), self.view())),
        }
    }
}

impl GroupClient for FakeClient {
    fn propose(&self, group: GroupId, command: Command, _: Duration) -> BoxFuture<'_, Result<Applied, ProposeError>> {
        Box::pin(async move {
            let mut inner = self.lock();
            if inner.leader_lost {
                let reason = "no leader".to_owned();
                return Err(ProposeError::Uncertain { group, reason });
            }
            Ok(inner.apply(&command.payload))
        })
    }

    fn read_index(&self, _: GroupId, _: Duration) -> BoxFuture<'_, Result<Token, ReadError>> {
        Box::pin(async move { self.lock().fresh() })
    }

    fn query(
        &self,
        _: GroupId,
        at_least: Token,
        request: Bytes,
        _: Duration,
    ) -> BoxFuture<'_, Result<QueryReply, ReadError>> {
        Box::pin(async move {
            let (token, view) = self.lock().view_at(at_least)?;
            let reply = Bytes::from(DirectoryMachine.query(&view, &request).expect("answers"));
            Ok(QueryReply { token, reply })
        })
    }

    fn read_blob(&self, id: BlobId, _: Duration) -> BoxFuture<'_, Result<Bytes, ReadError>> {
        Box::pin(async move { Err(ReadError::NoSuchBlob(id)) })
    }

    fn subscribe(&self, _: GroupId, _: u64) -> Feed {
        let (follower, events) = mpsc::channel(16);
        self.lock().followers.push(follower);
        Feed::new(events)
    }

    fn mail_groups(&self) -> Vec<GroupId> {
        vec![GroupId(1)]
    }

    fn leads(&self, _: GroupId) -> bool {
        !self.lock().leader_lost
    }
}
