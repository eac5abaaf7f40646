//! What the directory's tests share: one replica on a simulated shelf, a small language over it, and a client whose leader
//! can be lost and whose local replica can fall behind.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use mail_model::{AccountId, Address, BlobId, ClusterId, Domain, GroupId, LogIndex, NodeId, ReplicaId, ShelfId};
use replication::{
    Applied, AppliedAt, BoxFuture, Command, Feed, GroupClient, ProposeError, QueryReply, ReadError, StateMachine, Token,
};
use shelf::{KeyRange, MemDisk, ReplicaStore, Shelf, StateTxn, StateView};

use super::command::{
    ActivateAccount, AddAccount, AddAddress, AddAlias, AddDomain, DirectoryCommand, Found, NewNode, NewReplica,
    NewShelf, Outcome,
};
use super::machine::DirectoryMachine;
use super::query::{LoginRecord, LoginReply, Recipient, Reply, Request, Resolution, Topology};
use super::record::{self, Account, Credential, Policy, Target};
use super::rejection::Rejection;

pub(crate) fn address(text: &str) -> Address {
    Address::new(text).expect("an address")
}

pub(crate) fn domain(name: &str) -> Domain {
    Domain::new(name).expect("a domain")
}

pub(crate) fn names(addresses: &[&str]) -> Vec<Target> {
    addresses.iter().map(|text| Target::Address(address(text))).collect()
}

pub(crate) fn credential(value: &str) -> Credential {
    Credential {
        scheme: "TEST".to_owned(),
        value: value.to_owned(),
    }
}

/// Three nodes with a shelf each, and three groups of three replicas: the system group and two for mail.
pub(crate) fn founding() -> Found {
    let numbers = 1..=3u8;
    let node = |n: u8| NewNode {
        id: NodeId([n; 16]),
        name: format!("n{n}"),
    };
    let shelf = |n: u8| NewShelf {
        id: ShelfId([0x10 + n; 16]),
        node: NodeId([n; 16]),
        name: "shelf1".to_owned(),
    };
    let replicas = (0..9u8).map(|n| NewReplica {
        id: ReplicaId(u64::from(n) + 1),
        group: GroupId(u32::from(n / 3)),
        shelf: ShelfId([0x11 + n % 3; 16]),
    });
    Found {
        cluster: ClusterId([7; 16]),
        version: 1,
        nodes: numbers.clone().map(node).collect(),
        shelves: numbers.map(shelf).collect(),
        groups: [0, 1, 2].map(GroupId).to_vec(),
        replicas: replicas.collect(),
        sealed_authority_key: Some("sealed".to_owned()),
    }
}

/// One replica of the system group. Every applied command also checks that a refused one changed nothing.
pub(crate) struct Replica {
    store: ReplicaStore,
    index: u64,
    _shelf: Shelf,
}

impl Replica {
    pub(crate) fn new() -> Self {
        let shelf = Shelf::simulated(MemDisk::new("s").open()).expect("opens");
        let store = shelf.create_replica(ReplicaId(1), GroupId::SYSTEM).expect("made");
        Self {
            store,
            index: 0,
            _shelf: shelf,
        }
    }

    pub(crate) fn founded() -> Self {
        let mut replica = Self::new();
        replica.done(founding());
        replica
    }

    pub(crate) fn with_domain(name: &str) -> Self {
        let mut replica = Self::founded();
        replica.domain(name);
        replica
    }

    fn at(&self) -> AppliedAt {
        AppliedAt {
            group: GroupId::SYSTEM,
            index: LogIndex(self.index),
            log_time_ms: 1_000 * self.index,
            blob_len: None,
        }
    }

    /// Applies an encoded command as the next entry and returns the encoded reply.
    pub(crate) fn apply_payload(&mut self, payload: &[u8]) -> Vec<u8> {
        self.index += 1;
        let view = self.view();
        let mut txn = StateTxn::new(&view, LogIndex(self.index));
        let reply = DirectoryMachine.apply(&mut txn, &self.at(), payload).expect("applies");
        let changes = txn.finish();
        if matches!(record::open(&reply), Ok(Outcome::Rejected(_))) {
            assert!(changes.batch.is_empty(), "a refused command wrote something");
        }
        self.store
            .write_state(LogIndex(self.index), &changes.batch)
            .expect("written");
        reply
    }

