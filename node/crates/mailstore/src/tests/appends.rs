//! MULTIAPPEND: all messages of a command or none, and nothing left of those that became no messages.

use std::time::Duration;

use mail_model::{MailboxId, SystemFlags};

use crate::front::{Account, Appending, Body, ErrorClass, Freshness, NewMessage, SelectMode, StoreError, Sweeper};
use crate::limits::{KEYWORDS_PER_MESSAGE, MESSAGES_PER_APPEND, UPLOAD_IDLE_MS};
use crate::rejection::{LimitKind, Rejection};
use crate::testing::{ANN, Cluster, DATE, Fault, ONE, flags, keyword, message, name, noise};

fn new(body: Body) -> NewMessage {
    NewMessage {
        body,
        flags: flags(SystemFlags::NONE, &[]),
        date: DATE,
        pop3: None,
    }
}

async fn with_inbox() -> (Cluster, Account, MailboxId) {
    let (cluster, ann) = Cluster::with_account(ANN).await;
    let inbox = ann.mailbox(name("INBOX"), Freshness::Latest).await.unwrap().info.id;
    (cluster, ann, inbox)
}

async fn small(cluster: &Cluster, number: u64) -> NewMessage {
    new(cluster.body(&[ONE], &message(number)).await)
}

/// Two small messages and one of three pieces, after which a last one has to come.
async fn three(cluster: &Cluster, account: &Account, mailbox: MailboxId) -> Appending {
    let mut appending = account.appending(mailbox);
    appending.push(small(cluster, 1).await).await.unwrap();
    appending
        .push(new(cluster.body(&[ONE], &noise(600_000)).await))
        .await
        .unwrap();
    appending.push(small(cluster, 3).await).await.unwrap();
    appending
}

/// No message, no body, no upload.
async fn nothing_is_left(cluster: &Cluster, account: &Account) {
    assert_eq!(account.quota(Freshness::Latest).await.unwrap().messages, 0);
    let (blobs, uploads) = cluster.replica(ONE, |replica| {
        let uploads = (0x0C..=0x0E).map(|table| replica.count_rows(table)).sum::<usize>();
        (replica.live_blobs().len(), uploads)
    });
    assert_eq!((blobs, uploads), (0, 0));
    cluster.check(ONE, &[ANN]);
}

async fn sweep(cluster: &Cluster) {
    cluster.pass(ONE, Duration::from_millis(UPLOAD_IDLE_MS));
    let sweeper = Sweeper::new(cluster.mailstore().clone());
    sweeper.sweep(ONE, cluster.now_ms(ONE)).await.unwrap();
}

#[tokio::test]
async fn d18_messages_of_one_command_are_one_entry_and_one_step() {
    let (cluster, ann, inbox) = with_inbox().await;
    let before = ann.quota(Freshness::Latest).await.unwrap().modseq;
    let appending = three(&cluster, &ann, inbox).await;
    assert_eq!(ann.quota(Freshness::Latest).await.unwrap().messages, 0, "not yet");
    let last = small(&cluster, 4).await;
    let appended = appending.finish(last).await.unwrap();
    assert_eq!((appended.uids.first.get(), appended.uids.last.get()), (1, 4));
    // The pieces of the first three, and one entry that has the body of the last one.
    assert_eq!(cluster.proposals(ONE), 1 + 1 + 3 + 1 + 1);
    let after = ann.quota(Freshness::Latest).await.unwrap();
    assert_eq!((after.messages, after.modseq.0), (4, before.0 + 1));
    let view = ann.select(inbox, SelectMode::ReadOnly).await.unwrap();
    let expected = [message(1), noise(600_000), message(3), message(4)];
    for (entry, bytes) in view.entries().iter().zip(expected) {
        let (details, _) = ann.details(inbox, &[entry.uid], false).await.unwrap();
        let mut reader = ann.read(&details[0], 0..u64::MAX);
        let mut read = Vec::new();
        while let Some(some) = reader.next().await.unwrap() {
            read.extend_from_slice(&some);
        }
        assert!(read == bytes, "UID {}", entry.uid);
    }
    cluster.check(ONE, &[ANN]);
}

