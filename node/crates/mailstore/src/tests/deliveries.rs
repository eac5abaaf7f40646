//! Deliveries and appended messages: who gets what, what is shared, what is said when a group is not well.

use mail_model::{SystemFlags, Uid};

use crate::front::{
    Accepted, DeliverRecipient, Delivery, DeliveryCloser, ErrorClass, Freshness, NewMessage, Origin, Placed, StoreError,
};
use crate::limits::RECIPIENTS_PER_COMMAND;
use crate::rejection::Rejection;
use crate::testing::{ANN, BOB, Cluster, DATE, Fault, ONE, TWO, flags, message, name, noise, uid, uids};

fn to(account: mail_model::AccountId, group: mail_model::GroupId) -> DeliverRecipient {
    let prefix = format!("Delivered-To: {account}\r\n").into_bytes();
    let path = format!("{account}@test.example");
    DeliverRecipient {
        account,
        group,
        prefix,
        path,
    }
}

/// A transaction that nobody repeats.
fn once() -> Delivery {
    Delivery {
        id: crate::DeliveryId::random(),
        date: DATE,
        origin: None,
        received_ms: 1_790_000_000_000,
        message_id: None,
        may_queue: false,
    }
}

/// A transaction of a client that sends again when it did not get its reply.
fn sent(recipients: &[&str]) -> Delivery {
    let origin = Origin {
        network: "192.0.2.0/24".to_owned(),
        sender: "carl@test.example".to_owned(),
        recipients: recipients.iter().map(|text| (*text).to_owned()).collect(),
    };
    Delivery {
        origin: Some(origin),
        ..once()
    }
}

async fn bytes_of(account: &crate::front::Account, mailbox: mail_model::MailboxId, uid: Uid) -> Vec<u8> {
    let (details, more) = account.details(mailbox, &[uid], false).await.expect("read");
    assert!(!more);
    let mut reader = account.read(&details[0], 0..u64::MAX);
    let mut bytes = Vec::new();
    while let Some(part) = reader.next().await.expect("read") {
        bytes.extend_from_slice(&part);
    }
    assert_eq!(reader.left(), 0);
    bytes
}

fn placed(answer: &Result<Accepted, StoreError>) -> Placed {
    match answer.as_ref().expect("delivered") {
        Accepted::Placed(placed) => *placed,
        Accepted::Queued(queued) => panic!("{queued:?}"),
    }
}

#[tokio::test]
async fn m01_recipients_share_the_body_and_not_the_prefix() {
    let (cluster, ann) = Cluster::with_account(ANN).await;
    let bob = cluster.mailstore().account(BOB, ONE);
    bob.ensure(None).await.unwrap();
    let body = cluster.body(&[ONE], &message(1)).await;
    let answers = cluster
        .mailstore()
        .deliver(body, &once(), &[to(ANN, ONE), to(BOB, ONE)])
        .await
        .answers;
    let (of_ann, of_bob) = (placed(&answers[0]), placed(&answers[1]));
    assert_ne!(of_ann.email, of_bob.email, "ids of accounts have nothing in common");
    assert_eq!(cluster.replica(ONE, |replica| replica.live_blobs().len()), 1);
    for (account, placed) in [(&ann, of_ann), (&bob, of_bob)] {
        let expected = [format!("Delivered-To: {}\r\n", account.id()).as_bytes(), &message(1)].concat();
        assert_eq!(bytes_of(account, placed.mailbox, placed.uid).await, expected);
        assert_eq!(
            account.quota(Freshness::Seen).await.unwrap().used_bytes,
            expected.len() as u64
        );
    }
    cluster.check(ONE, &[ANN, BOB]);
}

