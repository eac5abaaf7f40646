//! POP3 over a stream in memory, against a node in memory.

use std::time::{Duration, Instant};

use mail_model::{FlagSet, InternalDate, MailboxId, Secret, SystemFlags, Uid};
use mailstore::command::StoreMode;
use mailstore::directory::{DisableAccount, EnableAccount};
use mailstore::front::{Freshness, NewMessage};
use mailstore::limits::MAILDROP_LEASE_MS;
use mailstore::{Account, Rejection};

use super::serve;
use crate::connection::Peer;
use crate::services::SharedServices;
use crate::session::faults::{Fault, faulty_node};
use crate::session::transcript::{Client, TestTls, pair};
use crate::testing::{PASSWORD, TestNode, node_with_accounts};

const LOCAL: Peer = Peer::Ip(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));
const ELSEWHERE: Peer = Peer::Ip(std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7)));

fn connect(services: &SharedServices) -> Client {
    let (client, connection) = pair(LOCAL, None);
    tokio::spawn(serve(connection, services.clone()));
    client
}

/// A client that has logged in; `messages` and `octets` are what it is told of its maildrop.
async fn logged_in(services: &SharedServices, messages: usize, octets: usize) -> Client {
    let mut client = connect(services);
    let script = format!(
        "S: +OK mail.demo.test POP3 ready
         C: USER user1@demo.test
         S: +OK send the password
         C: PASS {PASSWORD}
         S: +OK {messages} messages ({octets} octets)"
    );
    client.run(&script).await;
    client
}

async fn account(services: &SharedServices) -> Account {
    let secret = Secret::new(PASSWORD.to_owned());
    let user = services
        .auth
        .log_in("user1@demo.test", &secret, [127, 0, 0, 1].into())
        .await;
    let user = user.expect("logs in");
    services.store.account(user.account, user.group)
}

/// A node with one account that has these messages.
async fn node_with(messages: &[&[u8]]) -> TestNode {
    let node = node_with_accounts(1).await;
    for message in messages {
        append(&node.services, message).await;
    }
    node
}

async fn append(services: &SharedServices, message: &[u8]) {
    let account = account(services).await;
    let inbox = inbox_of(&account).await;
    let mut writer = services.store.body_writer([account.group()]);
    writer.push(message).await.expect("is taken");
    let body = writer.finish().await.expect("is taken");
    let message = NewMessage {
        body,
        flags: FlagSet::default(),
        date: InternalDate::default(),
        pop3: None,
    };
    account.append(inbox, message).await.expect("appends");
}

async fn inbox_of(account: &Account) -> MailboxId {
    let mailboxes = account.list(Freshness::Latest).await.expect("lists").mailboxes;
    mailboxes
        .iter()
        .find(|mailbox| mailbox.name == "INBOX")
        .expect("INBOX")
        .id
}

/// How many messages there are; the store's own check finds nothing wrong.
async fn left(node: &TestNode) -> u64 {
    let account = account(&node.services).await;
    let report = account.check().await.expect("checks");
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    account.quota(Freshness::Latest).await.expect("reads").messages
}

#[tokio::test]
async fn a_whole_session() {
    let node = node_with(&[
        b"Subject: one\r\n\r\n.dot\r\n..two\r\n",
        b"Subject: two\r\n\r\nfirst\r\nsecond\r\nthird\r\n",
    ])
    .await;
    let mut client = logged_in(&node.services, 2, 67).await;
    let script = "C: STAT
        S: +OK 2 67
        C: LIST
        S: +OK list follows
        S: 1 29
        S: 2 38
        S: .
        C: UIDL 2
        S: +OK 2 …
        C: RETR 1
        S: +OK 29 octets
        S: Subject: one
        S:
        S: ..dot
        S: ...two
        S: .
        C: TOP 2 1
        S: +OK top of message follows
        S: Subject: two
        S:
        S: first
        S: .
        C: RETR 3
        S: -ERR no such message
        C: DELE 1
        S: +OK message 1 marked as deleted
        C: RETR 1
        S: -ERR the message is marked as deleted
        C: RSET
        S: +OK 2 messages (67 octets)
        C: DELE 2
        S: +OK message 2 marked as deleted
        C: NOOP
        S: +OK
        C: QUIT
        S: +OK 1 messages deleted, goodbye
        S!";
    client.run(script).await;
    assert_eq!(left(&node).await, 1);
    // The ids stay what they were, and the lock was given back before the good-bye.
    let mut again = logged_in(&node.services, 1, 29).await;
    again.run("C: QUIT\nS: +OK goodbye\nS!").await;
}

#[tokio::test]
async fn unique_ids_stay_when_other_messages_go() {
    let node = node_with(&[b"a: b\r\n\r\n", b"c: d\r\n\r\n"]).await;
    let mut client = logged_in(&node.services, 2, 16).await;
    let id = client.ask("UIDL 2").await;
    client.run("C: DELE 1\nS: +OK …\nC: QUIT\nS: +OK …\nS!").await;
    let mut client = logged_in(&node.services, 1, 8).await;
    assert_eq!(client.ask("UIDL 1").await, id.replacen("+OK 2 ", "+OK 1 ", 1));
}

