//! STARTTLS.

use super::harness::Client;
use crate::connection::{Connection, Peer};
use crate::services::SharedServices;
use crate::session::transcript::TestTls;
use crate::testing::node_with_accounts;

fn connect(services: &SharedServices, tls: &TestTls) -> Client {
    let foreign = Peer::Ip([192, 0, 2, 7].into());
    let server = tls.server.clone();
    Client::connect_with(services, |stream| Connection::plain(stream, foreign, Some(server)))
}

async fn shake(client: Client, tls: &TestTls) -> Client {
    Client::over(tls.shake(client.into_stream()).await)
}

#[tokio::test]
async fn i20_auth_is_offered_only_where_it_can_succeed() {
    let node = node_with_accounts(1).await;
    let tls = TestTls::new();
    let mut client = connect(&node.services, &tls);
    client
        .run(
            "S: * OK [CAPABILITY IMAP4rev1 LITERAL+ SASL-IR ID STARTTLS LOGINDISABLED] …
             C: a LOGIN user1@demo.test demo
             S: a NO [PRIVACYREQUIRED] …
             C: b STARTTLS
             S: b OK begin TLS",
        )
        .await;
    let mut client = shake(client, &tls).await;
    client
        .run(
            "C: c CAPABILITY
             S: * CAPABILITY IMAP4rev1 LITERAL+ SASL-IR ID AUTH=PLAIN AUTH=LOGIN
             S: c OK …
             C: d STARTTLS
             S: d BAD …
             C: e LOGIN user1@demo.test demo
             S: e OK [CAPABILITY …] logged in
             C: f LOGOUT
             S: * BYE see you
             S: f OK logged out
             S! closed",
        )
        .await;
}

#[tokio::test]
async fn commands_that_stand_behind_starttls_in_clear_are_dropped() {
    let node = node_with_accounts(1).await;
    let tls = TestTls::new();
    let mut client = connect(&node.services, &tls);
    client
        .run(
            "S# 1
             C= a STARTTLS\\r\\nb NOOP\\r\\nc ID NIL\\r\\n
             S: a OK begin TLS",
        )
        .await;
    let mut client = shake(client, &tls).await;
    client.run("C: d NOOP\nS: d OK done").await;
}

#[tokio::test]
async fn a_handshake_that_fails_ends_the_session() {
    let node = node_with_accounts(1).await;
    let tls = TestTls::new();
    let mut client = connect(&node.services, &tls);
    client.run("S# 1\nC: a STARTTLS\nS: a OK begin TLS\nC: b NOOP").await;
    let mut answers = Vec::new();
    while let Some(line) = client.line().await {
        answers.push(line);
    }
    assert!(!answers.iter().any(|line| line.contains("OK")), "{answers:?}");
}