    pub(crate) fn apply(&mut self, command: impl Into<DirectoryCommand>) -> Outcome {
        let reply = self.apply_payload(&record::seal(&command.into()));
        record::open(&reply).expect("an outcome")
    }

    pub(crate) fn done(&mut self, command: impl Into<DirectoryCommand>) {
        assert_eq!(self.apply(command), Outcome::Done);
    }

    pub(crate) fn refusal(&mut self, command: impl Into<DirectoryCommand>) -> Rejection {
        match self.apply(command) {
            Outcome::Rejected(rejection) => rejection,
            other => panic!("not refused: {other:?}"),
        }
    }

    pub(crate) fn added(&mut self, command: AddAccount) -> (AccountId, GroupId) {
        match self.apply(command) {
            Outcome::AccountAdded { account, group, .. } => (account, group),
            other => panic!("no account: {other:?}"),
        }
    }

    pub(crate) fn domain(&mut self, name: &str) {
        self.done(AddDomain { domain: domain(name) });
    }

    /// An account in state `Creating`.
    pub(crate) fn add(&mut self, name: &str) -> AccountId {
        let command = AddAccount {
            address: address(name),
            credentials: vec![credential("secret")],
            quota_bytes: None,
        };
        self.added(command).0
    }

    pub(crate) fn active(&mut self, name: &str) -> AccountId {
        let account = self.add(name);
        self.done(ActivateAccount { account });
        account
    }

    pub(crate) fn also(&mut self, account: AccountId, name: &str) {
        let address = address(name);
        self.done(AddAddress { account, address });
    }

    pub(crate) fn alias(&mut self, name: &str, targets: &[&str]) {
        let (address, targets) = (address(name), names(targets));
        self.done(AddAlias { address, targets });
    }

    pub(crate) fn store(&self) -> ReplicaStore {
        self.store.clone()
    }

    pub(crate) fn view(&self) -> StateView {
        self.store.state_view().expect("a view")
    }

    pub(crate) fn rows(&self) -> BTreeMap<Vec<u8>, Bytes> {
        let mut rows = BTreeMap::new();
        let mut visit = |key: &[u8], value: &[u8]| {
            rows.insert(key.to_vec(), Bytes::copy_from_slice(value));
            ControlFlow::Continue(())
        };
        self.view().scan(&KeyRange::all(), &mut visit).expect("scans");
        // The only counter that grows while nothing else changes.
        rows.remove(super::key::CLUSTER);
        rows
    }

    pub(super) fn ask(&self, request: &Request) -> Reply {
        ask(&self.view(), request)
    }

    pub(super) fn resolve(&self, name: &str) -> Resolution {
        resolve(&self.view(), name)
    }

    pub(super) fn resolve_postmaster(&self) -> Resolution {
        match self.ask(&Request::ResolvePostmaster) {
            Reply::Resolution(resolution) => resolution,
            other => panic!("another answer: {other:?}"),
        }
    }

    pub(crate) fn recipients(&self, name: &str) -> Vec<Recipient> {
        match self.resolve(name) {
            Resolution::Found(recipients) => recipients,
            other => panic!("{name} reaches nobody: {other:?}"),
        }
    }

    pub(crate) fn accounts_of(&self, name: &str) -> Vec<AccountId> {
        self.recipients(name)
            .iter()
            .map(|recipient| recipient.account)
            .collect()
    }

    pub(crate) fn login(&self, name: &str) -> Option<LoginRecord> {
        match self.ask(&Request::Login(name.to_owned())) {
            Reply::Login(LoginReply::Known(record)) => Some(record),
            Reply::Login(LoginReply::Unknown) => None,
            other => panic!("another answer: {other:?}"),
        }
    }

    pub(crate) fn account(&self, id: AccountId) -> Account {
        match self.ask(&Request::Account(id)) {
            Reply::Account(Some(account)) => account,
            other => panic!("no account: {other:?}"),
        }
    }

    pub(crate) fn identities(&self, id: AccountId) -> Vec<Address> {
        match self.ask(&Request::Identities(id)) {
            Reply::Identities(addresses) => addresses,
            other => panic!("another answer: {other:?}"),
        }
    }

    pub(crate) fn may_send_as(&self, account: AccountId, name: &str) -> bool {
        let address = address(name);
        self.ask(&Request::MaySendAs { account, address }) == Reply::MaySendAs(true)
    }

