//! Submission (RFC 6409), and the incidents that it stands against.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mailstore::directory::RemoveAccount;
use smtp_wire::Profile;

use super::*;
use crate::testing::node_with_accounts;

const LOCAL: Peer = Peer::Ip(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));

fn plain(authzid: &str, name: &str, password: &str) -> String {
    STANDARD.encode(format!("{authzid}\0{name}\0{password}"))
}

/// A client on this machine, which may send its password in clear.
async fn logged_in(services: &SharedServices) -> Client {
    let mut client = connect_from(services, Profile::Submission, LOCAL, None);
    client.run("S: 220 …\nC: EHLO pc.example\nS# 7").await;
    let reply = client
        .ask(&format!("AUTH PLAIN {}", plain("", "user1@demo.test", PASSWORD)))
        .await;
    assert_eq!(reply, "235 2.7.0 authenticated");
    client
}

#[tokio::test]
async fn mail_is_submitted_under_an_own_address_to_this_cluster_alone() {
    let node = node_with_accounts(2).await;
    let mut client = logged_in(&node.services).await;
    let script = "C: MAIL FROM:<user1+tag@demo.test>
        S: 250 2.1.0 sender ok
        C: RCPT TO:<bob@elsewhere.example>
        S: 550 5.7.1 mail to other sites is not accepted here
        C: RCPT TO:<user2@demo.test>
        S: 250 2.1.5 recipient ok
        C: DATA
        S: 354 …
        C: Subject: x
        C:
        C: .
        S: 250 2.0.0 delivered as …
        C: MAIL FROM:<>
        S: 250 2.1.0 sender ok";
    client.run(script).await;
    let message = inbox(&node.services, "user2").await.remove(0);
    assert!(message.contains("with ESMTPA"), "{message}");
}

#[tokio::test]
async fn nobody_submits_without_a_password_or_with_a_wrong_one() {
    let node = node_with_accounts(2).await;
    let mut client = connect_from(&node.services, Profile::Submission, LOCAL, None);
    let wrong = plain("", "user1@demo.test", "wrong");
    let other = plain("user2@demo.test", "user1@demo.test", PASSWORD);
    let script = format!(
        "S: 220 …
         C: EHLO pc.example
         S# 7
         C: MAIL FROM:<user1@demo.test>
         S: 530 5.7.0 …
         C: AUTH PLAIN {wrong}
         S: 535 5.7.8 name or password is wrong
         C: AUTH PLAIN {other}
         S: 535 5.7.8 name or password is wrong
         C: AUTH LOGIN
         S: 334 VXNlcm5hbWU6
         C: {}
         S: 334 UGFzc3dvcmQ6
         C: {}
         S: 235 2.7.0 authenticated
         C: MAIL FROM:<user1@demo.test>
         S: 250 …",
        STANDARD.encode("user1"),
        STANDARD.encode(PASSWORD),
    );
    client.run(&script).await;
}

#[tokio::test]
async fn i20_auth_is_offered_only_where_it_can_succeed() {
    let node = node_with_accounts(1).await;
    let tls = TestTls::new();
    // Between servers nobody logs in, with TLS or without.
    let mut client = connect_from(&node.services, Profile::Smtp, LOCAL, Some(&tls));
    let script = "S: 220 …
        C: EHLO pc.example
        S: 250-mail.demo.test greets pc.example
        S: 250-PIPELINING
        S: 250-SIZE 67108864
        S: 250-8BITMIME
        S: 250-CHUNKING
        S: 250-ENHANCEDSTATUSCODES
        S: 250 STARTTLS
        C: AUTH PLAIN AHgAeA==
        S: 5…";
    client.run(script).await;
    // From elsewhere, before TLS, it could not succeed.
    let mut client = connect_from(
        &node.services,
        Profile::Submission,
        Peer::Ip(ELSEWHERE.into()),
        Some(&tls),
    );
    client.run("S: 220 …\nC: EHLO pc.example\nS# 6\nS: 250 STARTTLS").await;
    client.run("C: STARTTLS\nS: 220 2.0.0 ready for TLS").await;
    let mut client = client.start_tls(&tls).await;
    // Once offered, it works.
    client.run("C: EHLO pc.example\nS# 6\nS: 250 AUTH PLAIN LOGIN").await;
    let reply = client
        .ask(&format!("AUTH PLAIN {}", plain("", "user1", PASSWORD)))
        .await;
    assert_eq!(reply, "235 2.7.0 authenticated");
    client.run("C: EHLO pc.example\nS# 5\nS: 250 ENHANCEDSTATUSCODES").await;
}

#[tokio::test]
async fn i31_a_sender_is_one_of_the_accounts_addresses() {
    let node = node_with_accounts(2).await;
    let mut client = logged_in(&node.services).await;
    for foreign in [
        "user1@wrong.example",
        "user2@demo.test",
        "nobody@demo.test",
        "user1@[192.0.2.1]",
    ] {
        let reply = client.ask(&format!("MAIL FROM:<{foreign}>")).await;
        assert_eq!(reply, "553 5.7.1 the sender is none of your addresses", "{foreign}");
    }
    client
        .run("C: MAIL FROM:<User1@Demo.Test>\nS: 250 2.1.0 sender ok")
        .await;
}

#[tokio::test]
async fn i32_no_password_is_taken_in_clear_from_elsewhere() {
    let node = node_with_accounts(1).await;
    let right = plain("", "user1@demo.test", PASSWORD);
    let tls = TestTls::new();
    for tls in [None, Some(&tls)] {
        let mut client = connect_from(&node.services, Profile::Submission, Peer::Ip(ELSEWHERE.into()), tls);
        client.run("S: 220 …\nC: EHLO pc.example\nS# 6").await;
        if tls.is_some() {
            client.run("S# 1").await;
        }
        let reply = client.ask(&format!("AUTH PLAIN {right}")).await;
        assert!(reply.starts_with('5'), "{reply}");
        client.run("C: MAIL FROM:<user1@demo.test>\nS: 530 5.7.0 …").await;
    }
    // Loopback is named in the settings of the test node.
    logged_in(&node.services).await;
}

#[tokio::test]
async fn a_removed_account_submits_no_more_over_an_open_connection() {
    let node = node_with_accounts(2).await;
    let mut client = logged_in(&node.services).await;
    client
        .run("C: MAIL FROM:<user1@demo.test>\nS: 250 2.1.0 sender ok")
        .await;
    let account = account(&node.services, "user1").await.id();
    let removed = node.services.directory.change(RemoveAccount { account }).await;
    removed.expect("removes");
    client
        .run("S: 421 4.7.0 the account was closed or its password changed, log in again\nS!")
        .await;
}
