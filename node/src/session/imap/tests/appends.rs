//! MULTIAPPEND (RFC 3502): several messages in one command, all of them or none.

use std::time::Duration;

use tokio::time::Instant;

use super::super::limits::MULTIAPPEND_WITHIN;
use super::harness::{Client, account, check, node_and_client};
use crate::testing::TestNode;

/// Nothing was appended, and the session goes on.
async fn nothing_came(node: &TestNode, client: &mut Client) {
    client
        .run("C: z STATUS INBOX (MESSAGES UIDNEXT)\nS: * STATUS INBOX (MESSAGES 0 UIDNEXT 1)\nS: z OK that is all")
        .await;
    check(node).await;
}

#[tokio::test]
async fn messages_of_one_command_keep_their_flags_dates_and_order() {
    let (node, mut client) = node_and_client().await;
    client
        .run(
            r#"C: a APPEND INBOX (\Seen $Work) " 1-Feb-1969 03:04:05 -0130" {19}
               S: + go on
               C= Subject: one\r\n\r\n1\r\n
               C:  (\Draft) {19}
               S: + go on
               C= Subject: two\r\n\r\n2\r\n
               C:  " 2-Feb-1969 03:04:05 -0130" {21+}
               C= Subject: three\r\n\r\n3\r\n
               C:
               S: * FLAGS (\Answered \Flagged \Deleted \Seen \Draft $Work)
               S: * OK [PERMANENTFLAGS (\Answered \Flagged \Deleted \Seen \Draft $Work \*)] …
               S: * 3 EXISTS
               S: * 3 RECENT
               S: a OK [APPENDUID … 1:3] appended
               C: b FETCH 1:3 (FLAGS RFC822.SIZE)
               S: * 1 FETCH (FLAGS (\Seen $Work \Recent) RFC822.SIZE 19)
               S: * 2 FETCH (FLAGS (\Draft \Recent) RFC822.SIZE 19)
               S: * 3 FETCH (FLAGS (\Recent) RFC822.SIZE 21)
               S: b OK that is all
               C: c FETCH 1,3 INTERNALDATE
               S: * 1 FETCH (INTERNALDATE " 1-Feb-1969 03:04:05 -0130")
               S: * 3 FETCH (INTERNALDATE " 2-Feb-1969 03:04:05 -0130")
               S: c OK that is all"#,
        )
        .await;
    for (uid, text) in [(1, "one\r\n\r\n1"), (2, "two\r\n\r\n2"), (3, "three\r\n\r\n3")] {
        let read = client.fetch_literal(uid, "BODY.PEEK[]").await;
        assert_eq!(read, format!("Subject: {text}\r\n").as_bytes());
    }
    check(&node).await;
}

#[tokio::test]
async fn large_and_small_messages_come_together() {
    let (node, mut client) = node_and_client().await;
    let messages: Vec<Vec<u8>> = [10, 900_000, 1, 300_000, 256 << 10, 50]
        .iter()
        .zip(b'a'..)
        .map(|(len, letter)| vec![letter; *len])
        .collect();
    client.send(b"tag APPEND INBOX").await;
    for message in &messages {
        client.send(format!(" {{{}+}}\r\n", message.len()).as_bytes()).await;
        client.send(message).await;
    }
    client
        .run("C:\nS: * 6 EXISTS\nS: * 6 RECENT\nS: tag OK [APPENDUID … 1:6] appended")
        .await;
    for (uid, message) in (1..).zip(&messages) {
        assert!(&client.fetch_literal(uid, "BODY.PEEK[]").await == message, "UID {uid}");
    }
    check(&node).await;
}

