//! The same message sent again (DESIGN M14).

use mailstore::front::DeliveryCloser;
use smtp_wire::Profile;

use super::*;
use crate::delivery_log::Outcome;
use crate::testing::node_with_accounts;

const MESSAGE: &str = "Message-ID: <same@example.org>\r\n\r\nthe same";
const ONE: [&str; 1] = ["user1@demo.test"];

#[tokio::test]
async fn a_message_whose_reply_was_lost_is_not_doubled() {
    let node = node_with_accounts(1).await;
    let services = &node.services;
    tokio::spawn(DeliveryCloser::new(services.store.clone()).run());
    let mut client = greeted(services, Profile::Smtp).await;
    client
        .run("C: MAIL FROM:<ann@example.org>\nS: 250 …\nC: RCPT TO:<user1@demo.test>\nS: 250 …")
        .await;
    client.run("C: DATA\nS: 354 …").await;
    client.send(format!("{MESSAGE}\r\n.\r\n").as_bytes()).await;
    // The connection is cut before the reply, and the message is stored all the same.
    drop(client);
    let first = loop {
        if let Some(record) = logged(services, "same@example.org").await.pop() {
            break record;
        }
        tokio::task::yield_now().await;
    };
    for _ in 0..2 {
        let mut again = greeted(services, Profile::Smtp).await;
        let reply = deliver(&mut again, &ONE, MESSAGE).await;
        // Cut again, before the client says anything more.
        drop(again);
        assert_eq!(reply, format!("250 2.0.0 delivered before as {}", first.id));
    }
    assert_eq!(inbox(services, "user1").await.len(), 1);
    let account = account(services, "user1").await;
    let quota = account.quota(mailstore::front::Freshness::Latest).await.unwrap();
    assert_eq!(quota.suppressed, 2);
    let last = logged(services, "same@example.org").await.pop().unwrap();
    assert!(
        matches!(&last.outcome, Outcome::Accepted { first: Some(id), .. } if *id == first.id),
        "{last:?}"
    );
}

#[tokio::test]
async fn another_message_envelope_or_network_is_no_repetition() {
    let node = node_with_accounts(2).await;
    let services = &node.services;
    let cut = |from: [u8; 4], recipients: &'static [&'static str], message: &'static str| async move {
        let mut client = connect_from(services, Profile::Smtp, Peer::Ip(from.into()), None);
        client.run("S: 220 …\nC: EHLO client.example\nS# 6").await;
        deliver(&mut client, recipients, message).await
    };
    let both: &[&str] = &["user1@demo.test", "user2@demo.test"];
    for (from, recipients, message) in [
        (ELSEWHERE, &ONE[..], MESSAGE),
        (ELSEWHERE, &ONE[..], "Message-ID: <other@example.org>\r\n\r\nthe same"),
        (ELSEWHERE, both, MESSAGE),
        ([198, 51, 100, 1], &ONE[..], MESSAGE),
    ] {
        let reply = cut(from, recipients, message).await;
        assert!(
            reply.starts_with("250 2.0.0 delivered as "),
            "{from:?} {recipients:?}: {reply}"
        );
    }
    let reply = cut([192, 0, 2, 200], &ONE, MESSAGE).await;
    assert!(
        reply.starts_with("250 2.0.0 delivered before as "),
        "a neighbour: {reply}"
    );
    assert_eq!(inbox(services, "user1").await.len(), 4);
}

#[tokio::test]
async fn a_client_that_has_heard_the_reply_may_send_the_same_again() {
    let node = node_with_accounts(1).await;
    let services = &node.services;
    tokio::spawn(DeliveryCloser::new(services.store.clone()).run());
    let mut client = greeted(services, Profile::Smtp).await;
    let reply = deliver(&mut client, &ONE, MESSAGE).await;
    assert!(reply.starts_with("250 2.0.0 delivered as "), "{reply}");
    client.run("C: QUIT\nS: 221 …\nS!").await;
    // Deliveries are closed in the background, once a second; until then the same is a repetition.
    loop {
        let mut other = greeted(services, Profile::Smtp).await;
        let again = deliver(&mut other, &ONE, MESSAGE).await;
        drop(other);
        if again.starts_with("250 2.0.0 delivered as ") {
            break;
        }
        assert_eq!(again, format!("250 2.0.0 delivered before as {}", id_of(&reply)));
    }
    assert_eq!(inbox(services, "user1").await.len(), 2);
}
