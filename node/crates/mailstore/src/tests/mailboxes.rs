//! Mailboxes and their names.

use mail_model::{MailboxId, SpecialUse};

use crate::front::{Account, Freshness, Sweeper};
use crate::limits::SWEEP_ROWS;
use crate::query::MailboxInfo;
use crate::rejection::{LimitKind, Rejection};
use crate::testing::{ANN, Cluster, ONE, name};

async fn names(account: &Account) -> Vec<String> {
    let list = account.list(Freshness::Latest).await.unwrap();
    list.mailboxes.into_iter().map(|mailbox| mailbox.name).collect()
}

async fn info(account: &Account, text: &str) -> MailboxInfo {
    account.mailbox(name(text), Freshness::Latest).await.unwrap().info
}

async fn fill(cluster: &Cluster, mailbox: MailboxId, count: u32) {
    use crate::command::{AppendItem, AppendMessages};
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
        for _ in 0..count {
            let item = AppendItem {
                source: crate::BodySource::Inline {
                    facts,
                    structure: structure.clone(),
                },
                flags: mail_model::FlagSet::default(),
                date: crate::testing::DATE,
                thread_keys: Vec::new(),
                pop3: None,
            };
            let seed = crate::IdSeed::random();
            let command = AppendMessages {
                account: ANN,
                mailbox,
                seed,
                messages: vec![item],
            };
            replica.apply(command, Some(record.clone())).unwrap();
        }
    });
}

#[tokio::test]
async fn a_new_account_has_inbox_and_the_mailboxes_of_special_use() {
    let (cluster, ann) = Cluster::with_account(ANN).await;
    assert_eq!(
        names(&ann).await,
        ["INBOX", "Archive", "Drafts", "Junk", "Sent", "Trash"]
    );
    assert_eq!(info(&ann, "Sent").await.special_use, Some(SpecialUse::Sent));
    cluster.check(ONE, &[ANN]);
}

#[tokio::test]
async fn create_makes_what_is_missing_above() {
    let (cluster, ann) = Cluster::with_account(ANN).await;
    let id = ann.create(name("a/b/c")).await.unwrap();
    assert_eq!(info(&ann, "a/b/c").await.id, id);
    assert!(info(&ann, "a/b").await.has_children && !info(&ann, "a").await.no_select);
    let taken = ann.create(name("a/b")).await.unwrap_err();
    assert_eq!(taken.rejection(), Some(Rejection::MailboxExists));
    assert_eq!(
        ann.create(name("inbox")).await.unwrap_err().rejection(),
        Some(Rejection::MailboxExists)
    );
    cluster.check(ONE, &[ANN]);
}

#[tokio::test]
async fn m05_delete_and_create_gives_a_new_uidvalidity_and_id() {
    let (cluster, ann) = Cluster::with_account(ANN).await;
    ann.create(name("a")).await.unwrap();
    let before = info(&ann, "a").await;
    fill(&cluster, before.id, 3).await;
    ann.delete(name("a")).await.unwrap();
    let used = ann.quota(Freshness::Latest).await.unwrap();
    assert_eq!((used.messages, used.used_bytes), (0, 0));
    ann.create(name("a")).await.unwrap();
    let after = info(&ann, "a").await;
    assert!(after.uid_validity > before.uid_validity && after.id > before.id);
    assert_eq!((after.messages, after.uid_next), (0, 1));
    assert_eq!(cluster.replica(ONE, |replica| replica.live_blobs().len()), 0);
    cluster.check(ONE, &[ANN]);
}

#[tokio::test]
async fn delete_with_mailboxes_below_leaves_a_name_that_cannot_be_selected() {
    let (cluster, ann) = Cluster::with_account(ANN).await;
    let child = ann.create(name("a/b")).await.unwrap();
    let before = info(&ann, "a").await;
    ann.delete(name("a")).await.unwrap();
    let stand_in = info(&ann, "a").await;
    assert!(stand_in.no_select && stand_in.id != before.id);
    assert_eq!(info(&ann, "a/b").await.id, child, "what lies below stays as it is");
    assert_eq!(
        ann.delete(name("a")).await.unwrap_err().rejection(),
        Some(Rejection::HasChildren)
    );
    let select = ann.select(name("a"), crate::front::SelectMode::ReadWrite).await;
    assert_eq!(select.err().unwrap().rejection(), Some(Rejection::NotSelectable));
    ann.create(name("a")).await.unwrap();
    let again = info(&ann, "a").await;
    assert!(!again.no_select && again.uid_validity > before.uid_validity);
    ann.delete(name("a/b")).await.unwrap();
    ann.delete(name("a")).await.unwrap();
    assert_eq!(
        ann.delete(name("INBOX")).await.unwrap_err().rejection(),
        Some(Rejection::InboxStays)
    );
    cluster.check(ONE, &[ANN]);
}