#[tokio::test]
async fn a_large_message_is_one_body_of_many_pieces_and_reads_back_in_any_range() {
    let (cluster, ann) = Cluster::with_account(ANN).await;
    let bytes = noise(600_000);
    let body = cluster.body(&[ONE], &bytes).await;
    let answers = cluster
        .mailstore()
        .deliver(body, &once(), &[to(ANN, ONE)])
        .await
        .answers;
    let placed = placed(&answers[0]);
    assert_eq!(cluster.replica(ONE, |replica| replica.live_blobs().len()), 3);
    let whole = [b"Delivered-To: 11\r\n".as_slice(), &bytes].concat();
    assert_eq!(bytes_of(&ann, placed.mailbox, placed.uid).await, whole);
    let (details, _) = ann.details(placed.mailbox, &[placed.uid], true).await.unwrap();
    for (from, to) in [
        (0, 5),
        (17, 19),
        (100, 100),
        (262_161, 262_162),
        (599_000, 9_999_999),
        (250_000, 530_000),
    ] {
        let mut reader = ann.read(&details[0], from..to);
        let mut part = Vec::new();
        while let Some(bytes) = reader.next().await.unwrap() {
            part.extend_from_slice(&bytes);
        }
        let end = usize::try_from(to).unwrap().min(whole.len());
        assert_eq!(part, whole[usize::try_from(from).unwrap()..end]);
    }
    assert_eq!(ann.structure(&details[0]).await.unwrap().size, 600_000);
    cluster.check(ONE, &[ANN]);
}

#[tokio::test]
async fn a_piece_that_is_not_the_one_that_was_stored_is_never_served() {
    let (cluster, ann) = Cluster::with_account(ANN).await;
    let body = cluster.body(&[ONE], &message(1)).await;
    let placed = placed(
        &cluster
            .mailstore()
            .deliver(body, &once(), &[to(ANN, ONE)])
            .await
            .answers[0],
    );
    let (details, _) = ann.details(placed.mailbox, &[placed.uid], false).await.unwrap();
    let other = replication::piece::encode(&message(2), replication::piece::PiecePlace::Whole).unwrap();
    let blob = details[0].body.pieces[0].blob;
    cluster.replica(ONE, |replica| replica.blobs.insert(blob.0, other.record));
    let mut reader = ann.read(&details[0], 0..u64::MAX);
    assert!(reader.next().await.unwrap().is_some(), "the prefix");
    let error = reader.next().await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Server);
}

#[tokio::test]
async fn m13_each_recipient_has_its_own_answer() {
    let cluster = Cluster::new(&[ONE, TWO]);
    let (ann, bob) = (
        cluster.mailstore().account(ANN, ONE),
        cluster.mailstore().account(BOB, TWO),
    );
    ann.ensure(None).await.unwrap();
    bob.ensure(None).await.unwrap();
    let missing = mail_model::AccountId(99);
    let body = cluster.body(&[ONE, TWO], &message(1)).await;
    cluster.plan(TWO, [Some(Fault::NotDone)]);
    let recipients = [to(ANN, ONE), to(BOB, TWO), to(missing, ONE), to(ANN, ONE)];
    let answers = cluster.mailstore().deliver(body, &once(), &recipients).await.answers;
    assert_eq!(placed(&answers[0]), placed(&answers[3]), "one account, one message");
    assert_eq!(answers[1].as_ref().unwrap_err().class(), ErrorClass::Temporary);
    assert_eq!(
        answers[2].as_ref().unwrap_err().rejection(),
        Some(Rejection::NoSuchAccount)
    );
    assert_eq!(bob.quota(Freshness::Latest).await.unwrap().messages, 0);
    assert_eq!(ann.quota(Freshness::Latest).await.unwrap().messages, 1);
    cluster.check(ONE, &[ANN]);
    cluster.check(TWO, &[BOB]);
}

#[tokio::test]
async fn an_answer_that_was_lost_is_said_to_be_uncertain() {
    let (cluster, _) = Cluster::with_account(ANN).await;
    let body = cluster.body(&[ONE], &message(1)).await;
    cluster.plan(ONE, [Some(Fault::LostAnswer)]);
    let answers = cluster
        .mailstore()
        .deliver(body, &once(), &[to(ANN, ONE)])
        .await
        .answers;
    assert_eq!(answers[0].as_ref().unwrap_err().class(), ErrorClass::Uncertain);
    cluster.check(ONE, &[ANN]);
}

