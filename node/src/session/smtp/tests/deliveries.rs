//! Messages that arrive whole.

use smtp_wire::Profile;

use super::*;
use crate::delivery_log::Outcome;
use crate::testing::node_with_accounts;

#[tokio::test]
async fn recipients_in_two_groups_get_one_message_each_with_their_own_trace() {
    let node = node_with_accounts(3).await;
    let services = &node.services;
    let groups: std::collections::BTreeSet<_> = [
        account(services, "user1").await.group(),
        account(services, "user2").await.group(),
        account(services, "user3").await.group(),
    ]
    .into();
    assert_eq!(groups.len(), 2, "the accounts are in both groups");
    let mut client = greeted(services, Profile::Smtp).await;
    let all = ["user1@demo.test", "User2@Demo.Test", "user3@demo.test"];
    let message = "Message-ID: <one@example.org>\r\nSubject: hello\r\n\r\n..dot\r\nend";
    let reply = deliver(&mut client, &all, message).await;
    let id = id_of(&reply).to_owned();
    assert_eq!(reply, format!("250 2.0.0 delivered as {id}"));
    for name in ["user1", "user2", "user3"] {
        let messages = inbox(services, name).await;
        let [message] = messages.as_slice() else {
            panic!("{name} has {messages:?}")
        };
        let (prefix, body) = message.split_at(message.find("Message-ID:").expect("the message"));
        assert_eq!(
            body,
            "Message-ID: <one@example.org>\r\nSubject: hello\r\n\r\n.dot\r\nend\r\n"
        );
        let head = format!("Return-Path: <ann@example.org>\r\nDelivered-To: {name}@demo.test\r\nReceived: from ");
        assert!(prefix.starts_with(&head), "{prefix}");
        assert!(prefix.contains("client.example (unknown [192.0.2.7])"), "{prefix}");
        assert!(
            prefix.contains("by mail.demo.test") && prefix.contains("with ESMTP"),
            "{prefix}"
        );
        assert!(prefix.contains(&id), "{prefix}");
        assert!(!prefix.contains("for <"), "nobody learns of the others: {prefix}");
    }
    let records = logged(services, &id).await;
    let recipients: Vec<_> = records.iter().map(|record| record.recipient.as_str()).collect();
    assert_eq!(recipients, ["user1@demo.test", "User2@demo.test", "user3@demo.test"]);
    for record in &records {
        assert_eq!(record.message_id.as_deref(), Some("one@example.org"));
        assert_eq!((record.bytes, record.sender.as_str()), (60, "ann@example.org"));
        assert_eq!(
            (record.helo.as_deref(), record.peer.as_str()),
            (Some("client.example"), "192.0.2.7")
        );
        assert_eq!(
            (record.protocol.as_str(), record.tls, record.node.as_str()),
            ("ESMTP", false, "n1")
        );
        let Outcome::Accepted { uid, queued, first, .. } = &record.outcome else {
            panic!("{record:?}");
        };
        assert_eq!((*uid, *queued, first), (Some(1), false, &None));
    }
    assert_eq!(logged(services, "<one@example.org>").await, records);
}

#[tokio::test]
async fn one_recipient_is_named_in_the_trace() {
    let node = node_with_accounts(1).await;
    let mut client = greeted(&node.services, Profile::Smtp).await;
    deliver(&mut client, &["user1+news@demo.test"], "Subject: x\r\n\r\n").await;
    let message = inbox(&node.services, "user1").await.remove(0);
    assert!(message.contains("for <user1+news@demo.test>;"), "{message}");
    assert!(message.contains("Delivered-To: user1+news@demo.test\r\n"), "{message}");
}

#[tokio::test]
async fn a_null_sender_is_taken_and_kept() {
    let node = node_with_accounts(1).await;
    let mut client = greeted(&node.services, Profile::Smtp).await;
    let script = "C: MAIL FROM:<>
        S: 250 2.1.0 sender ok
        C: RCPT TO:<user1@demo.test>
        S: 250 2.1.5 recipient ok
        C: DATA
        S: 354 …
        C: Subject: a notice
        C:
        C: .
        S: 250 2.0.0 delivered as …
        C: QUIT
        S: 221 2.0.0 mail.demo.test closes the connection
        S!";
    client.run(script).await;
    let message = inbox(&node.services, "user1").await.remove(0);
    assert!(message.starts_with("Return-Path: <>\r\n"), "{message}");
    assert_eq!(logged(&node.services, "user1@").await[0].sender, "");
}