    pub(crate) fn domains(&self) -> Vec<String> {
        let (after, limit) = (None, 500);
        match self.ask(&Request::Domains { after, limit }) {
            Reply::Domains(page) => page.rows.iter().map(|row| row.domain.to_string()).collect(),
            other => panic!("another answer: {other:?}"),
        }
    }

    pub(crate) fn aliases(&self) -> Vec<(Address, Vec<Target>)> {
        let (after, limit) = (None, 500);
        match self.ask(&Request::Aliases { after, limit }) {
            Reply::Aliases(page) => page.rows.into_iter().map(|row| (row.address, row.targets)).collect(),
            other => panic!("another answer: {other:?}"),
        }
    }

    pub(crate) fn policy(&self) -> Policy {
        match self.ask(&Request::Policy) {
            Reply::Policy(policy) => policy,
            other => panic!("another answer: {other:?}"),
        }
    }

    pub(crate) fn topology(&self) -> Topology {
        match self.ask(&Request::Topology) {
            Reply::Topology(Some(topology)) => topology,
            other => panic!("another answer: {other:?}"),
        }
    }
}

pub(super) fn ask(view: &StateView, request: &Request) -> Reply {
    let reply = DirectoryMachine.query(view, &record::seal(request)).expect("answers");
    record::open(&reply).expect("a reply")
}

pub(super) fn resolve(view: &StateView, name: &str) -> Resolution {
    match ask(view, &Request::Resolve(address(name))) {
        Reply::Resolution(resolution) => resolution,
        other => panic!("another answer: {other:?}"),
    }
}

/// A client of the system group whose leader can be lost. Its local replica is the group itself, until it is frozen.
pub(crate) struct FakeClient {
    inner: Mutex<Inner>,
}

struct Inner {
    replica: Replica,
    leader_lost: bool,
    /// What a local replica that no longer follows knows.
    frozen: Option<(Token, StateView)>,
}

impl FakeClient {
    pub(crate) fn new(replica: Replica) -> Self {
        let inner = Inner {
            replica,
            leader_lost: false,
            frozen: None,
        };
        Self {
            inner: Mutex::new(inner),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("not poisoned")
    }

    pub(crate) fn lose_leader(&self) {
        self.lock().leader_lost = true;
    }

    pub(crate) fn find_leader(&self) {
        self.lock().leader_lost = false;
    }

    pub(crate) fn freeze_local_replica(&self) {
        let mut inner = self.lock();
        inner.frozen = Some((Token(inner.replica.index), inner.replica.view()));
    }
}

impl Inner {
    fn check_leader(&self) -> Result<Token, ReadError> {
        if self.leader_lost {
            return Err(ReadError::Unavailable {
                group: GroupId::SYSTEM,
                reason: "no leader".to_owned(),
            });
        }
        Ok(Token(self.replica.index))
    }

    fn view_at(&self, at_least: Token) -> Result<(Token, StateView), ReadError> {
        match &self.frozen {
            Some((token, view)) if *token >= at_least => Ok((*token, view.clone())),
            Some(_) => Ok((self.check_leader()?, self.replica.view())),
            None => Ok((Token(self.replica.index), self.replica.view())),
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
            let reply = inner.replica.apply_payload(&command.payload);
            Ok(Applied {
                index: LogIndex(inner.replica.index),
                reply: Bytes::from(reply),
            })
        })
    }

    fn read_index(&self, _: GroupId, _: Duration) -> BoxFuture<'_, Result<Token, ReadError>> {
        Box::pin(async move { self.lock().check_leader() })
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
            let reply = DirectoryMachine.query(&view, &request).expect("answers");
            Ok(QueryReply {
                token,
                reply: Bytes::from(reply),
            })
        })
    }

    fn read_blob(&self, id: BlobId, _: Duration) -> BoxFuture<'_, Result<Bytes, ReadError>> {
        Box::pin(async move { Err(ReadError::NoSuchBlob(id)) })
    }

    fn subscribe(&self, _: GroupId, _: u64) -> Feed {
        Feed::new(tokio::sync::mpsc::channel(1).1)
    }

    fn mail_groups(&self) -> Vec<GroupId> {
        vec![GroupId(1), GroupId(2)]
    }

    fn leads(&self, _: GroupId) -> bool {
        !self.lock().leader_lost
    }
}