#[tokio::test]
async fn m13_quota_may_be_overrun_by_one_message_and_nothing_is_kept_of_the_next() {
    let (cluster, ann) = Cluster::with_account(ANN).await;
    ann.set_quota(Some(50)).await.unwrap();
    assert!(ann.quota(Freshness::Latest).await.unwrap().fits(50));
    assert!(!ann.quota(Freshness::Latest).await.unwrap().fits(51));
    for (number, expected) in [(1, None), (2, Some(Rejection::OverQuota))] {
        let body = cluster.body(&[ONE], &message(number)).await;
        let answers = cluster
            .mailstore()
            .deliver(body, &once(), &[to(ANN, ONE)])
            .await
            .answers;
        assert_eq!(answers[0].as_ref().err().and_then(StoreError::rejection), expected);
    }
    let large = cluster.body(&[ONE], &noise(300_000)).await;
    let answers = cluster
        .mailstore()
        .deliver(large, &once(), &[to(ANN, ONE)])
        .await
        .answers;
    assert_eq!(answers[0].as_ref().unwrap_err().rejection(), Some(Rejection::OverQuota));
    assert_eq!(
        cluster.replica(ONE, |replica| replica.live_blobs().len()),
        1,
        "nobody took the upload: it is gone"
    );
    cluster.check(ONE, &[ANN]);
}

#[tokio::test]
async fn more_recipients_than_one_command_takes_still_share_one_body() {
    let (cluster, _) = Cluster::with_account(ANN).await;
    let count = RECIPIENTS_PER_COMMAND as u64 + 6;
    let accounts: Vec<_> = (100..100 + count).map(mail_model::AccountId).collect();
    for account in &accounts {
        cluster.mailstore().account(*account, ONE).ensure(None).await.unwrap();
    }
    let body = cluster.body(&[ONE], &message(1)).await;
    let recipients: Vec<_> = accounts.iter().map(|account| to(*account, ONE)).collect();
    let answers = cluster.mailstore().deliver(body, &once(), &recipients).await.answers;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(cluster.replica(ONE, |replica| replica.live_blobs().len()), 1);
    cluster.check(ONE, &accounts);
}

#[tokio::test]
async fn appended_messages_come_all_or_none_and_name_their_uids() {
    let (cluster, ann) = Cluster::with_account(ANN).await;
    let inbox = ann.mailbox(name("INBOX"), Freshness::Latest).await.unwrap().info;
    let new = |body, keywords: &[&str]| NewMessage {
        body,
        flags: flags(SystemFlags::SEEN, keywords),
        date: DATE,
        pop3: None,
    };
    let mut appending = ann.appending(inbox.id);
    for number in 1..=2 {
        let message = new(cluster.body(&[ONE], &message(number)).await, &["$work"]);
        appending.push(message).await.unwrap();
    }
    let last = new(cluster.body(&[ONE], &message(3)).await, &["$work"]);
    let appended = appending.finish(last).await.unwrap();
    assert_eq!((appended.uids.first, appended.uids.last), (uid(1), uid(3)));
    assert_eq!(appended.uid_validity, inbox.uid_validity);
    let too_many: Vec<String> = (0..101).map(|number| format!("k{number}")).collect();
    let too_many: Vec<&str> = too_many.iter().map(String::as_str).collect();
    let mut appending = ann.appending(inbox.id);
    let message = new(cluster.body(&[ONE], &message(4)).await, &[]);
    appending.push(message).await.unwrap();
    let last = new(cluster.body(&[ONE], &noise(300_000)).await, &too_many);
    assert_eq!(appending.finish(last).await.unwrap_err().class(), ErrorClass::User);
    let after = ann.mailbox(inbox.id, Freshness::Latest).await.unwrap().info;
    assert_eq!((after.messages, after.uid_next), (3, 4));
    assert_eq!(
        cluster.replica(ONE, |replica| replica.live_blobs().len()),
        3,
        "refused uploads are freed"
    );
    cluster.check(ONE, &[ANN]);
}