#[tokio::test]
async fn a_refused_command_appends_none_and_frees_all() {
    let (cluster, ann, inbox) = with_inbox().await;
    let rejection = |outcome: Result<_, StoreError>| outcome.map(drop).unwrap_err().rejection();

    // The mailbox goes while the messages come.
    let gone = ann.create(name("gone")).await.unwrap();
    let appending = three(&cluster, &ann, gone).await;
    ann.delete(name("gone")).await.unwrap();
    let outcome = appending.finish(small(&cluster, 4).await).await;
    assert_eq!(rejection(outcome), Some(Rejection::NoSuchMailbox));
    nothing_is_left(&cluster, &ann).await;

    // The quota is used up by the first two of them.
    ann.set_quota(Some(600_000)).await.unwrap();
    let appending = three(&cluster, &ann, inbox).await;
    let outcome = appending.finish(small(&cluster, 4).await).await;
    assert_eq!(rejection(outcome), Some(Rejection::OverQuota));
    nothing_is_left(&cluster, &ann).await;
    ann.set_quota(None).await.unwrap();

    // The last one has too many keywords.
    let appending = three(&cluster, &ann, inbox).await;
    let mut last = small(&cluster, 4).await;
    last.flags.keywords = (0..=KEYWORDS_PER_MESSAGE)
        .map(|at| keyword(&format!("k{at}")))
        .collect();
    let outcome = appending.finish(last).await;
    let limit = LimitKind::KeywordsOfMessage;
    assert_eq!(rejection(outcome), Some(Rejection::Limit(limit)));
    nothing_is_left(&cluster, &ann).await;
}

#[tokio::test]
async fn a_command_that_is_given_up_leaves_nothing() {
    let (cluster, ann, inbox) = with_inbox().await;
    three(&cluster, &ann, inbox).await.abort().await;
    nothing_is_left(&cluster, &ann).await;

    // Its session dies.
    let appending = three(&cluster, &ann, inbox).await;
    for _ in 0..8 {
        tokio::task::yield_now().await;
    }
    drop(appending);
    assert_eq!(cluster.replica(ONE, |replica| replica.live_blobs().len()), 5);
    sweep(&cluster).await;
    nothing_is_left(&cluster, &ann).await;
}

#[tokio::test]
async fn p6_an_upload_without_an_answer_is_certainly_no_message() {
    let (cluster, ann, inbox) = with_inbox().await;
    for fault in [Fault::LostAnswer, Fault::NotDone] {
        let mut appending = ann.appending(inbox);
        appending.push(small(&cluster, 1).await).await.unwrap();
        cluster.plan(ONE, [Some(fault)]);
        let error = appending.finish(small(&cluster, 2).await).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Temporary, "{fault:?}");
        nothing_is_left(&cluster, &ann).await;
    }
}

#[tokio::test]
async fn p6_a_command_without_an_answer_is_uncertain_and_whole() {
    let (cluster, ann, inbox) = with_inbox().await;
    let mut appending = ann.appending(inbox);
    appending.push(small(&cluster, 1).await).await.unwrap();
    cluster.plan(ONE, [None, Some(Fault::LostAnswer)]);
    let error = appending.finish(small(&cluster, 2).await).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Uncertain);
    assert_eq!(ann.quota(Freshness::Latest).await.unwrap().messages, 2);
    cluster.check(ONE, &[ANN]);
}

#[tokio::test]
async fn giving_up_does_not_wait_for_a_group_out_of_reach_again_and_again() {
    let (cluster, ann, inbox) = with_inbox().await;
    let mut appending = ann.appending(inbox);
    for number in 0..10 {
        appending.push(small(&cluster, number).await).await.unwrap();
    }
    for _ in 0..30 {
        tokio::task::yield_now().await;
    }
    let before = cluster.proposals(ONE);
    cluster.plan(ONE, [Some(Fault::NotDone); 10]);
    appending.abort().await;
    assert_eq!(cluster.proposals(ONE), before + 1);
    cluster.heal();
    sweep(&cluster).await;
    nothing_is_left(&cluster, &ann).await;
}

#[tokio::test]
async fn a_command_carries_so_many_messages_and_no_more() {
    let (cluster, ann, inbox) = with_inbox().await;
    let mut appending = ann.appending(inbox);
    for number in 1..MESSAGES_PER_APPEND as u64 {
        appending.push(small(&cluster, number).await).await.unwrap();
    }
    appending.finish(small(&cluster, 0).await).await.unwrap();
    let messages = ann.quota(Freshness::Latest).await.unwrap().messages;
    assert_eq!(messages, MESSAGES_PER_APPEND as u64);

    let mut appending = ann.appending(inbox);
    for number in 0..MESSAGES_PER_APPEND as u64 {
        appending.push(small(&cluster, number).await).await.unwrap();
    }
    let error = appending.finish(small(&cluster, 0).await).await.unwrap_err();
    assert_eq!(error.rejection(), Some(Rejection::Limit(LimitKind::Messages)));
    assert_eq!(ann.quota(Freshness::Latest).await.unwrap().messages, messages);
    cluster.check(ONE, &[ANN]);
}