#[tokio::test]
async fn what_list_counts_is_what_retr_sends() {
    let large = b"Subject: large\r\n\r\n"
        .iter()
        .copied()
        .chain((0..300_000).map(|at| b"0123456789abcd\r\n"[at % 16]));
    let large: Vec<u8> = large.collect();
    let odd: &[u8] = b"Subject: odd\n\nbare lf\n.\rbare cr\r\r\nno end";
    let node = node_with(&[odd, &large]).await;
    let account = account(&node.services).await;
    let octets = account.open_maildrop().await.expect("opens");
    let sizes: Vec<usize> = octets.items().iter().map(|item| item.size as usize).collect();
    octets.release().await.expect("releases");
    let mut client = logged_in(&node.services, 2, sizes.iter().sum()).await;
    for (number, size) in (1..).zip(sizes) {
        assert_eq!(
            client.ask(&format!("LIST {number}")).await,
            format!("+OK {number} {size}")
        );
        assert_eq!(
            client.ask(&format!("RETR {number}")).await,
            format!("+OK {size} octets")
        );
        let message = client.message().await;
        assert_eq!(message.len(), size);
        if number == 1 {
            assert_eq!(
                message,
                b"Subject: odd\r\n\r\nbare lf\r\n.\r\nbare cr\r\n\r\nno end\r\n"
            );
        } else {
            assert!(message == large, "the large message comes back as it was");
        }
    }
}

#[tokio::test]
async fn top_reads_on_where_the_lines_asked_for_lie_beyond_its_first_bytes() {
    let line = format!("{}\r\n", "x".repeat(78));
    let body = line.repeat(8_000);
    let message = format!("Subject: long\r\n\r\n{body}");
    let node = node_with(&[message.as_bytes()]).await;
    let mut client = logged_in(&node.services, 1, message.len()).await;
    for lines in [0, 1, 819, 820, 2_000, 7_999, 8_000, 9_000] {
        assert_eq!(
            client.ask(&format!("TOP 1 {lines}")).await,
            "+OK top of message follows"
        );
        let expected = format!("Subject: long\r\n\r\n{}", line.repeat(lines.min(8_000)));
        assert!(client.message().await == expected.as_bytes(), "TOP 1 {lines}");
    }
}

#[tokio::test]
async fn a_second_session_of_an_account_is_told_that_it_is_in_use() {
    let node = node_with(&[b"a: b\r\n\r\n"]).await;
    let mut first = logged_in(&node.services, 1, 8).await;
    let mut second = connect(&node.services);
    let script = format!(
        "S: +OK …
         C: USER user1
         S: +OK send the password
         C: PASS {PASSWORD}
         S: -ERR [IN-USE] the maildrop is open in another session"
    );
    second.run(&script).await;
    first.run("C: QUIT\nS: +OK goodbye\nS!").await;
    let script = format!("C: USER user1\nS: +OK …\nC: PASS {PASSWORD}\nS: +OK 1 messages (8 octets)");
    second.run(&script).await;
}

