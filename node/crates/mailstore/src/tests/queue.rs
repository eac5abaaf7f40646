//! The queue (DESIGN M13, D17): what one group cannot take now is taken once, however the steps fail or repeat.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use mail_model::{AccountId, GroupId};
use proptest::prelude::*;

use crate::command::Enqueue;
use crate::directory::testing::{FakeClient, Replica as DirectoryReplica};
use crate::directory::{Directory, Read, Recipient, RemoveAccount};
use crate::front::{
    Accepted, Account, DeliverRecipient, Deliveries, Delivery, DeliveryCloser, ErrorClass, Freshness, Origin,
    QueueHost, QueueSettled, QueueWorker, QueuedDelivery, StoreError, Undeliverable,
};
use crate::limits::{QUEUE_RETRY_MS_MAX, QUEUE_RETRY_MS_MIN, QUEUED_MS};
use crate::testing::{ANN, BOB, Cluster, DATE, Fault, ONE, TWO, message, name, noise, uid};
use crate::{BodySource, DeliveryId, DeliveryKey, Mailstore};

const THREE: GroupId = GroupId(3);
const CAT: AccountId = AccountId(13);
const CARL: &str = "carl@test.example";

fn to(account: AccountId, group: GroupId) -> DeliverRecipient {
    DeliverRecipient {
        account,
        group,
        prefix: format!("Delivered-To: {account}\r\n").into_bytes(),
        path: format!("{account}@test.example"),
    }
}

fn transaction(received_ms: u64) -> Delivery {
    Delivery {
        id: DeliveryId::random(),
        date: DATE,
        received_ms,
        origin: Some(Origin {
            network: "192.0.2.0/24".to_owned(),
            sender: CARL.to_owned(),
            recipients: vec!["all@test.example".to_owned()],
        }),
        message_id: Some("m@test.example".to_owned()),
        may_queue: true,
    }
}

/// Writes notices in three words, and remembers what it was told.
#[derive(Default)]
struct Host {
    settled: Mutex<Vec<(String, QueueSettled)>>,
}

impl QueueHost for Host {
    fn notice(&self, delivery: &QueuedDelivery, header: &[u8], why: Undeliverable) -> Vec<u8> {
        let header = String::from_utf8_lossy(header);
        format!("Subject: {why:?} {}\r\n\r\n{header}", delivery.row().recipient).into_bytes()
    }

    fn notice_prefix(&self, to: &Recipient) -> Vec<u8> {
        format!("Return-Path: <>\r\nDelivered-To: {}\r\n", to.address).into_bytes()
    }

    fn settled(&self, delivery: &QueuedDelivery, how: QueueSettled) {
        self.settled
            .lock()
            .unwrap()
            .push((delivery.row().recipient.clone(), how));
    }

    fn waiting(&self, _: u64) {}
}

/// A cluster whose groups hold an account each, with a directory of its own.
struct World {
    cluster: Cluster,
    accounts: Vec<Account>,
    directory: Directory,
    host: Arc<Host>,
    worker: QueueWorker,
}

impl World {
    async fn new(accounts: &[(AccountId, GroupId)]) -> Self {
        Self::with_directory(accounts, DirectoryReplica::founded()).await
    }

    async fn with_directory(accounts: &[(AccountId, GroupId)], replica: DirectoryReplica) -> Self {
        let cluster = Cluster::new(&[ONE, TWO, THREE]);
        let mut handles = Vec::new();
        for (account, group) in accounts {
            let account = cluster.mailstore().account(*account, *group);
            account.ensure(None).await.unwrap();
            handles.push(account);
        }
        let directory = Directory::new(Arc::new(FakeClient::new(replica)));
        let host = Arc::new(Host::default());
        let worker = QueueWorker::new(cluster.mailstore().clone(), directory.clone(), host.clone());
        Self {
            cluster,
            accounts: handles,
            directory,
            host,
            worker,
        }
    }

