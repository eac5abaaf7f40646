//! SMTP, LMTP and submission over a stream in memory, against a node in memory.

mod deliveries;
mod faults;
mod lmtp;
mod recipients;
mod repetition;
mod stream;
mod submission;
mod transport;

use mail_model::{Address, Secret};
use mailstore::Account;
use mailstore::directory::{Read, Target};
use smtp_wire::Profile;

use super::serve;
use crate::connection::Peer;
use crate::delivery_log::{DeliveryRecord, Query};
use crate::services::SharedServices;
use crate::session::transcript::{Client, TestTls, pair};
use crate::testing::PASSWORD;

/// A client far away.
const ELSEWHERE: [u8; 4] = [192, 0, 2, 7];

fn connect(services: &SharedServices, profile: Profile) -> Client {
    connect_from(services, profile, Peer::Ip(ELSEWHERE.into()), None)
}

fn connect_from(services: &SharedServices, profile: Profile, peer: Peer, tls: Option<&TestTls>) -> Client {
    let (client, connection) = pair(peer, tls);
    tokio::spawn(serve(connection, services.clone(), profile));
    client
}

/// A client that has said its name.
async fn greeted(services: &SharedServices, profile: Profile) -> Client {
    let mut client = connect(services, profile);
    let script = match profile {
        Profile::Lmtp => "S: 220 …\nC: LHLO client.example\nS# 6",
        Profile::Smtp | Profile::Submission => "S: 220 …\nC: EHLO client.example\nS# 6",
    };
    client.run(script).await;
    client
}

/// Sends one message by DATA and returns the last reply.
async fn deliver(client: &mut Client, recipients: &[&str], message: &str) -> String {
    assert!(client.ask("MAIL FROM:<ann@example.org>").await.starts_with("250 "));
    for recipient in recipients {
        let reply = client.ask(&format!("RCPT TO:<{recipient}>")).await;
        assert!(reply.starts_with("250 "), "{recipient}: {reply}");
    }
    assert!(client.ask("DATA").await.starts_with("354 "));
    client.ask(&format!("{message}\r\n.")).await
}

/// The id that a reply names.
fn id_of(reply: &str) -> &str {
    reply.rsplit(' ').next().expect("a word")
}

async fn account(services: &SharedServices, name: &str) -> Account {
    let secret = Secret::new(PASSWORD.to_owned());
    let user = services.auth.log_in(name, &secret, [127, 0, 0, 1].into()).await;
    let user = user.expect("logs in");
    services.store.account(user.account, user.group)
}

/// The messages in the INBOX of an account, oldest first; the store's own check finds nothing wrong with it.
async fn inbox(services: &SharedServices, name: &str) -> Vec<String> {
    let account = account(services, name).await;
    let report = account.check().await.expect("checks");
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    let maildrop = account.open_maildrop().await.expect("opens");
    let mut messages = Vec::new();
    for item in maildrop.items() {
        let (details, _) = account
            .details(maildrop.mailbox(), &[item.uid], false)
            .await
            .expect("details");
        let mut reader = account.read(&details[0], 0..u64::MAX);
        let mut message = Vec::new();
        while let Some(bytes) = reader.next().await.expect("bytes") {
            message.extend_from_slice(&bytes);
        }
        messages.push(String::from_utf8(message).expect("text"));
    }
    maildrop.release().await.expect("releases");
    messages
}

async fn logged(services: &SharedServices, text: &str) -> Vec<DeliveryRecord> {
    let found = services.delivery_log.search(Query::new(text, 100)).await;
    let mut records = found.expect("searches").records;
    records.reverse();
    records
}

fn address(text: &str) -> Address {
    Address::new(text).expect("an address")
}

async fn target(services: &SharedServices, text: &str) -> Target {
    let account = services.directory.account_of(&address(text), Read::Fresh).await;
    Target::Account(account.expect("reads").expect("an account"))
}
