//! The parts below the sessions together: three nodes with RocksDB shelves, QUIC between them, mail delivered at one node
//! and read at another, while a third goes away and comes back.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mail_model::{AccountId, ClusterId, GroupId, InternalDate, MailboxName, NodeId, ReplicaId, ShelfId};
use mailstore::directory::DirectoryMachine;
use mailstore::front::{Account, DeliverRecipient, Delivery, SelectMode};
use mailstore::{DeliveryId, MailMachine, Mailstore};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use replication::quic::{PeerTable, QuicConfig, QuicTransport, server_name};
use replication::{
    GroupClient, GroupPlan, Handler, Incarnation, ReplicaPlace, Replicator, ReplicatorConfig, StateMachine,
    SystemClock, TokioTypes, limits,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use shelf::{Opened, SharedPool, Shelf, ShelfConfig, ShelfIdentity};

const CLUSTER: ClusterId = ClusterId([9; 16]);
const MAIL: GroupId = GroupId(1);
const READY: Duration = Duration::from_secs(30);

fn node_id(number: u8) -> NodeId {
    NodeId([number; 16])
}

fn place(number: u8) -> ReplicaPlace {
    ReplicaPlace {
        node: node_id(number),
        shelf: ShelfId([number + 100; 16]),
    }
}

fn groups() -> Vec<GroupPlan> {
    let voter = |group: u32, node: u8| (ReplicaId(u64::from(group) * 10 + u64::from(node)), place(node));
    let plan = |group| GroupPlan {
        group: GroupId(group),
        voters: (1..=3).map(|node| voter(group, node)).collect(),
        learners: Vec::new(),
    };
    vec![plan(0), plan(MAIL.0)]
}

/// The cluster's own CA.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    roots: Arc<RootCertStore>,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let mut roots = RootCertStore::empty();
        roots
            .add(params.self_signed(&key).expect("signs").der().clone())
            .expect("a CA");
        Self {
            issuer: Issuer::new(params, key),
            roots: Arc::new(roots),
        }
    }

    fn tls(&self, node: NodeId) -> (ServerConfig, ClientConfig) {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec![server_name(node)]).expect("a name");
        let chain: Vec<CertificateDer<'static>> =
            vec![params.signed_by(&key, &self.issuer).expect("signs").der().clone()];
        let key: PrivateKeyDer<'static> = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(self.roots.clone(), provider.clone());
        let server = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&TLS13])
            .expect("TLS 1.3")
            .with_client_cert_verifier(verifier.build().expect("a verifier"))
            .with_single_cert(chain.clone(), key.clone_key())
            .expect("fits");
        let client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])
            .expect("TLS 1.3")
            .with_root_certificates(self.roots.clone())
            .with_client_auth_cert(chain, key)
            .expect("fits");
        (server, client)
    }
}

struct Node {
    replicator: Replicator<TokioTypes>,
    transport: Arc<QuicTransport>,
    shelf: Shelf,
    store: Mailstore,
}

struct Cluster {
    root: tempfile::TempDir,
    authority: Authority,
    peers: PeerTable,
    pool: SharedPool,
}

impl Cluster {
    fn new() -> Self {
        let cluster = Self {
            root: tempfile::tempdir().expect("a directory"),
            authority: Authority::new(),
            peers: PeerTable::new(),
            pool: SharedPool::new(3, 8 << 20).expect("makes"),
        };
        for number in 1..=3 {
            let config = cluster.shelf_config(number, 1);
            std::fs::create_dir_all(&config.dir).expect("makes");
            std::fs::create_dir_all(&config.state_dir).expect("makes");
            let identity = ShelfIdentity {
                cluster: CLUSTER,
                node: node_id(number),
                shelf: place(number).shelf,
            };
            shelf::init(&config.name, &config.dir, &identity, &cluster.pool).expect("makes");
            let shelf = cluster.open_shelf(number, 1);
            for plan in groups() {
                let (replica, _) = plan.voters[usize::from(number) - 1];
                shelf.create_replica(replica, plan.group).expect("creates");
            }
            assert!(shelf.close(READY));
        }
        cluster
    }

    fn shelf_config(&self, number: u8, epoch: u64) -> ShelfConfig {
        let at = |name: &str| Path::new(self.root.path()).join(format!("n{number}")).join(name);
        ShelfConfig {
            name: format!("n{number}-shelf1"),
            dir: at("shelf1"),
            cluster: CLUSTER,
            node: node_id(number),
            state_dir: at("state"),
            siblings: Vec::new(),
            epoch,
        }
    }

    fn open_shelf(&self, number: u8, epoch: u64) -> Shelf {
        match shelf::open(&self.shelf_config(number, epoch), &self.pool).expect("opens") {
            Opened::Sound(shelf, _) => shelf,
            Opened::Doubtful(doubtful) => panic!("it lost something: {:?}", doubtful.verdict()),
        }
    }