#[tokio::test]
async fn chunks_make_one_message_and_nothing_in_them_is_a_dot() {
    let node = node_with_accounts(1).await;
    let mut client = greeted(&node.services, Profile::Smtp).await;
    let script = "C: MAIL FROM:<ann@example.org> BODY=8BITMIME
        S: 250 2.1.0 sender ok
        C: RCPT TO:<user1@demo.test>
        S: 250 2.1.5 recipient ok
        C: BDAT 13
        C= Subject: a\\r\\n\\r
        S: 250 2.0.0 13 octets received
        C: BDAT 6
        C= \\n\\r\\n.\\r\\n
        S: 250 2.0.0 6 octets received
        C: BDAT 0 LAST
        S: 250 2.0.0 delivered as …";
    client.run(script).await;
    let message = inbox(&node.services, "user1").await.remove(0);
    assert!(message.ends_with("+0000\r\nSubject: a\r\n\r\n\r\n.\r\n"), "{message}");
}

#[tokio::test]
async fn pipelined_transactions_are_answered_in_order() {
    let node = node_with_accounts(2).await;
    let mut client = greeted(&node.services, Profile::Smtp).await;
    let one = |number: u32| {
        format!(
            "MAIL FROM:<ann@example.org>\r\nRCPT TO:<user{number}@demo.test>\r\nRCPT TO:<nobody@demo.test>\r\n\
             BDAT 14 LAST\r\nSubject: {number}\r\n\r\n"
        )
    };
    client.send(format!("{}{}QUIT\r\n", one(1), one(2)).as_bytes()).await;
    for _ in 0..2 {
        let script = "S: 250 2.1.0 …
            S: 250 2.1.5 …
            S: 550 5.1.1 no such recipient here
            S: 250 2.0.0 delivered as …";
        client.run(script).await;
    }
    client.run("S: 221 …\nS!").await;
    assert_eq!(inbox(&node.services, "user1").await.len(), 1);
    assert_eq!(inbox(&node.services, "user2").await.len(), 1);
}

#[tokio::test]
async fn a_transaction_that_is_given_up_leaves_nothing() {
    let node = node_with_accounts(1).await;
    let mut client = greeted(&node.services, Profile::Smtp).await;
    let script = "C: MAIL FROM:<ann@example.org>
        S: 250 …
        C: RCPT TO:<user1@demo.test>
        S: 250 …
        C: RSET
        S: 250 2.0.0 ok
        C: DATA
        S: 503 5.5.1 …
        C: MAIL FROM:<ann@example.org>
        S: 250 …
        C: RCPT TO:<user1@demo.test>
        S: 250 …
        C: BDAT 5
        C= a: b\\r
        S: 250 …
        C: RSET
        S: 250 …
        C: MAIL FROM:<ann@example.org>
        S: 250 …";
    client.run(script).await;
    assert!(inbox(&node.services, "user1").await.is_empty());
    assert!(logged(&node.services, "user1").await.is_empty());
}

#[tokio::test]
async fn a_message_that_is_refused_on_its_way_is_in_no_mailbox_and_in_the_log() {
    let node = node_with_accounts(1).await;
    let mut client = greeted(&node.services, Profile::Smtp).await;
    let script = "C: MAIL FROM:<ann@example.org>
        S: 250 …
        C: RCPT TO:<user1@demo.test>
        S: 250 …
        C: DATA
        S: 354 …
        C: Subject: x
        C:
        C= smuggled\\n.\\n
        C: MAIL FROM:<mallory@example.org>
        C: .
        S: 5…
        C: MAIL FROM:<ann@example.org>
        S: 250 …";
    client.run(script).await;
    assert!(inbox(&node.services, "user1").await.is_empty());
    let records = logged(&node.services, "user1@demo.test").await;
    assert_eq!(records.len(), 1);
    assert!(
        matches!(records[0].outcome, Outcome::Refused { code: 500..600, .. }),
        "{records:?}"
    );
}