#[tokio::test]
async fn a_session_keeps_its_lock_for_longer_than_the_lease() {
    let node = node_with(&[]).await;
    let mut first = logged_in(&node.services, 0, 0).await;
    let account = account(&node.services).await;
    let lease = Duration::from_millis(MAILDROP_LEASE_MS);
    let begun = Instant::now();
    while begun.elapsed() < lease + Duration::from_secs(1) {
        let refused = account.open_maildrop().await.err().and_then(|error| error.rejection());
        assert_eq!(refused, Some(Rejection::MaildropInUse));
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    first.run("C: STAT\nS: +OK 0 0").await;
}

#[tokio::test]
async fn a_connection_that_drops_deletes_nothing_and_gives_the_lock_back() {
    let node = node_with(&[b"a: b\r\n\r\n"]).await;
    let (mut client, connection) = pair(LOCAL, None);
    let session = tokio::spawn(serve(connection, node.services.clone()));
    let script = format!(
        "S: +OK …
         C: USER user1
         S: +OK …
         C: PASS {PASSWORD}
         S: +OK …
         C: DELE 1
         S: +OK message 1 marked as deleted"
    );
    client.run(&script).await;
    drop(client);
    session.await.expect("the session ends in order");
    assert_eq!(left(&node).await, 1);
    logged_in(&node.services, 1, 8).await;
}

#[tokio::test]
async fn a_node_that_stops_ends_sessions_without_deleting() {
    let node = node_with(&[b"a: b\r\n\r\n"]).await;
    let mut client = logged_in(&node.services, 1, 8).await;
    client.run("C: DELE 1\nS: +OK …").await;
    node.stop.send_replace(true);
    client.run("S!").await;
    assert_eq!(left(&node).await, 1);
}

#[tokio::test]
async fn a_message_that_another_session_expunged_is_still_there_and_its_deletion_no_error() {
    let node = node_with(&[b"a: b\r\n\r\n", b"c: d\r\n\r\n"]).await;
    let mut client = logged_in(&node.services, 2, 16).await;
    let account = account(&node.services).await;
    let inbox = inbox_of(&account).await;
    let one = [Uid::MIN];
    let deleted = FlagSet {
        system: SystemFlags::DELETED,
        ..FlagSet::default()
    };
    account
        .store_flags(inbox, &one, StoreMode::Add, &deleted)
        .await
        .expect("stores");
    account.expunge(inbox, &one).await.expect("expunges");
    let script = "C: RETR 1
        S: +OK 8 octets
        S: a: b
        S:
        S: .
        C: DELE 1
        S: +OK …
        C: DELE 2
        S: +OK …
        C: QUIT
        S: +OK 2 messages deleted, goodbye
        S!";
    client.run(script).await;
    assert_eq!(left(&node).await, 0);
}

#[tokio::test]
async fn a_wrong_password_is_said_and_three_of_them_end_the_connection() {
    let node = node_with(&[]).await;
    let mut client = connect(&node.services);
    client.run("S: +OK …").await;
    for _ in 0..3 {
        client
            .run("C: USER user1\nS: +OK …\nC: PASS wrong\nS: -ERR [AUTH] name or password is wrong")
            .await;
    }
    client.run("S!").await;
}

#[tokio::test]
async fn i32_no_password_is_taken_in_clear_from_elsewhere() {
    let node = node_with(&[b"a: b\r\n\r\n"]).await;
    let tls = TestTls::new();
    let (mut client, connection) = pair(ELSEWHERE, Some(&tls));
    tokio::spawn(serve(connection, node.services.clone()));
    let script = "S: +OK …
        C: CAPA
        S: +OK capabilities follow
        S: TOP
        S: UIDL
        S: RESP-CODES
        S: AUTH-RESP-CODE
        S: PIPELINING
        S: EXPIRE NEVER
        S: STLS
        S: .
        C: USER user1
        S: -ERR passwords are taken over TLS only, send STLS first
        C= STLS\\r\\nUSER mallory\\r\\n
        S: +OK begin TLS";
    client.run(script).await;
    let mut client = client.start_tls(&tls).await;
    let script = format!(
        "C: CAPA
         S# 7
         S: USER
         S: SASL PLAIN
         S: .
         C: USER user1
         S: +OK send the password
         C: PASS {PASSWORD}
         S: +OK 1 messages (8 octets)"
    );
    client.run(&script).await;
    let (mut client, connection) = pair(ELSEWHERE, None);
    tokio::spawn(serve(connection, node.services.clone()));
    client
        .run("S: +OK …\nC: USER user1\nS: -ERR passwords are not taken on this connection")
        .await;
}

#[tokio::test]
async fn without_knowing_whether_messages_were_deleted_nothing_is_said() {
    let node = faulty_node(1).await;
    append(&node.node.services, b"a: b\r\n\r\n").await;
    let mut client = logged_in(&node.services, 1, 8).await;
    client.run("C: DELE 1\nS: +OK …").await;
    node.groups
        .set(account(&node.services).await.group(), Some(Fault::LosesAnswers));
    client.run("C: QUIT\nS!").await;
    assert_eq!(left(&node.node).await, 0, "the answer was lost, not the command");
}

#[tokio::test]
async fn what_was_surely_not_deleted_is_said() {
    let node = faulty_node(1).await;
    append(&node.node.services, b"a: b\r\n\r\n").await;
    let mut client = logged_in(&node.services, 1, 8).await;
    client.run("C: DELE 1\nS: +OK …").await;
    node.groups
        .set(account(&node.services).await.group(), Some(Fault::Refuses));
    client
        .run("C: QUIT\nS: -ERR [SYS/TEMP] no message was deleted, try later\nS!")
        .await;
    assert_eq!(left(&node.node).await, 1);
}

#[tokio::test]
async fn a_maildrop_that_cannot_be_locked_is_a_temporary_refusal() {
    let node = faulty_node(1).await;
    node.groups
        .set(account(&node.services).await.group(), Some(Fault::Refuses));
    let mut client = connect(&node.services);
    let script = format!(
        "S: +OK …
         C: USER user1
         S: +OK …
         C: PASS {PASSWORD}
         S: -ERR [SYS/TEMP] not possible for now, try later"
    );
    client.run(&script).await;
}

#[tokio::test]
async fn a_client_that_is_locked_out_deletes_nothing() {
    let node = node_with(&[b"Subject: one\r\n\r\n"]).await;
    let services = &node.services;
    let mut client = logged_in(services, 1, 16).await;
    client.run("C: DELE 1\nS: +OK message 1 marked as deleted").await;
    let account = account(services).await.id();
    services
        .directory
        .change(DisableAccount { account })
        .await
        .expect("disables");
    // How long it takes until this node has looked is not said; QUIT comes after.
    let refusal = "-ERR [AUTH] the account was closed or its password changed, log in again";
    let answer = loop {
        let answer = client.ask("NOOP").await;
        if answer != "+OK" {
            break answer;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert_eq!(answer, refusal);
    client.run("S!").await;
    services
        .directory
        .change(EnableAccount { account })
        .await
        .expect("enables");
    assert_eq!(left(&node).await, 1);
}
