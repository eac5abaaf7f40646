//! A node in memory for tests of sessions: real Raft groups of one voter each, on a memory shelf.

use std::sync::Arc;
use std::time::Duration;

use cluster_config::Networks;
use mail_model::{Address, ClusterId, Domain, GroupId, NodeId, ReplicaId, Secret, ShelfId};
use mailstore::directory::{AddDomain, Directory, DirectoryMachine, Found, NewNode, NewReplica, NewShelf};
use mailstore::{MailMachine, Mailstore};
use replication::{
    GroupClient, GroupPlan, Incarnation, ReplicaPlace, Replicator, ReplicatorConfig, StateMachine, SystemClock,
    TokioTypes,
};
use shelf::{MemDisk, Shelf};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::accounts;
use crate::auth::{Access, Authenticator};
use crate::delivery_log::DeliveryLog;
use crate::services::{Services, Settings, SharedServices};

/// Mail groups of the test node.
pub(crate) const MAIL_GROUPS: u32 = 2;
/// The password of every test account.
pub(crate) const PASSWORD: &str = "demo";
/// Time for the node to be ready.
const READY: Duration = Duration::from_secs(20);

/// The node; everything ends when it is dropped.
pub(crate) struct TestNode {
    pub(crate) services: SharedServices,
    pub(crate) replicator: Replicator<TokioTypes>,
    /// Turns `services.stopping` true.
    pub(crate) stop: watch::Sender<bool>,
    _following: AbortOnDrop,
    _dir: tempfile::TempDir,
}

/// A task that ends with the node.
struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

const NODE: NodeId = NodeId([1; 16]);
const SHELF: ShelfId = ShelfId([2; 16]);

fn groups() -> Vec<GroupPlan> {
    let place = ReplicaPlace {
        node: NODE,
        shelf: SHELF,
    };
    let plan = |group| GroupPlan {
        group: GroupId(group),
        voters: vec![(ReplicaId(u64::from(group) + 1), place)],
        learners: Vec::new(),
    };
    (0..=MAIL_GROUPS).map(plan).collect()
}

/// A node with the domain `demo.test` and the accounts `user1@demo.test` to `userN@demo.test`.
pub(crate) async fn node_with_accounts(accounts: usize) -> TestNode {
    let replicator = Replicator::<TokioTypes>::new(ReplicatorConfig {
        node: NODE,
        incarnation: Incarnation {
            started_ms: 1,
            random: 1,
        },
        groups: groups(),
        clock: Arc::new(SystemClock),
    });
    let engine = MemDisk::new("test").open();
    let shelf = Shelf::start(engine.label().clone(), Arc::new(engine)).expect("starts");
    for plan in groups() {
        let (replica, place) = plan.voters[0];
        let store = shelf.create_replica(replica, plan.group).expect("creates");
        let app: Arc<dyn StateMachine> = match plan.group {
            GroupId::SYSTEM => Arc::new(DirectoryMachine),
            _ => Arc::new(MailMachine),
        };
        replicator.start_replica(store, place, app).await.expect("runs");
    }
    replicator.found().await.expect("founds");
    for plan in groups() {
        replicator.read_index(plan.group, READY).await.expect("leads");
    }
    let client: Arc<dyn GroupClient> = Arc::new(replicator.clone());
    let directory = Directory::new(client.clone());
    let found = Found {
        cluster: ClusterId([3; 16]),
        version: 1,
        nodes: vec![NewNode {
            id: NODE,
            name: "n1".to_owned(),
        }],
        shelves: vec![NewShelf {
            id: SHELF,
            node: NODE,
            name: "shelf1".to_owned(),
        }],
        groups: groups().iter().map(|plan| plan.group).collect(),
        replicas: groups()
            .iter()
            .map(|plan| NewReplica {
                id: plan.voters[0].0,
                group: plan.group,
                shelf: SHELF,
            })
            .collect(),
        sealed_authority_key: Some("sealed".to_owned()),
    };
    directory.change(found).await.expect("founds");
    let domain = Domain::new("demo.test").expect("a domain");
    directory
        .change(AddDomain { domain: domain.clone() })
        .await
        .expect("adds");
    let store = Mailstore::new(client);
    let auth = Authenticator::new(directory.clone()).expect("random bytes");
    for number in 1..=accounts {
        let address = Address::of(&format!("user{number}"), domain.clone()).expect("an address");
        let password = Secret::new(PASSWORD.to_owned());
        accounts::create(&directory, &store, &auth, address, &password, None)
            .await
            .expect("creates");
    }
    let dir = tempfile::tempdir().expect("a directory");
    let (stop, stopping) = watch::channel(false);
    let settings = Settings {
        node: "n1".to_owned(),
        host: Domain::new("mail.demo.test").expect("a domain"),
        message_bytes_max: 64 << 20,
        plaintext_passwords_from: Networks::loopback(),
        lmtp_from: Networks::loopback(),
        proxy_from: Networks::default(),
    };
    let delivery_log = DeliveryLog::open(dir.path(), 30).expect("opens");
    let access = Access::new(directory.clone());
    let following = tokio::spawn(access.clone().run());
    let services = Services {
        store,
        directory,
        auth,
        access,
        delivery_log,
        settings,
        stopping,
    };
    TestNode {
        services: Arc::new(services),
        replicator,
        stop,
        _following: AbortOnDrop(following),
        _dir: dir,
    }
}