    async fn start(&self, number: u8, start: u64) -> Node {
        let node = node_id(number);
        let replicator = Replicator::new(ReplicatorConfig {
            node,
            incarnation: Incarnation {
                started_ms: start,
                random: u64::from(number),
            },
            groups: groups(),
            clock: Arc::new(SystemClock),
        });
        let (server, client) = self.authority.tls(node);
        let config = QuicConfig {
            node,
            bind: SocketAddr::from(([127, 0, 0, 1], 0)),
            peers: self.peers.clone(),
            server,
            client,
            reset_key: [number; 32],
        };
        let handler: Arc<dyn Handler> = Arc::new(replicator.clone());
        let transport = Arc::new(QuicTransport::bind(config, handler).expect("binds"));
        self.peers.set(node, vec![transport.local_addr()]);
        replicator.connect(transport.clone());
        let shelf = self.open_shelf(number, start);
        for replica in shelf.replicas().expect("lists") {
            let app: Arc<dyn StateMachine> = match replica.group {
                GroupId::SYSTEM => Arc::new(DirectoryMachine),
                _ => Arc::new(MailMachine),
            };
            let store = shelf.replica(replica.id).expect("opens");
            replicator.start_replica(store, place(number), app).await.expect("runs");
        }
        replicator.watch_peers();
        replicator.tend_logs(limits::LOG_KEEP_BYTES);
        replicator.found().await.expect("founds");
        let client: Arc<dyn GroupClient> = Arc::new(replicator.clone());
        Node {
            replicator,
            transport,
            shelf,
            store: Mailstore::new(client),
        }
    }

    /// Takes a node away without a word to the others.
    async fn cut_off(&self, node: Node) {
        node.transport.close(Duration::ZERO).await;
        node.replicator.stop().await;
        drop((node.store, node.replicator, node.transport));
        assert!(node.shelf.close(READY), "nothing holds the shelf any more");
    }
}

/// Message `number`, of a size that depends on it: one piece, or several.
fn message(number: usize) -> Vec<u8> {
    let lines = if number % 10 == 9 { 30_000 } else { 20 + number };
    let mut text = format!("From: a@demo.test\r\nSubject: number {number}\r\nMessage-ID: <{number}@demo.test>\r\n\r\n");
    for line in 0..lines {
        text.push_str(&format!("line {line} of message {number}\r\n"));
    }
    text.into_bytes()
}

async fn deliver(node: &Node, account: &Account, number: usize) {
    let bytes = message(number);
    let mut writer = node.store.body_writer([MAIL]);
    for chunk in bytes.chunks(10_000) {
        writer.push(chunk).await.expect("takes");
    }
    let body = writer.finish().await.expect("takes");
    let delivery = Delivery {
        id: DeliveryId([u8::try_from(number).expect("few"); 16]),
        date: InternalDate::default(),
        received_ms: 0,
        origin: None,
        message_id: None,
        may_queue: false,
    };
    let recipient = DeliverRecipient {
        account: account.id(),
        group: MAIL,
        prefix: b"Return-Path: <a@demo.test>\r\n".to_vec(),
        path: String::new(),
    };
    let answers = node.store.deliver(body, &delivery, &[recipient]).await.answers;
    answers.into_iter().next().expect("one answer").expect("delivered");
}

/// Every message of the INBOX as another node shows it.
async fn read_all(node: &Node, account: AccountId) -> Vec<Vec<u8>> {
    let account = node.store.account(account, MAIL);
    let view = account
        .select(MailboxName::inbox(), SelectMode::ReadOnly)
        .await
        .expect("selects");
    let uids: Vec<_> = view.entries().iter().map(|entry| entry.uid).collect();
    assert!(uids.is_sorted_by(|one, next| one < next), "UIDs ascend");
    let mut found = Vec::new();
    let mut left = &uids[..];
    while !left.is_empty() {
        let (details, _) = account.details(view.mailbox(), left, false).await.expect("reads");
        left = &left[details.len()..];
        for detail in &details {
            let mut reader = account.read(detail, 0..u64::MAX);
            let mut bytes = Vec::new();
            while let Some(chunk) = reader.next().await.expect("reads") {
                bytes.extend_from_slice(&chunk);
            }
            found.push(bytes);
        }
    }
    let report = account.check().await.expect("checks");
    assert!(report.findings.is_empty(), "{report:?}");
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_delivered_at_one_node_is_read_at_another_while_a_third_comes_and_goes() {
    let cluster = Cluster::new();
    let (one, two, three) = (
        cluster.start(1, 1).await,
        cluster.start(2, 1).await,
        cluster.start(3, 1).await,
    );
    one.replicator.read_index(MAIL, READY).await.expect("leads");
    let account = one.store.account(AccountId(1), MAIL);
    account.ensure(None).await.expect("makes");
    for number in 0..10 {
        deliver(&one, &account, number).await;
    }
    cluster.cut_off(three).await;
    for number in 10..20 {
        deliver(&one, &account, number).await;
    }
    let three = cluster.start(3, 2).await;
    for number in 20..30 {
        deliver(&one, &account, number).await;
    }
    let sent: Vec<_> = (0..30)
        .map(|number| [&b"Return-Path: <a@demo.test>\r\n"[..], &message(number)].concat())
        .collect();
    assert!(
        read_all(&two, account.id()).await == sent,
        "each once, in order, byte for byte"
    );
    assert!(
        read_all(&three, account.id()).await == sent,
        "the one that came back has them too"
    );
    for node in [one, two, three] {
        cluster.cut_off(node).await;
    }
}