#[tokio::test]
async fn a_large_mailbox_is_deleted_at_once_and_swept_in_steps() {
    let (cluster, ann) = Cluster::with_account(ANN).await;
    let id = ann.create(name("big")).await.unwrap();
    fill(&cluster, id, u32::try_from(SWEEP_ROWS).unwrap() + 5).await;
    ann.delete(name("big")).await.unwrap();
    assert!(!names(&ann).await.contains(&"big".to_owned()));
    assert_ne!(cluster.replica(ONE, |replica| replica.live_blobs().len()), 0);
    let sweeper = Sweeper::new(cluster.mailstore().clone());
    sweeper.sweep(ONE, cluster.now_ms(ONE)).await.unwrap();
    assert_eq!(cluster.replica(ONE, |replica| replica.live_blobs().len()), 0);
    let left = cluster.replica(ONE, |replica| {
        (0x05..=0x09).map(|table| replica.count_rows(table)).sum::<usize>()
    });
    assert_eq!(left, 0, "no message row is left");
    cluster.check(ONE, &[ANN]);
}

#[tokio::test]
async fn m05_rename_keeps_ids_and_takes_the_tree_along() {
    let (cluster, ann) = Cluster::with_account(ANN).await;
    ann.create(name("a/b/c")).await.unwrap();
    let before = (info(&ann, "a/b").await, info(&ann, "a/b/c").await);
    ann.rename(name("a/b"), name("x/y")).await.unwrap();
    let after = (info(&ann, "x/y").await, info(&ann, "x/y/c").await);
    assert_eq!((after.0.id, after.0.uid_validity), (before.0.id, before.0.uid_validity));
    assert_eq!((after.1.id, after.1.uid_validity), (before.1.id, before.1.uid_validity));
    for (from, to, why) in [
        ("x/y", "x/y/z", Rejection::BelowItself),
        ("x/y", "Sent", Rejection::MailboxExists),
        ("nothing", "new", Rejection::NoSuchMailbox),
    ] {
        assert_eq!(
            ann.rename(name(from), name(to)).await.unwrap_err().rejection(),
            Some(why)
        );
    }
    let long = "z".repeat(mail_model::NAME_BYTES_MAX - 1);
    let error = ann.rename(name("x/y"), name(&long)).await.unwrap_err();
    assert_eq!(error.rejection(), Some(Rejection::Limit(LimitKind::NameLength)));
    cluster.check(ONE, &[ANN]);
}

#[tokio::test]
async fn m05_rename_of_inbox_moves_its_messages_and_inbox_stays() {
    let (cluster, ann) = Cluster::with_account(ANN).await;
    let before = info(&ann, "INBOX").await;
    fill(&cluster, before.id, 3).await;
    ann.rename(name("INBOX"), name("old/mail")).await.unwrap();
    let (inbox, old) = (info(&ann, "INBOX").await, info(&ann, "old/mail").await);
    assert_eq!(
        (inbox.id, inbox.uid_validity, inbox.uid_next, inbox.messages),
        (before.id, before.uid_validity, 4, 0)
    );
    assert_eq!((old.messages, old.uid_next), (3, 4));
    ann.create(name("INBOX/sub")).await.unwrap();
    ann.rename(name("INBOX/sub"), name("INBOX/other")).await.unwrap();
    cluster.check(ONE, &[ANN]);
}

#[tokio::test]
async fn m06_names_differ_by_case_except_inbox_and_subscriptions_survive_delete() {
    let (cluster, ann) = Cluster::with_account(ANN).await;
    ann.create(name("Work")).await.unwrap();
    ann.create(name("work")).await.unwrap();
    ann.set_subscription(name("Work"), true).await.unwrap();
    ann.set_subscription(name("Work"), true).await.unwrap();
    ann.set_subscription(name("no such mailbox"), true).await.unwrap();
    ann.delete(name("Work")).await.unwrap();
    let list = ann.list(Freshness::Latest).await.unwrap();
    assert_eq!(list.subscriptions, ["Work", "no such mailbox"]);
    ann.set_subscription(name("Work"), false).await.unwrap();
    assert_eq!(
        ann.list(Freshness::Latest).await.unwrap().subscriptions,
        ["no such mailbox"]
    );
    assert!(names(&ann).await.contains(&"work".to_owned()));
    cluster.check(ONE, &[ANN]);
}