    fn recipients(&self) -> Vec<DeliverRecipient> {
        self.accounts
            .iter()
            .map(|account| to(account.id(), account.group()))
            .collect()
    }

    async fn send(&self, store: &Mailstore, bytes: &[u8]) -> Deliveries {
        let recipients = self.recipients();
        let mut writer = store.body_writer(recipients.iter().map(|to| to.group));
        if let Err(error) = writer.push(bytes).await {
            let answers = vec![Err(error); recipients.len()];
            writer.abort().await;
            let open = store
                .deliver(self.cluster.body(&[ONE], b"").await, &transaction(0), &[])
                .await
                .open;
            return Deliveries { answers, open };
        }
        let delivery = transaction(self.now_ms());
        match writer.finish().await {
            Ok(body) => store.deliver(body, &delivery, &recipients).await,
            Err(error) => Deliveries {
                answers: vec![Err(error); recipients.len()],
                open: store
                    .deliver(self.cluster.body(&[ONE], b"").await, &delivery, &[])
                    .await
                    .open,
            },
        }
    }

    fn now_ms(&self) -> u64 {
        self.cluster.now_ms(ONE)
    }

    fn pass(&self, time: Duration) {
        for group in [ONE, TWO, THREE] {
            self.cluster.pass(group, time);
        }
    }

    async fn work(&self) {
        self.worker.turn(self.now_ms()).await;
    }

    /// Works on until nothing waits.
    async fn work_off(&self) {
        for _ in 0..4 {
            self.pass(Duration::from_millis(QUEUE_RETRY_MS_MAX));
            self.work().await;
        }
        for group in [ONE, TWO, THREE] {
            assert!(
                self.cluster
                    .mailstore()
                    .queued(group, u64::MAX, None)
                    .await
                    .unwrap()
                    .is_empty()
            );
        }
    }

    async fn count(&self, at: usize) -> u64 {
        self.accounts[at].quota(Freshness::Latest).await.unwrap().messages
    }

    fn check(&self) {
        for group in [ONE, TWO, THREE] {
            let of_group = self.accounts.iter().filter(|account| account.group() == group);
            self.cluster
                .check(group, &of_group.map(Account::id).collect::<Vec<_>>());
        }
    }
}

fn is_queued(answer: &Result<Accepted, StoreError>) -> bool {
    matches!(answer, Ok(Accepted::Queued(_)))
}

async fn bytes_of(account: &Account, at: u32) -> Vec<u8> {
    let inbox = account.mailbox(name("INBOX"), Freshness::Latest).await.unwrap().info.id;
    let (details, _) = account.details(inbox, &[uid(at)], false).await.unwrap();
    let mut reader = account.read(&details[0], 0..u64::MAX);
    let mut bytes = Vec::new();
    while let Some(part) = reader.next().await.unwrap() {
        bytes.extend_from_slice(&part);
    }
    bytes
}

#[tokio::test]
async fn m13_what_one_group_cannot_take_waits_in_another_and_arrives_as_it_was_sent() {
    for bytes in [message(1), noise(600_000)] {
        let world = World::new(&[(ANN, ONE), (BOB, TWO)]).await;
        let store = world.cluster.mailstore();
        let body = world.cluster.body(&[ONE, TWO], &bytes).await;
        world.cluster.plan(TWO, [Some(Fault::NotDone)]);
        let delivered = store
            .deliver(body, &transaction(world.now_ms()), &world.recipients())
            .await;
        assert!(matches!(delivered.answers[0], Ok(Accepted::Placed(_))));
        assert!(is_queued(&delivered.answers[1]));
        let waiting = store.queued(ONE, u64::MAX, None).await.unwrap();
        assert_eq!(waiting.len(), 1);
        let row = waiting[0].row();
        assert_eq!((row.sender.as_str(), row.account, row.group), (CARL, BOB, TWO));
        // Not before its time, and then once.
        world.work().await;
        assert_eq!(world.count(1).await, 0);
        world.pass(Duration::from_millis(QUEUE_RETRY_MS_MIN));
        world.work().await;
        assert_eq!(world.count(1).await, 1);
        assert_eq!(
            bytes_of(&world.accounts[1], 1).await,
            [b"Delivered-To: 12\r\n", &*bytes].concat()
        );
        world.work_off().await;
        assert_eq!((world.count(0).await, world.count(1).await), (1, 1));
        let settled = world.host.settled.lock().unwrap().clone();
        assert!(matches!(settled.as_slice(), [(path, QueueSettled::Placed(_))] if path == "12@test.example"));
        world.check();
    }
}