#[tokio::test]
async fn a_message_that_is_refused_takes_those_before_it_along() {
    let (node, mut client) = node_and_client().await;
    for (next, answer) in [
        (r"{99999999999}", "NO [TOOBIG] …"),
        (r"{0}", "NO [CANNOT] …"),
        (r"(\Recent) {5}", "BAD …"),
        (r#""32-Feb-1999 00:00:00 +0000" {5}"#, "BAD …"),
        (r"nonsense", "BAD …"),
    ] {
        client
            .run(&format!(
                "C: a APPEND INBOX {{5}}\nS: + go on\nC: 12345 {next}\nS: a {answer}"
            ))
            .await;
        nothing_came(&node, &mut client).await;
    }
    // What does not wait for leave is dropped.
    client
        .run(
            r#"C= a APPEND INBOX {3+}\r\none {12+}\r\ntw\0 LOGOUT\r\n {10+}\r\nx LOGOUT\r\n\r\n
               S: a BAD a message has no NUL
               C= b APPEND INBOX {3+}\r\none {0+}\r\n {10+}\r\nx LOGOUT\r\n\r\n
               S: b NO [CANNOT] …
               C= c APPEND Nowhere {3+}\r\none {10+}\r\nx LOGOUT\r\n\r\n
               S: c NO [TRYCREATE] …"#,
        )
        .await;
    nothing_came(&node, &mut client).await;
}

#[tokio::test]
async fn a_quota_counts_all_messages_of_a_command() {
    let (node, mut client) = node_and_client().await;
    account(&node).await.set_quota(Some(100)).await.unwrap();
    let text = "x".repeat(60);
    client
        .run(&format!(
            "C: a APPEND INBOX {{60}}\nS: + go on\nC: {text} {{41}}\nS: a NO [OVERQUOTA] the quota is used up"
        ))
        .await;
    nothing_came(&node, &mut client).await;
    client
        .run(&format!(
            "C: b APPEND INBOX {{60}}\nS: + go on\nC: {text} {{40}}\nS: + go on\nC: {}\nS: * 2 EXISTS\nS: * 2 RECENT\nS: b OK …",
            &text[..40]
        ))
        .await;
}

#[tokio::test]
async fn a_mailbox_that_goes_meanwhile_takes_no_message() {
    let (node, mut client) = node_and_client().await;
    let mut other = Client::logged_in(&node.services).await;
    other.command("CREATE gone").await;
    client
        .run("C: a APPEND gone {5}\nS: + go on\nC: 12345 {5}\nS: + go on")
        .await;
    other.command("DELETE gone").await;
    client.run("C: 12345\nS: a NO [TRYCREATE] …").await;
    nothing_came(&node, &mut client).await;
}

#[tokio::test]
async fn too_many_keywords_of_a_later_message_refuse_all() {
    let (node, mut client) = node_and_client().await;
    // 10 messages with 100 keywords each fill the mailbox's registry; one of the next is one too many.
    let mut command = "a APPEND INBOX".to_owned();
    for message in 0..11 {
        let keywords: Vec<String> = (0..100).map(|at| format!("k{}", message * 100 + at)).collect();
        command += &format!(" ({}) {{1+}}\r\nx", keywords.join(" "));
    }
    client.send(command.as_bytes()).await;
    client
        .run("C:\nS: a NO [LIMIT] too many keywords in this mailbox")
        .await;
    nothing_came(&node, &mut client).await;
}

#[tokio::test]
async fn a_client_that_breaks_off_between_messages_leaves_nothing() {
    let (node, mut client) = node_and_client().await;
    client
        .run("C: a APPEND INBOX {5}\nS: + go on\nC: 12345 {400000+}")
        .await;
    client.send(&vec![b'x'; 400_000]).await;
    client.run("C:  {5}\nS: + go on\nC= 12").await;
    drop(client);
    let mut client = Client::logged_in(&node.services).await;
    nothing_came(&node, &mut client).await;
}

#[tokio::test]
async fn later_messages_have_one_time_together_before_the_first_is_swept() {
    let (node, mut slow) = node_and_client().await;
    slow.run("C: a APPEND INBOX {5}\nS: + go on\nC: 12345 {1000000}\nS: + go on")
        .await;
    tokio::time::pause();
    let begun = Instant::now();
    while slow.try_send(b"x").await.is_ok() && begun.elapsed() < 2 * MULTIAPPEND_WITHIN {
        tokio::time::sleep(Duration::from_mins(10)).await;
    }
    assert_eq!(slow.line().await.as_deref(), Some("* BYE no command for too long"));
    let lasted = begun.elapsed();
    assert!(
        lasted >= MULTIAPPEND_WITHIN && lasted < MULTIAPPEND_WITHIN + Duration::from_mins(20),
        "{lasted:?}"
    );
    tokio::time::resume();
    let mut client = Client::logged_in(&node.services).await;
    nothing_came(&node, &mut client).await;
}
