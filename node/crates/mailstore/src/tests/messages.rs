//! Flags, COPY, MOVE, EXPUNGE, and what stays of an expunged message.

use std::time::Duration;

use mail_model::{ModSeq, SystemFlags};

use crate::command::StoreMode;
use crate::front::{Account, ErrorClass, Freshness, NewMessage, SelectMode, StoreError, Sweeper};
use crate::limits::{KEPT_BODY_MS, KEYWORDS_PER_MAILBOX, KEYWORDS_PER_MESSAGE, TOMBSTONE_MS};
use crate::rejection::{LimitKind, Rejection};
use crate::testing::{ANN, Cluster, DATE, ONE, flags, keyword, message, name, uid, uids};

async fn with_messages(count: u64) -> (Cluster, Account, mail_model::MailboxId) {
    let (cluster, ann) = Cluster::with_account(ANN).await;
    let inbox = ann.mailbox(name("INBOX"), Freshness::Latest).await.unwrap().info.id;
    for number in 1..=count {
        let body = cluster.body(&[ONE], &message(number)).await;
        let new = NewMessage {
            body,
            flags: flags(SystemFlags::NONE, &[]),
            date: DATE,
            pop3: None,
        };
        ann.append(inbox, new).await.unwrap();
    }
    (cluster, ann, inbox)
}

async fn modseq(account: &Account) -> ModSeq {
    account.quota(Freshness::Latest).await.unwrap().modseq
}

#[tokio::test]
async fn m03_a_command_is_one_step_of_the_accounts_counter_and_nothing_is_none() {
    let (cluster, ann, inbox) = with_messages(3).await;
    let before = modseq(&ann).await;
    let seen = flags(SystemFlags::SEEN, &[]);
    let stored = ann
        .store_flags(inbox, &uids(&[1, 2, 3]), StoreMode::Add, &seen)
        .await
        .unwrap();
    assert_eq!(
        (stored[0].modseq, modseq(&ann).await),
        (ModSeq(before.0 + 1), ModSeq(before.0 + 1))
    );
    let stored = ann
        .store_flags(inbox, &uids(&[1, 2, 9]), StoreMode::Add, &seen)
        .await
        .unwrap();
    assert!(stored[0].changed.is_empty());
    ann.expunge(inbox, &uids(&[1])).await.unwrap();
    assert_eq!(modseq(&ann).await, ModSeq(before.0 + 1), "nothing was \\Deleted");
    let info = ann.mailbox(inbox, Freshness::Latest).await.unwrap().info;
    assert_eq!((info.unseen, info.highest_modseq), (0, ModSeq(before.0 + 1)));
    cluster.check(ONE, &[ANN]);
}

#[tokio::test]
async fn m07_keywords_keep_their_first_spelling_and_compare_without_case() {
    let (cluster, ann, inbox) = with_messages(2).await;
    for (number, spelling) in [(1, "Work"), (2, "WORK")] {
        let work = flags(SystemFlags::NONE, &[spelling]);
        ann.store_flags(inbox, &uids(&[number]), StoreMode::Add, &work)
            .await
            .unwrap();
    }
    let view = ann.select(inbox, SelectMode::ReadOnly).await.unwrap();
    assert_eq!(view.keywords().iter().map(|k| k.as_str()).collect::<Vec<_>>(), ["Work"]);
    assert!(view.entries().iter().all(|entry| entry.keywords.contains(0)));
    ann.store_flags(
        inbox,
        &uids(&[1, 2]),
        StoreMode::Remove,
        &flags(SystemFlags::NONE, &["wOrK", "other"]),
    )
    .await
    .unwrap();
    let view = ann.select(inbox, SelectMode::ReadOnly).await.unwrap();
    assert!(view.entries().iter().all(|entry| entry.keywords.is_empty()));
    assert_eq!(view.keywords().len(), 1, "taking away registers nothing");
    cluster.check(ONE, &[ANN]);
}

#[tokio::test]
async fn m07_there_is_a_limit_of_keywords_for_a_message_and_for_a_mailbox() {
    let (cluster, ann, inbox) = with_messages(1).await;
    let many = |from: usize, count: usize| {
        let mut set = flags(SystemFlags::NONE, &[]);
        set.keywords = (from..from + count)
            .map(|number| keyword(&format!("k{number}")))
            .collect();
        set
    };
    let rejection = |outcome: Result<_, StoreError>| outcome.map(drop).unwrap_err().rejection();
    let all = uids(&[1]);
    let error = ann
        .store_flags(inbox, &all, StoreMode::Replace, &many(0, KEYWORDS_PER_MESSAGE + 1))
        .await;
    assert_eq!(rejection(error), Some(Rejection::Limit(LimitKind::KeywordsOfMessage)));
    ann.store_flags(inbox, &all, StoreMode::Replace, &many(0, KEYWORDS_PER_MESSAGE))
        .await
        .unwrap();
    let error = ann.store_flags(inbox, &all, StoreMode::Add, &many(500, 1)).await;
    assert_eq!(rejection(error), Some(Rejection::Limit(LimitKind::KeywordsOfMessage)));
    for from in (KEYWORDS_PER_MESSAGE..KEYWORDS_PER_MAILBOX).step_by(KEYWORDS_PER_MESSAGE) {
        ann.store_flags(inbox, &all, StoreMode::Replace, &many(from, KEYWORDS_PER_MESSAGE))
            .await
            .unwrap();
    }
    let error = ann
        .store_flags(inbox, &all, StoreMode::Replace, &many(KEYWORDS_PER_MAILBOX, 1))
        .await;
    assert_eq!(rejection(error), Some(Rejection::Limit(LimitKind::KeywordsOfMailbox)));
    cluster.check(ONE, &[ANN]);
}