#[tokio::test]
async fn m13_nothing_is_queued_where_nothing_is_committed_or_somebody_is_refused() {
    let world = World::new(&[(ANN, ONE), (BOB, TWO), (CAT, THREE)]).await;
    let store = world.cluster.mailstore();
    for group in [ONE, TWO, THREE] {
        world.cluster.plan(group, [Some(Fault::NotDone)]);
    }
    let delivered = world.send(store, &message(1)).await;
    assert!(delivered.answers.iter().all(|answer| {
        answer
            .as_ref()
            .is_err_and(|error| error.class() == ErrorClass::Temporary)
    }));
    // Ann has no room: the client is told so and keeps the message for all of them.
    world.accounts[0].set_quota(Some(0)).await.unwrap();
    world.cluster.plan(TWO, [Some(Fault::NotDone)]);
    let delivered = world.send(store, &message(2)).await;
    assert!(delivered.answers[0].is_err() && delivered.answers[1].is_err() && delivered.answers[2].is_ok());
    // And LMTP has an answer for each.
    world.accounts[0].set_quota(None).await.unwrap();
    world.cluster.plan(TWO, [Some(Fault::NotDone)]);
    let body = world.cluster.body(&[ONE, TWO, THREE], &message(3)).await;
    let mut lmtp = transaction(world.now_ms());
    lmtp.may_queue = false;
    let delivered = store.deliver(body, &lmtp, &world.recipients()).await;
    assert!(delivered.answers[0].is_ok() && delivered.answers[1].is_err());
    world.work_off().await;
    assert_eq!(world.count(1).await, 0);
    world.check();
}

#[tokio::test]
async fn m13_a_queued_message_is_delivered_beyond_the_quota() {
    let world = World::new(&[(ANN, ONE), (BOB, TWO)]).await;
    world.cluster.plan(TWO, [Some(Fault::NotDone)]);
    let delivered = world.send(world.cluster.mailstore(), &message(1)).await;
    assert!(is_queued(&delivered.answers[1]));
    world.accounts[1].set_quota(Some(0)).await.unwrap();
    world.work_off().await;
    assert_eq!(world.count(1).await, 1, "nothing bounces after 250");
    world.check();
}

#[tokio::test]
async fn a_target_out_of_reach_is_tried_again_later_and_later() {
    let world = World::new(&[(ANN, ONE), (BOB, TWO)]).await;
    world.cluster.plan(TWO, [Some(Fault::NotDone)]);
    drop(world.send(world.cluster.mailstore(), &message(1)).await);
    let store = world.cluster.mailstore();
    for (attempts, pause_ms) in (1..).zip([10_000, 20_000, 40_000]) {
        let due_ms = store.queued(ONE, u64::MAX, None).await.unwrap()[0].row().next_ms;
        world.pass(Duration::from_millis(due_ms - world.now_ms()));
        world.cluster.plan(TWO, [Some(Fault::NotDone)]);
        world.work().await;
        let row = store.queued(ONE, u64::MAX, None).await.unwrap()[0].row().clone();
        assert_eq!((row.attempts, row.next_ms - world.now_ms()), (attempts, pause_ms));
    }
    world.work_off().await;
    assert_eq!(world.count(1).await, 1);
    world.check();
}

