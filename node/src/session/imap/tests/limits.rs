//! Times and bounds of a session, and its end.

use std::time::Duration;

use imap_wire::limits::{AUTOLOGOUT, AUTOLOGOUT_BEFORE_LOGIN};
use tokio::time::Instant;

use super::super::limits::APPEND_WITHIN;
use super::harness::{Client, check, node_and_client};
use crate::testing::node_with_accounts;

#[tokio::test]
async fn a_silent_client_is_sent_away_before_log_in_and_after() {
    let node = node_with_accounts(1).await;
    let mut quiet = Client::connect(&node.services);
    quiet.run("S: * OK …").await;
    let mut user = Client::logged_in(&node.services).await;
    tokio::time::pause();
    let start = Instant::now();
    let bye = quiet.patient_line(AUTOLOGOUT).await;
    assert_eq!(bye.as_deref(), Some("* BYE no command for too long"));
    assert!(start.elapsed() >= AUTOLOGOUT_BEFORE_LOGIN - Duration::from_secs(1));
    let bye = user.patient_line(2 * AUTOLOGOUT).await;
    assert_eq!(bye.as_deref(), Some("* BYE no command for too long"));
    assert!(start.elapsed() >= AUTOLOGOUT - Duration::from_secs(1));
}

#[tokio::test]
async fn an_idle_session_is_kept_alive() {
    let (_node, mut client) = node_and_client().await;
    client.run("C: a IDLE\nS: + idling").await;
    tokio::time::pause();
    let line = client.patient_line(AUTOLOGOUT).await;
    assert_eq!(line.as_deref(), Some("* OK still here"));
    tokio::time::resume();
    client.run("C: DONE\nS: a OK no longer idle").await;
}

#[tokio::test]
async fn a_stopping_node_says_good_bye() {
    let node = node_with_accounts(1).await;
    let mut quiet = Client::connect(&node.services);
    quiet.run("S: * OK …").await;
    let mut idler = Client::selected(&node.services).await;
    idler.run("C: a IDLE\nS: + idling").await;
    let mut appender = Client::selected(&node.services).await;
    appender
        .run("C: a APPEND INBOX {100}\nS: + go on\nC= half a message")
        .await;
    node.stop.send_replace(true);
    for client in [&mut quiet, &mut idler, &mut appender] {
        client
            .run("S: * BYE [UNAVAILABLE] the server shuts down\nS! closed")
            .await;
    }
}

#[tokio::test]
async fn a_client_that_breaks_off_leaves_nothing_behind() {
    let (node, mut client) = node_and_client().await;
    client.run("C: a APPEND INBOX {1000000+}\nC= Subject: half").await;
    drop(client);
    let mut client = Client::logged_in(&node.services).await;
    client
        .run("C: a STATUS INBOX (MESSAGES)\nS: * STATUS INBOX (MESSAGES 0)\nS: a OK …")
        .await;
    check(&node).await;
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_up_nobody() {
    let node = node_with_accounts(1).await;
    let mut lazy = Client::selected(&node.services).await;
    let message = format!("Subject: 1\r\n\r\n{}", "x".repeat(200_000));
    lazy.append("INBOX", message.as_bytes()).await;
    // More than the stream holds: the session waits within the literal.
    lazy.send(b"a FETCH 1 BODY.PEEK[]\r\nb FETCH 1 BODY.PEEK[]\r\n").await;
    let mut other = Client::selected(&node.services).await;
    other.command("STORE 1 +FLAGS (\\Seen)").await;
    assert_eq!(other.fetch_literal(1, "BODY.PEEK[]").await.len(), message.len());
    other.command("LOGOUT").await;
    // Once it reads, it gets everything.
    for tag in ["a", "b"] {
        assert_eq!(lazy.line().await.as_deref(), Some("* 1 FETCH (BODY[] {200014}"));
        assert_eq!(lazy.octets(message.len()).await, message.as_bytes());
        assert_eq!(lazy.line().await.as_deref(), Some(")"));
        let end = lazy.line().await.unwrap();
        let end = if end.starts_with("* 1 FETCH (FLAGS") {
            lazy.line().await.unwrap()
        } else {
            end
        };
        assert_eq!(end, format!("{tag} OK that is all"));
    }
}

#[tokio::test]
async fn a_client_that_never_reads_is_given_up() {
    let (node, mut lazy) = node_and_client().await;
    let message = format!("Subject: 1\r\n\r\n{}", "x".repeat(200_000));
    lazy.append("INBOX", message.as_bytes()).await;
    lazy.send(b"a FETCH 1 BODY.PEEK[]\r\n").await;
    assert_eq!(lazy.line().await.as_deref(), Some("* 1 FETCH (BODY[] {200014}"));
    tokio::time::pause();
    tokio::time::sleep(2 * super::super::limits::WRITE_WITHIN).await;
    tokio::time::resume();
    // What the stream held, and no more.
    let mut left = 0;
    while let Some(line) = lazy.line().await {
        left += line.len() + 2;
    }
    assert!(left < message.len(), "{left} octets");
    check(&node).await;
}

#[tokio::test]
async fn a_message_that_drips_in_has_two_hours_like_one_over_smtp() {
    let (node, mut slow) = node_and_client().await;
    slow.run("C: a APPEND INBOX {1000000}\nS: + go on").await;
    tokio::time::pause();
    let begun = Instant::now();
    // Often enough for no silence to end it.
    while slow.try_send(b"x").await.is_ok() && begun.elapsed() < 2 * APPEND_WITHIN {
        tokio::time::sleep(Duration::from_mins(10)).await;
    }
    let bye = slow.line().await;
    assert_eq!(bye.as_deref(), Some("* BYE no command for too long"));
    let lasted = begun.elapsed();
    assert!(
        lasted >= APPEND_WITHIN && lasted < APPEND_WITHIN + Duration::from_mins(20),
        "{lasted:?}"
    );
    tokio::time::resume();
    let mut client = Client::logged_in(&node.services).await;
    client
        .run("C: a STATUS INBOX (MESSAGES)\nS: * STATUS INBOX (MESSAGES 0)\nS: a OK …")
        .await;
    check(&node).await;
}

#[tokio::test]
async fn a_client_that_reads_an_octet_a_second_is_given_up() {
    let (node, mut slow) = node_and_client().await;
    let message = format!("Subject: 1\r\n\r\n{}", "x".repeat(200_000));
    slow.append("INBOX", message.as_bytes()).await;
    slow.send(b"a FETCH 1 BODY.PEEK[]\r\n").await;
    assert_eq!(slow.line().await.as_deref(), Some("* 1 FETCH (BODY[] {200014}"));
    tokio::time::pause();
    let begun = Instant::now();
    while begun.elapsed() < 3 * super::super::limits::WRITE_WITHIN {
        slow.octets(1).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    tokio::time::resume();
    // What the stream held, and no more.
    let mut left = 0;
    while let Some(line) = slow.line().await {
        left += line.len() + 2;
    }
    assert!(left < message.len() / 2, "{left} octets");
    check(&node).await;
}