#[tokio::test]
async fn copy_shares_body_and_ids_and_carries_flags_and_keywords() {
    let (cluster, ann, inbox) = with_messages(3).await;
    let archive = ann.mailbox(name("Archive"), Freshness::Latest).await.unwrap().info.id;
    let set = flags(SystemFlags::FLAGGED, &["a", "b"]);
    ann.store_flags(inbox, &uids(&[2]), StoreMode::Replace, &set)
        .await
        .unwrap();
    let copied = ann.copy(inbox, &uids(&[2, 3, 7]), archive).await.unwrap();
    assert_eq!(copied.source, uids(&[2, 3]).into_iter().collect());
    let target = copied.target.unwrap();
    assert_eq!((target.first, target.last), (uid(1), uid(2)));
    let (from, _) = ann.details(inbox, &uids(&[2]), false).await.unwrap();
    let (to, _) = ann.details(archive, &uids(&[1]), false).await.unwrap();
    assert_eq!(
        (from[0].cold.email, from[0].cold.thread),
        (to[0].cold.email, to[0].cold.thread)
    );
    assert_eq!(from[0].body.pieces, to[0].body.pieces);
    let view = ann.select(archive, SelectMode::ReadOnly).await.unwrap();
    assert_eq!(view.entries()[0].flags, SystemFlags::FLAGGED);
    assert_eq!(view.entries()[0].keywords.len(), 2);
    let none = ann.copy(inbox, &uids(&[8]), archive).await.unwrap();
    assert_eq!(none.target, None);
    cluster.check(ONE, &[ANN]);
}

#[tokio::test]
async fn a_moved_message_is_in_one_mailbox_at_every_instant() {
    let (cluster, ann, inbox) = with_messages(3).await;
    let trash = ann.mailbox(name("Trash"), Freshness::Latest).await.unwrap().info.id;
    let moved = ann.move_messages(inbox, &uids(&[1, 3]), trash).await.unwrap();
    assert_eq!(moved[0].source, uids(&[1, 3]).into_iter().collect());
    let counts = (
        ann.mailbox(inbox, Freshness::Latest).await.unwrap().info.messages,
        ann.mailbox(trash, Freshness::Latest).await.unwrap().info.messages,
    );
    assert_eq!(counts, (1, 2));
    assert_eq!(ann.quota(Freshness::Latest).await.unwrap().messages, 3);
    cluster.plan(ONE, [Some(crate::testing::Fault::NotDone)]);
    let (done, error) = ann.move_messages(inbox, &uids(&[2]), trash).await.unwrap_err();
    assert!(done.is_empty());
    assert_eq!(error.class(), ErrorClass::Temporary);
    // Onto itself: new UIDs, the same messages.
    ann.move_messages(trash, &uids(&[1]), trash).await.unwrap();
    cluster.check(ONE, &[ANN]);
}

#[tokio::test]
async fn m11_an_expunged_message_is_kept_for_those_who_still_show_it_and_then_freed() {
    let (cluster, ann, inbox) = with_messages(2).await;
    ann.store_flags(inbox, &uids(&[1]), StoreMode::Add, &flags(SystemFlags::DELETED, &[]))
        .await
        .unwrap();
    assert_eq!(
        ann.expunge(inbox, &uids(&[1, 2])).await.unwrap(),
        uids(&[1]).into_iter().collect()
    );
    let (details, _) = ann.details(inbox, &uids(&[1, 2]), false).await.unwrap();
    assert_eq!(
        details.iter().map(|details| details.expunged).collect::<Vec<_>>(),
        [true, false]
    );
    let mut reader = ann.read(&details[0], 0..u64::MAX);
    assert_eq!(reader.next().await.unwrap().unwrap(), message(1));
    cluster.check(ONE, &[ANN]);

    let sweeper = Sweeper::new(cluster.mailstore().clone());
    cluster.pass(ONE, Duration::from_millis(KEPT_BODY_MS - 1));
    sweeper.sweep(ONE, cluster.now_ms(ONE)).await.unwrap();
    assert_eq!(cluster.replica(ONE, |replica| replica.live_blobs().len()), 2, "not yet");
    cluster.pass(ONE, Duration::from_millis(1));
    sweeper.sweep(ONE, cluster.now_ms(ONE)).await.unwrap();
    assert_eq!(cluster.replica(ONE, |replica| replica.live_blobs().len()), 1);
    let (gone, _) = ann.details(inbox, &uids(&[1]), false).await.unwrap();
    assert!(gone.is_empty());
    let error = ann.read(&details[0], 0..u64::MAX).next().await.unwrap_err();
    assert!(matches!(error, StoreError::Expunged));
    cluster.check(ONE, &[ANN]);
}