#[tokio::test]
async fn the_queue_takes_a_message_once_and_shares_its_body() {
    let world = World::new(&[(ANN, ONE), (BOB, TWO), (CAT, TWO)]).await;
    world.cluster.plan(TWO, [Some(Fault::NotDone)]);
    let delivered = world.send(world.cluster.mailstore(), &message(1)).await;
    assert!(is_queued(&delivered.answers[1]) && is_queued(&delivered.answers[2]));
    assert_eq!(world.cluster.replica(ONE, |replica| replica.live_blobs().len()), 1);
    world.work_off().await;
    assert_eq!((world.count(1).await, world.count(2).await), (1, 1));
    assert_eq!(world.cluster.replica(TWO, |replica| replica.live_blobs().len()), 1);
    world.check();
}

#[tokio::test]
async fn m13_a_large_message_is_queued_also_where_everybody_else_has_it_already() {
    let world = World::new(&[(ANN, ONE), (BOB, TWO)]).await;
    for _ in 0..2 {
        // Its piece, and the delivery; our reply is lost both times.
        world.cluster.plan(TWO, [Some(Fault::NotDone)]);
        let delivered = world.send(world.cluster.mailstore(), &noise(600_000)).await;
        assert!(matches!(delivered.answers[0], Ok(Accepted::Placed(_))));
        assert!(is_queued(&delivered.answers[1]));
        world.pass(Duration::from_millis(10));
    }
    world.work_off().await;
    assert_eq!((world.count(0).await, world.count(1).await), (1, 1));
}

/// A directory with postmaster@a.org and bob@a.org, and their accounts in the groups that it gave them.
async fn with_names() -> (World, AccountId) {
    let mut replica = DirectoryReplica::with_domain("a.org");
    let (postmaster, bob) = (replica.active("postmaster@a.org"), replica.active("bob@a.org"));
    let peek = Directory::new(Arc::new(FakeClient::new(replica)));
    let mut accounts = Vec::new();
    for account in [postmaster, bob] {
        let group = peek.account(account, Read::Local).await.unwrap().unwrap().group;
        accounts.push((account, group));
    }
    let mut replica = DirectoryReplica::with_domain("a.org");
    assert_eq!(
        (replica.active("postmaster@a.org"), replica.active("bob@a.org")),
        (postmaster, bob)
    );
    (World::with_directory(&accounts, replica).await, bob)
}

/// Queues a message in group 3 for an account that group `TWO` does not have.
fn enqueue(world: &World, sender: &str, account: AccountId) {
    let bytes = message(7);
    let record = replication::piece::encode(&bytes, replication::piece::PiecePlace::Whole).unwrap();
    let facts = crate::record::BodyFacts {
        size: bytes.len() as u64,
        pop3_size: bytes.len() as u64,
        root: record.summary.value,
    };
    let structure = crate::record::StructureRow {
        parser_version: 1,
        bytes: Vec::new(),
    };
    let command = Enqueue {
        source: BodySource::Inline { facts, structure },
        date: DATE,
        delivery: DeliveryId::random(),
        sender: sender.to_owned(),
        message_id: None,
        recipients: vec![crate::command::EnqueueFor {
            account,
            group: TWO,
            prefix: Vec::new(),
            key: DeliveryKey([account.0 as u8; 16]),
            recipient: "gone@a.org".to_owned(),
        }],
        received_ms: 0,
    };
    let enqueued = world
        .cluster
        .replica(THREE, |replica| replica.apply(command, Some(record.record)));
    enqueued.unwrap();
}