#[tokio::test]
async fn m10_append_stores_what_was_sent() {
    let (cluster, ann) = Cluster::with_account(ANN).await;
    let inbox = ann.mailbox(name("INBOX"), Freshness::Latest).await.unwrap().info.id;
    let odd: &[u8] = b"no header\nbare \r and \0 and 8\xFFbit";
    for bytes in [odd, b""] {
        let body = cluster.body(&[ONE], bytes).await;
        let message = NewMessage {
            body,
            flags: flags(SystemFlags::NONE, &[]),
            date: DATE,
            pop3: None,
        };
        let appended = ann.append(inbox, message).await.unwrap();
        assert_eq!(bytes_of(&ann, inbox, appended.uids.first).await, bytes);
    }
    let maildrop = ann.open_maildrop().await.unwrap();
    let sizes: Vec<_> = maildrop.items().iter().map(|item| item.size as usize).collect();
    assert_eq!(
        sizes,
        [odd.len() + 4, 0],
        "bare LF and CR become CRLF, and CRLF ends it"
    );
    cluster.check(ONE, &[ANN]);
}

#[tokio::test]
async fn m07_a_reply_joins_the_thread_that_it_answers_and_threads_never_merge() {
    let (cluster, ann) = Cluster::with_account(ANN).await;
    let texts = [
        "Message-ID: <a@x>\r\n\r\n1\r\n",
        "Message-ID: <b@x>\r\n\r\n2\r\n",
        "Message-ID: <c@x>\r\nIn-Reply-To: <a@x>\r\n\r\n3\r\n",
        "Message-ID: <d@x>\r\nReferences: <b@x> <c@x>\r\n\r\n4\r\n",
    ];
    for text in texts {
        let body = cluster.body(&[ONE], text.as_bytes()).await;
        cluster
            .mailstore()
            .deliver(body, &once(), &[to(ANN, ONE)])
            .await
            .answers[0]
            .as_ref()
            .unwrap();
    }
    let inbox = ann.mailbox(name("INBOX"), Freshness::Latest).await.unwrap().info.id;
    let (details, _) = ann.details(inbox, &uids(&[1, 2, 3, 4]), false).await.unwrap();
    let threads: Vec<_> = details.iter().map(|details| details.cold.thread).collect();
    assert_ne!(threads[0], threads[1]);
    assert_eq!(
        (threads[2], threads[3]),
        (threads[0], threads[0]),
        "the nearest one counts"
    );
    cluster.check(ONE, &[ANN]);
}

#[tokio::test]
async fn i07_the_one_inbox_is_never_replaced_by_an_empty_one() {
    let (cluster, ann) = Cluster::with_account(ANN).await;
    let body = cluster.body(&[ONE], &message(1)).await;
    cluster
        .mailstore()
        .deliver(body, &once(), &[to(ANN, ONE)])
        .await
        .answers[0]
        .as_ref()
        .unwrap();
    let before = ann.mailbox(name("INBOX"), Freshness::Latest).await.unwrap().info;
    // Whoever makes the account again, at any node and however often, finds the one that is there.
    let elsewhere = cluster.other_node().account(ANN, ONE);
    cluster.plan(ONE, [Some(Fault::Twice)]);
    assert!(!elsewhere.ensure(Some(7)).await.unwrap());
    assert_eq!(
        ann.mailbox(name("inbox"), Freshness::Latest).await.unwrap().info,
        before
    );
    assert_eq!(ann.quota(Freshness::Latest).await.unwrap().quota_bytes, None);
    // A group that does not hold the account says so and shows nothing.
    let cluster = Cluster::new(&[TWO]);
    let error = cluster
        .mailstore()
        .account(ANN, TWO)
        .list(Freshness::Latest)
        .await
        .unwrap_err();
    assert_eq!(error.class(), ErrorClass::Temporary);
    cluster.check(TWO, &[]);
}

#[tokio::test]
async fn m14_a_message_sent_again_after_a_lost_reply_is_stored_once_and_names_the_first_delivery() {
    let (cluster, ann) = Cluster::with_account(ANN).await;
    let store = cluster.mailstore().clone();
    let first = sent(&["ann@x", "bob@x"]);
    cluster.plan(ONE, [Some(Fault::LostAnswer)]);
    let body = cluster.body(&[ONE], &message(1)).await;
    let lost = store.deliver(body, &first, &[to(ANN, ONE)]).await;
    assert_eq!(lost.answers[0].as_ref().unwrap_err().class(), ErrorClass::Uncertain);
    // Whatever node takes the repetition, and in whatever order the recipients come.
    let again = sent(&["bob@x", "ann@x"]);
    let body = cluster.body(&[ONE], &message(1)).await;
    let repeated = cluster.other_node().deliver(body, &again, &[to(ANN, ONE)]).await;
    assert_eq!(placed(&repeated.answers[0]).delivery, first.id);
    let quota = ann.quota(Freshness::Latest).await.unwrap();
    assert_eq!((quota.messages, quota.suppressed), (1, 1));
    assert_eq!(cluster.replica(ONE, |replica| replica.live_blobs().len()), 1);
    cluster.check(ONE, &[ANN]);
}

