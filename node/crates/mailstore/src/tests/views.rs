//! What two sessions see of each other's changes: EXISTS, EXPUNGE, FETCH and `\Recent` at the right times.

use mail_model::{SeqNum, SystemFlags};

use crate::command::StoreMode;
use crate::front::{Account, Expunges, FeedNews, Freshness, MailboxView, NewMessage, SelectMode, Update};
use crate::rejection::Rejection;
use crate::testing::{ANN, Cluster, DATE, ONE, flags, message, name, uid, uids};

async fn append(cluster: &Cluster, account: &Account, number: u64) {
    let inbox = account.mailbox(name("INBOX"), Freshness::Latest).await.unwrap().info.id;
    let body = cluster.body(&[ONE], &message(number)).await;
    let new = NewMessage {
        body,
        flags: flags(SystemFlags::NONE, &[]),
        date: DATE,
        pop3: None,
    };
    account.append(inbox, new).await.unwrap();
}

async fn select(account: &Account, mode: SelectMode) -> MailboxView {
    account.select(name("INBOX"), mode).await.unwrap()
}

async fn told(view: &mut MailboxView) -> Vec<Update> {
    view.sync(Freshness::Latest, Expunges::Tell).await.unwrap()
}

fn seq(number: u32) -> SeqNum {
    SeqNum::new(number).unwrap()
}

async fn delete(account: &Account, view: &MailboxView, numbers: &[u32]) {
    let deleted = flags(SystemFlags::DELETED, &[]);
    account
        .store_flags(view.mailbox(), &uids(numbers), StoreMode::Add, &deleted)
        .await
        .unwrap();
    account.expunge(view.mailbox(), &uids(numbers)).await.unwrap();
}

#[tokio::test]
async fn a_session_is_told_what_another_one_did_at_another_node() {
    let (cluster, ann) = Cluster::with_account(ANN).await;
    for number in 1..=4 {
        append(&cluster, &ann, number).await;
    }
    let elsewhere = cluster.other_node().account(ANN, ONE);
    let mut view = select(&elsewhere, SelectMode::ReadOnly).await;
    assert_eq!((view.exists(), view.first_unseen()), (4, Some(seq(1))));
    delete(&ann, &view, &[2, 3]).await;
    append(&cluster, &ann, 5).await;
    ann.store_flags(
        view.mailbox(),
        &uids(&[4]),
        StoreMode::Add,
        &flags(SystemFlags::SEEN, &["new"]),
    )
    .await
    .unwrap();
    let updates = told(&mut view).await;
    let expected = [
        Update::Expunged(seq(3)),
        Update::Expunged(seq(2)),
        Update::Keywords,
        Update::Exists(3),
        Update::Recent(view.recent()),
        Update::Flags(seq(2)),
    ];
    assert_eq!(updates, expected);
    assert_eq!(
        view.entries().iter().map(|entry| entry.uid).collect::<Vec<_>>(),
        uids(&[1, 4, 5])
    );
    assert_eq!((view.seq_of(uid(5)), view.seq_of(uid(2))), (Some(seq(3)), None));
    assert_eq!(told(&mut view).await, []);
    cluster.check(ONE, &[ANN]);
}

#[tokio::test]
async fn m11_no_expunge_is_told_while_sequence_numbers_are_in_use() {
    let (cluster, ann) = Cluster::with_account(ANN).await;
    for number in 1..=3 {
        append(&cluster, &ann, number).await;
    }
    let mut view = select(&ann, SelectMode::ReadWrite).await;
    delete(&ann, &view, &[1]).await;
    append(&cluster, &ann, 4).await;
    let during = view.sync(Freshness::Latest, Expunges::HoldBack).await.unwrap();
    assert!(!during.iter().any(|update| matches!(update, Update::Expunged(_))));
    assert!(during.contains(&Update::Exists(4)));
    assert!(view.is_held_back(uid(1)));
    let entry = view.entry(seq(1)).unwrap();
    let (details, _) = ann.details(view.mailbox(), &[entry.uid], false).await.unwrap();
    assert!(details[0].expunged, "still there for those who show it");
    // A message that comes and goes meanwhile is never shown.
    append(&cluster, &ann, 5).await;
    delete(&ann, &view, &[5]).await;
    assert_eq!(told(&mut view).await[0], Update::Expunged(seq(1)));
    assert_eq!(
        view.entries().iter().map(|entry| entry.uid).collect::<Vec<_>>(),
        uids(&[2, 3, 4])
    );
    cluster.check(ONE, &[ANN]);
}