#[tokio::test]
async fn m13_the_sender_is_told_once_of_what_cannot_be_delivered_and_nobody_of_a_notice() {
    let nobody = AccountId(99);
    for (sender, teller) in [
        ("bob@a.org", 1),
        ("carl@elsewhere.org", 0),
        ("not an address", 0),
        ("", 2),
    ] {
        let (world, _) = with_names().await;
        enqueue(&world, sender, nobody);
        // The answer of the group that takes the notice is lost, and the source does not hear that it is done.
        for group in [ONE, TWO] {
            let clean = [None; 3];
            world
                .cluster
                .plan(group, clean.into_iter().chain([Some(Fault::LostAnswer)]));
        }
        world
            .cluster
            .plan(THREE, [Some(Fault::NotDone), Some(Fault::LostAnswer)]);
        world.pass(Duration::from_millis(QUEUE_RETRY_MS_MIN));
        world.work().await;
        world.work_off().await;
        let counts = (world.count(0).await, world.count(1).await);
        assert_eq!(counts, [(1, 0), (0, 1), (0, 0)][teller], "{sender}");
        if teller < 2 {
            let text = String::from_utf8(bytes_of(&world.accounts[teller], 1).await).unwrap();
            assert!(text.starts_with("Return-Path: <>\r\nDelivered-To: "), "{text}");
            assert!(
                text.contains("Subject: NoSuchAccount gone@a.org\r\n\r\nMessage-ID: <7@"),
                "{text}"
            );
        }
        let settled = world.host.settled.lock().unwrap().clone();
        let gone = QueueSettled::Undeliverable(Undeliverable::NoSuchAccount);
        assert!(!settled.is_empty() && settled.iter().all(|(_, how)| *how == gone));
        world.check();
    }
}

#[tokio::test]
async fn m13_a_removed_account_counts_as_gone_only_by_the_word_of_the_directory() {
    let (world, bob) = with_names().await;
    let group = world.accounts[1].group();
    // Bob is in another group than the queue believes: that group has no such account, and the directory knows better.
    enqueue(&world, CARL, bob);
    if group == TWO {
        world.work_off().await;
        assert_eq!(world.count(1).await, 1);
        return;
    }
    world.work_off().await;
    assert_eq!(world.count(1).await, 1, "it follows the account");
    world.directory.change(RemoveAccount { account: bob }).await.unwrap();
    enqueue(&world, "bob@a.org", AccountId(98));
    world.work_off().await;
    assert_eq!(
        world.count(0).await,
        1,
        "a removed sender has no account: the postmaster is told"
    );
    world.check();
}

#[tokio::test]
async fn m13_after_five_days_the_sender_is_told() {
    let (world, _) = with_names().await;
    let bob = to(world.accounts[1].id(), world.accounts[1].group());
    let store = world.cluster.mailstore();
    let other = if bob.group == ONE { TWO } else { ONE };
    let carl = world.cluster.mailstore().account(CAT, other);
    carl.ensure(None).await.unwrap();
    let body = world.cluster.body(&[ONE, TWO], &message(1)).await;
    world.cluster.plan(bob.group, [Some(Fault::NotDone)]);
    let mut delivery = transaction(world.now_ms());
    delivery.origin.as_mut().unwrap().sender = "postmaster@a.org".to_owned();
    let delivered = store.deliver(body, &delivery, &[to(CAT, other), bob]).await;
    assert!(is_queued(&delivered.answers[1]));
    world.pass(Duration::from_millis(QUEUED_MS));
    world.work().await;
    world.work().await;
    assert_eq!((world.count(0).await, world.count(1).await), (1, 0));
    let text = String::from_utf8(bytes_of(&world.accounts[0], 1).await).unwrap();
    assert!(text.contains("Subject: Expired"), "{text}");
}

fn fault() -> impl Strategy<Value = Option<Fault>> {
    prop_oneof![
        5 => Just(None),
        2 => Just(Some(Fault::NotDone)),
        2 => Just(Some(Fault::LostAnswer)),
        1 => Just(Some(Fault::Twice)),
        2 => Just(Some(Fault::Slow)),
    ]
}

#[derive(Clone, Debug)]
enum Step {
    /// The client sends a message, at a node, and gets our reply or not.
    Send {
        message: usize,
        node: usize,
        heard: bool,
    },
    /// The queue's worker has its turn.
    Work,
    /// The closers have theirs.
    Close,
    /// Both at once.
    WorkAndClose,
    Pass {
        seconds: u64,
    },
}

