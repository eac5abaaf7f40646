//! STARTTLS, the end of connections, and the end of the node.

use smtp_wire::Profile;

use super::*;
use crate::testing::node_with_accounts;

#[tokio::test]
async fn after_starttls_the_client_begins_anew_and_nothing_in_clear_is_left() {
    let node = node_with_accounts(1).await;
    let tls = TestTls::new();
    let mut client = connect_from(&node.services, Profile::Smtp, Peer::Ip(ELSEWHERE.into()), Some(&tls));
    // A command that somebody put behind STARTTLS in clear is never answered.
    let script = "S: 220 …
        C: EHLO client.example
        S# 6
        S: 250 STARTTLS
        C: MAIL FROM:<ann@example.org>
        S: 250 …
        C= STARTTLS\\r\\nMAIL FROM:<mallory@example.org>\\r\\n
        S: 220 2.0.0 ready for TLS";
    client.run(script).await;
    let mut client = client.start_tls(&tls).await;
    let script = "C: MAIL FROM:<ann@example.org>
        S: 503 5.5.1 say who you are first
        C: EHLO client.example
        S# 5
        S: 250 ENHANCEDSTATUSCODES
        C: STARTTLS
        S: 503 5.5.1 TLS is already in use";
    client.run(script).await;
    let reply = deliver(&mut client, &["user1@demo.test"], "Subject: x\r\n\r\n").await;
    assert!(reply.starts_with("250 "), "{reply}");
    let message = inbox(&node.services, "user1").await.remove(0);
    assert!(message.contains("with ESMTPS"), "{message}");
    assert!(logged(&node.services, id_of(&reply)).await[0].tls);
}

#[tokio::test]
async fn a_client_that_leaves_within_a_message_leaves_nothing() {
    let node = node_with_accounts(1).await;
    let (mut client, connection) = pair(Peer::Ip(ELSEWHERE.into()), None);
    let session = tokio::spawn(serve(connection, node.services.clone(), Profile::Smtp));
    let script = "S: 220 …
        C: HELO client.example
        S: 250 …
        C: MAIL FROM:<ann@example.org>
        S: 250 …
        C: RCPT TO:<user1@demo.test>
        S: 250 …
        C: DATA
        S: 354 …
        C: Subject: x
        C:
        C: not the end";
    client.run(script).await;
    drop(client);
    session.await.expect("the session ends in order");
    assert!(inbox(&node.services, "user1").await.is_empty());
}

#[tokio::test]
async fn a_node_that_stops_says_good_bye_between_commands_and_finishes_messages() {
    let node = node_with_accounts(1).await;
    let mut idle = greeted(&node.services, Profile::Smtp).await;
    let mut busy = greeted(&node.services, Profile::Smtp).await;
    busy.run("C: MAIL FROM:<ann@example.org>\nS: 250 …\nC: RCPT TO:<user1@demo.test>\nS: 250 …")
        .await;
    busy.run("C: DATA\nS: 354 …\nC: Subject: x").await;
    node.stop.send_replace(true);
    idle.run("S: 421 4.3.2 this node is shutting down, another one takes over\nS!")
        .await;
    busy.run("C: .\nS: 250 2.0.0 delivered as …\nS: 421 4.3.2 …\nS!").await;
    assert_eq!(inbox(&node.services, "user1").await.len(), 1);
}