#[tokio::test]
async fn m03_a_tombstone_goes_at_its_time_and_the_mailbox_remembers_up_to_where() {
    let (cluster, ann, inbox) = with_messages(3).await;
    let mut view = ann.select(inbox, SelectMode::ReadWrite).await.unwrap();
    ann.store_flags(inbox, &uids(&[2]), StoreMode::Add, &flags(SystemFlags::DELETED, &[]))
        .await
        .unwrap();
    ann.expunge(inbox, &uids(&[2])).await.unwrap();
    let expunged_at = modseq(&ann).await;
    let sweeper = Sweeper::new(cluster.mailstore().clone());
    for time in [KEPT_BODY_MS, TOMBSTONE_MS - KEPT_BODY_MS] {
        cluster.pass(ONE, Duration::from_millis(time));
        sweeper.sweep(ONE, cluster.now_ms(ONE)).await.unwrap();
    }
    assert_eq!(cluster.replica(ONE, |replica| replica.count_rows(0x08)), 0);
    assert_eq!(
        ann.mailbox(inbox, Freshness::Latest).await.unwrap().tombstone_floor,
        expunged_at
    );
    // Whoever slept for that long is still told.
    let updates = view
        .sync(Freshness::Latest, crate::front::Expunges::Tell)
        .await
        .unwrap();
    assert!(updates.contains(&crate::front::Update::Expunged(mail_model::SeqNum::new(2).unwrap())));
    assert_eq!(view.exists(), 2);
    cluster.check(ONE, &[ANN]);
}

#[tokio::test]
async fn m02_apply_takes_structure_and_sizes_as_the_command_gives_them() {
    let (cluster, ann, inbox) = with_messages(1).await;
    let (details, _) = ann.details(inbox, &uids(&[1]), true).await.unwrap();
    let stored = details[0].structure.clone().unwrap();
    assert_eq!(stored.parser_version, mail_message::PARSER_VERSION);
    // Entries of an older or newer parser are applied as they are.
    let other = crate::record::StructureRow {
        parser_version: 999,
        bytes: b"not ours".to_vec(),
    };
    let facts = crate::record::BodyFacts {
        size: 2,
        pop3_size: 4,
        root: *blake3::hash(b"hi").as_bytes(),
    };
    let record = replication::piece::encode(b"hi", replication::piece::PiecePlace::Whole)
        .unwrap()
        .record;
    cluster.replica(ONE, |replica| {
        let command = crate::command::Deliver {
            spanning: None,
            received_ms: 0,
            seed: crate::IdSeed::random(),
            source: crate::BodySource::Inline {
                facts,
                structure: other.clone(),
            },
            thread_keys: Vec::new(),
            date: DATE,
            delivery: crate::DeliveryId([1; 16]),
            recipients: vec![crate::command::DeliverTo {
                account: ANN,
                prefix: Vec::new(),
                key: None,
            }],
        };
        replica.apply(command, Some(record)).unwrap();
    });
    let (details, _) = ann.details(inbox, &uids(&[2]), true).await.unwrap();
    assert_eq!(details[0].structure, Some(other));
    cluster.check(ONE, &[ANN]);
}

#[tokio::test]
async fn m04_ids_do_not_depend_on_group_or_log_position() {
    let mut seen = Vec::new();
    for (group, padding) in [(ONE, 0), (crate::testing::TWO, 5)] {
        let mut replica = crate::testing::Replica::new(group);
        for _ in 0..padding {
            replica
                .apply(
                    crate::command::AbortUpload {
                        upload: crate::UploadId([0; 16]),
                    },
                    None,
                )
                .unwrap();
        }
        replica
            .apply(
                crate::command::EnsureAccount {
                    account: ANN,
                    quota_bytes: None,
                },
                None,
            )
            .unwrap();
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
        let command = crate::command::Deliver {
            spanning: None,
            received_ms: 0,
            seed: crate::IdSeed([7; 16]),
            source: crate::BodySource::Inline { facts, structure },
            thread_keys: Vec::new(),
            date: DATE,
            delivery: crate::DeliveryId([1; 16]),
            recipients: vec![crate::command::DeliverTo {
                account: ANN,
                prefix: Vec::new(),
                key: None,
            }],
        };
        let outcomes = replica.apply(command, Some(record)).unwrap().outcomes;
        let listed = replica
            .ask(crate::query::GetMaildrop { account: ANN, from: 0 })
            .unwrap();
        seen.push((outcomes, listed));
        replica.check(&[ANN]);
    }
    assert_eq!(seen[0], seen[1]);
}