fn steps() -> impl Strategy<Value = Vec<(Step, [Vec<Option<Fault>>; 3])>> {
    let step = prop_oneof![
        4 => (0_usize..2, 0_usize..2, any::<bool>())
            .prop_map(|(message, node, heard)| Step::Send { message, node, heard }),
        3 => Just(Step::Work),
        1 => Just(Step::Close),
        2 => Just(Step::WorkAndClose),
        2 => (1_u64..60).prop_map(|seconds| Step::Pass { seconds }),
    ];
    let faults = || proptest::collection::vec(fault(), 0..4);
    proptest::collection::vec((step, [faults(), faults(), faults()]), 1..14)
}

/// A client that sends each of its messages until it hears of a `250`, and then sometimes the same again on purpose.
struct Client {
    nodes: Vec<Mailstore>,
    closers: Vec<DeliveryCloser>,
    /// Per message: how often it was meant to be sent, and whether the client waits for our reply.
    meant: [(u64, bool); 2],
}

impl Client {
    fn new(cluster: &Cluster) -> Self {
        let nodes = vec![cluster.mailstore().clone(), cluster.other_node()];
        let closers = nodes.iter().cloned().map(DeliveryCloser::new).collect();
        Self {
            nodes,
            closers,
            meant: [(0, false); 2],
        }
    }

    /// Closing is told from node to node within its second: sooner the same message, sent on purpose, is a repetition.
    async fn close(&self) {
        for closer in &self.closers {
            closer.turn().await;
            closer.turn().await;
            closer.turn().await;
        }
    }

    async fn send(&mut self, world: &World, message: usize, node: usize, heard: bool) {
        let (meant, waits) = &mut self.meant[message];
        if !*waits {
            (*meant, *waits) = (*meant + 1, true);
        }
        let bytes = if message == 0 {
            crate::testing::message(1)
        } else {
            noise(300_000)
        };
        let delivered = world.send(&self.nodes[node], &bytes).await;
        world.pass(Duration::from_millis(10));
        if heard && delivered.answers.iter().all(Result::is_ok) {
            *waits = false;
            delivered.open.close();
        }
    }
}

async fn history(steps: Vec<(Step, [Vec<Option<Fault>>; 3])>) {
    let world = World::new(&[(ANN, ONE), (BOB, TWO), (CAT, THREE)]).await;
    let mut client = Client::new(&world.cluster);
    let mut last_node = 0;
    for (step, faults) in steps {
        if let Step::Send { node, .. } = step
            && node != last_node
        {
            world.cluster.heal();
            client.close().await;
            last_node = node;
        }
        for (group, faults) in [ONE, TWO, THREE].into_iter().zip(faults) {
            world.cluster.plan(group, faults);
        }
        match step {
            Step::Send { message, node, heard } => client.send(&world, message, node, heard).await,
            Step::Work => world.work().await,
            Step::Close => client.close().await,
            Step::WorkAndClose => {
                tokio::join!(world.work(), client.close());
            }
            Step::Pass { seconds } => world.pass(Duration::from_secs(seconds)),
        }
    }
    world.cluster.heal();
    client.close().await;
    for message in 0..2 {
        while client.meant[message].1 {
            client.send(&world, message, last_node, true).await;
            client.close().await;
        }
    }
    world.work_off().await;
    client.close().await;
    let meant = client.meant[0].0 + client.meant[1].0;
    for at in 0..3 {
        assert_eq!(world.count(at).await, meant, "account {at}");
    }
    // Uploads whose groups did not answer are swept.
    let sweeper = crate::front::Sweeper::new(world.cluster.mailstore().clone());
    world.pass(Duration::from_millis(2 * crate::limits::UPLOAD_IDLE_MS));
    for group in [ONE, TWO, THREE] {
        sweeper.sweep(group, world.now_ms()).await.unwrap();
        assert_eq!(world.cluster.replica(group, |replica| replica.count_rows(0x0D)), 0);
    }
    world.check();
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 4_000, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn m13_m14_however_steps_fail_each_message_arrives_as_often_as_it_was_meant(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(history(steps));
    }
}
