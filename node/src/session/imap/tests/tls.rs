//! STARTTLS.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::TlsConnector;

use super::harness::Client;
use crate::connection::{Connection, Peer};
use crate::services::SharedServices;
use crate::testing::node_with_accounts;

const HOST: &str = "mail.demo.test";

/// What server and client need to trust each other.
fn tls() -> (Arc<ServerConfig>, TlsConnector) {
    let made = rcgen::generate_simple_self_signed([HOST.to_owned()]).expect("a certificate");
    let certificate: CertificateDer<'static> = made.cert.der().clone();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let provider = Arc::new(aws_lc_rs::default_provider());
    let server = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .expect("a certificate and its key");
    let mut roots = RootCertStore::empty();
    roots.add(certificate).expect("a root");
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    (Arc::new(server), TlsConnector::from(Arc::new(client)))
}

fn connect(services: &SharedServices, tls: Arc<ServerConfig>) -> Client {
    let foreign = Peer::Ip([192, 0, 2, 7].into());
    Client::connect_with(services, |stream| Connection::plain(stream, foreign, Some(tls)))
}

async fn shake(client: Client, connector: &TlsConnector) -> Client {
    let name = ServerName::try_from(HOST).expect("a name");
    let stream = connector
        .connect(name, client.into_stream())
        .await
        .expect("shakes hands");
    Client::over(Box::new(stream))
}

#[tokio::test]
async fn i20_auth_is_offered_only_where_it_can_succeed() {
    let node = node_with_accounts(1).await;
    let (server, connector) = tls();
    let mut client = connect(&node.services, server);
    client
        .run(
            "S: * OK [CAPABILITY IMAP4rev1 LITERAL+ SASL-IR ID STARTTLS LOGINDISABLED] …
             C: a LOGIN user1@demo.test demo
             S: a NO [PRIVACYREQUIRED] …
             C: b STARTTLS
             S: b OK begin TLS",
        )
        .await;
    let mut client = shake(client, &connector).await;
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
    let (server, connector) = tls();
    let mut client = connect(&node.services, server);
    client
        .run(
            "S# 1
             C= a STARTTLS\\r\\nb NOOP\\r\\nc ID NIL\\r\\n
             S: a OK begin TLS",
        )
        .await;
    let mut client = shake(client, &connector).await;
    client.run("C: d NOOP\nS: d OK done").await;
}

#[tokio::test]
async fn a_handshake_that_fails_ends_the_session() {
    let node = node_with_accounts(1).await;
    let (server, _) = tls();
    let mut client = connect(&node.services, server);
    client.run("S# 1\nC: a STARTTLS\nS: a OK begin TLS\nC: b NOOP").await;
    let mut answers = Vec::new();
    while let Some(line) = client.line().await {
        answers.push(line);
    }
    assert!(!answers.iter().any(|line| line.contains("OK")), "{answers:?}");
}