#[tokio::test]
async fn m08_a_message_is_recent_in_one_session_of_the_cluster() {
    let (cluster, ann) = Cluster::with_account(ANN).await;
    for number in 1..=2 {
        append(&cluster, &ann, number).await;
    }
    let elsewhere = cluster.other_node().account(ANN, ONE);
    let looks = select(&elsewhere, SelectMode::ReadOnly).await;
    assert_eq!(looks.recent(), 2, "EXAMINE shows them");
    let (mut first, mut second) = tokio::join!(async { select(&ann, SelectMode::ReadWrite).await }, async {
        select(&elsewhere, SelectMode::ReadWrite).await
    });
    assert_eq!(first.recent() + second.recent(), 2);
    append(&cluster, &ann, 3).await;
    told(&mut first).await;
    told(&mut second).await;
    assert_eq!(first.recent() + second.recent(), 3);
    assert_eq!(select(&ann, SelectMode::ReadWrite).await.recent(), 0);
    cluster.check(ONE, &[ANN]);
}

#[tokio::test]
async fn m08_select_goes_on_when_the_claim_of_recent_fails() {
    let (cluster, ann) = Cluster::with_account(ANN).await;
    append(&cluster, &ann, 1).await;
    cluster.plan(ONE, [Some(crate::testing::Fault::NotDone)]);
    let view = select(&ann, SelectMode::ReadWrite).await;
    assert_eq!((view.exists(), view.recent()), (1, 0));
    assert_eq!(
        select(&ann, SelectMode::ReadWrite).await.recent(),
        1,
        "left to the next one"
    );
    let before = cluster.proposals(ONE);
    select(&ann, SelectMode::ReadWrite).await;
    assert_eq!(
        cluster.proposals(ONE),
        before,
        "with nothing recent, nothing is proposed"
    );
    cluster.check(ONE, &[ANN]);
}

#[tokio::test]
async fn a_view_of_a_deleted_mailbox_says_so() {
    let (cluster, ann) = Cluster::with_account(ANN).await;
    ann.create(name("gone")).await.unwrap();
    let mut view = ann.select(name("gone"), SelectMode::ReadWrite).await.unwrap();
    ann.delete(name("gone")).await.unwrap();
    let error = view.sync(Freshness::Latest, Expunges::Tell).await.unwrap_err();
    assert_eq!(error.rejection(), Some(Rejection::NoSuchMailbox));
    cluster.check(ONE, &[ANN]);
}

#[tokio::test]
async fn the_feed_names_the_mailboxes_that_changed() {
    let (cluster, ann) = Cluster::with_account(ANN).await;
    let elsewhere = cluster.other_node().account(ANN, ONE);
    let mut view = select(&elsewhere, SelectMode::ReadWrite).await;
    let mut feed = elsewhere.follow();
    assert_eq!(feed.try_next(), None);
    append(&cluster, &ann, 1).await;
    let Some(FeedNews::Changed(event)) = feed.next().await else {
        panic!("an event")
    };
    assert_eq!((event.account, event.mailboxes), (ANN, vec![view.mailbox()]));
    let updates = view.sync(Freshness::Seen, Expunges::Tell).await.unwrap();
    assert!(
        updates.contains(&Update::Exists(1)),
        "a read after the event shows its change"
    );
    cluster.check(ONE, &[ANN]);
}

#[tokio::test]
async fn changes_come_in_pages_without_loss() {
    let (cluster, ann) = Cluster::with_account(ANN).await;
    let mut view = select(&ann, SelectMode::ReadWrite).await;
    let count = u32::try_from(crate::limits::PAGE_ROWS).unwrap() + 100;
    let facts = crate::record::BodyFacts {
        size: 2,
        pop3_size: 4,
        root: *blake3::hash(b"hi").as_bytes(),
    };
    let structure = crate::record::StructureRow {
        parser_version: 1,
        bytes: Vec::new(),
    };
    let record = replication::piece::encode(b"hi", replication::piece::PiecePlace::Whole)
        .unwrap()
        .record;
    cluster.replica(ONE, |replica| {
        let item = |source| crate::command::AppendItem {
            source,
            flags: mail_model::FlagSet::default(),
            date: DATE,
            thread_keys: Vec::new(),
            pop3: None,
        };
        let append = |messages| crate::command::AppendMessages {
            account: ANN,
            mailbox: view.mailbox(),
            seed: crate::IdSeed([1; 16]),
            messages,
        };
        let inline = item(crate::BodySource::Inline { facts, structure });
        replica.apply(append(vec![inline]), Some(record)).unwrap();
        let body = replica.live_blobs()[0];
        let stored = item(crate::BodySource::Stored { body });
        replica.apply(append(vec![stored; count as usize - 1]), None).unwrap();
    });
    assert!(told(&mut view).await.contains(&Update::Exists(count)));
    assert_eq!(select(&ann, SelectMode::ReadOnly).await.entries().len(), count as usize);
    cluster.check(ONE, &[ANN]);
}