#[tokio::test]
async fn m14_only_the_same_message_from_the_same_place_is_a_repetition() {
    let (cluster, ann) = Cluster::with_account(ANN).await;
    let store = cluster.mailstore().clone();
    let mut other_network = sent(&["ann@x"]);
    other_network.origin.as_mut().unwrap().network = "198.51.100.0/24".to_owned();
    let mut other_sender = sent(&["ann@x"]);
    other_sender.origin.as_mut().unwrap().sender.clear();
    let cases = [
        (sent(&["ann@x"]), 1),
        (sent(&["ann@x"]), 2),
        (sent(&["ann@x", "bob@x"]), 1),
        (other_network, 1),
        (other_sender, 1),
    ];
    for (delivery, number) in &cases {
        let body = cluster.body(&[ONE], &message(*number)).await;
        let delivered = store.deliver(body, delivery, &[to(ANN, ONE)]).await;
        assert_eq!(placed(&delivered.answers[0]).delivery, delivery.id);
    }
    assert_eq!(ann.quota(Freshness::Latest).await.unwrap().messages, cases.len() as u64);
    cluster.check(ONE, &[ANN]);
}

#[tokio::test]
async fn m14_once_the_client_went_on_the_same_message_is_another_one() {
    let (cluster, ann) = Cluster::with_account(ANN).await;
    let store = cluster.mailstore().clone();
    let closer = DeliveryCloser::new(store.clone());
    for round in 1..=3 {
        let body = cluster.body(&[ONE], &message(1)).await;
        let delivered = store.deliver(body, &sent(&["ann@x"]), &[to(ANN, ONE)]).await;
        assert_eq!(ann.quota(Freshness::Latest).await.unwrap().messages, round);
        delivered.open.close();
        cluster.plan(ONE, [Some(Fault::NotDone)]);
        closer.turn().await;
        closer.turn().await;
    }
    assert_eq!(
        cluster.replica(ONE, |replica| (replica.count_rows(0x13), replica.count_rows(0x09))),
        (0, 0)
    );
    cluster.check(ONE, &[ANN]);
}

#[tokio::test]
async fn m14_the_same_message_right_behind_the_first_is_another_one_before_the_closer_has_its_turn() {
    let (cluster, ann) = Cluster::with_account(ANN).await;
    for round in 1..=3 {
        let body = cluster.body(&[ONE], &message(1)).await;
        let delivery = sent(&["ann@x"]);
        let delivered = cluster.mailstore().deliver(body, &delivery, &[to(ANN, ONE)]).await;
        assert_eq!(placed(&delivered.answers[0]).delivery, delivery.id);
        assert_eq!(ann.quota(Freshness::Latest).await.unwrap().messages, round);
        delivered.open.close();
    }
    cluster.check(ONE, &[ANN]);
}

#[tokio::test]
async fn m14_the_window_ends_after_five_days() {
    let (cluster, ann) = Cluster::with_account(ANN).await;
    let sweeper = crate::front::Sweeper::new(cluster.mailstore().clone());
    let mut stored = Vec::new();
    for wait_ms in [0, crate::limits::REDELIVERY_MS - 1, 1] {
        cluster.pass(ONE, std::time::Duration::from_millis(wait_ms));
        sweeper.sweep(ONE, cluster.now_ms(ONE)).await.unwrap();
        let body = cluster.body(&[ONE], &message(1)).await;
        drop(
            cluster
                .mailstore()
                .deliver(body, &sent(&["ann@x"]), &[to(ANN, ONE)])
                .await,
        );
        stored.push(ann.quota(Freshness::Latest).await.unwrap().messages);
    }
    assert_eq!(stored, [1, 1, 2]);
    cluster.check(ONE, &[ANN]);
}
