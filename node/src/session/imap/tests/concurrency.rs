//! Several sessions of one account, on one node and on two.

use super::harness::{Client, OtherNode, check, run};
use crate::testing::node_with_accounts;

#[tokio::test]
async fn expunges_are_told_only_where_they_may_be() {
    let node = node_with_accounts(1).await;
    let elsewhere = OtherNode::of(&node);
    let mut one = Client::selected(&node.services).await;
    for text in ["1", "2", "3"] {
        one.append("INBOX", format!("Subject: {text}\r\n\r\n{text}").as_bytes())
            .await;
    }
    let mut two = Client::selected(&elsewhere.services).await;
    run(
        &mut [&mut one, &mut two],
        r#"1C: a STORE 1 +FLAGS.SILENT (\Deleted)
           1S: a OK stored
           1C: b EXPUNGE
           1S: * 1 EXPUNGE
           1S: * 2 RECENT
           1S: b OK expunged
           2C: a FETCH 1:3 UID
           2S: * 1 FETCH (UID 1)
           2S: * 2 FETCH (UID 2)
           2S: * 3 FETCH (UID 3)
           2S: a OK that is all
           2C: b SEARCH ALL
           2S: * SEARCH 1 2 3
           2S: b OK that is all
           2C: c STORE 2 +FLAGS (\Seen)
           2S: * 2 FETCH (FLAGS (\Seen))
           2S: c OK stored
           2C: d STORE 1:2 +FLAGS.SILENT (\Flagged)
           2S: d OK [EXPUNGEISSUED] stored
           2C: d STORE 1:2 +FLAGS (\Answered)
           2S: * 2 FETCH (FLAGS (\Answered \Flagged \Seen))
           2S: d NO [EXPUNGEISSUED] some of the messages were expunged
           2C: e COPY 1:2 Archive
           2S: * 1 EXPUNGE
           2S: e NO [EXPUNGEISSUED] some of the messages were expunged
           2C: f NOOP
           2S: f OK done
           2C: g FETCH 1:* (UID FLAGS)
           2S: * 1 FETCH (UID 2 FLAGS (\Answered \Flagged \Seen))
           2S: * 2 FETCH (UID 3 FLAGS ())
           2S: g OK that is all
           1C: c NOOP
           1S: * 1 FETCH (FLAGS (\Answered \Flagged \Seen \Recent))
           1S: c OK done"#,
    )
    .await;
    check(&node).await;
}

#[tokio::test]
async fn m11_an_expunged_message_is_fetched_until_the_client_is_told() {
    let node = node_with_accounts(1).await;
    let elsewhere = OtherNode::of(&node);
    let mut one = Client::selected(&node.services).await;
    for text in ["one", "two"] {
        one.append("INBOX", format!("Subject: {text}\r\n\r\n{text}\r\n").as_bytes())
            .await;
    }
    let mut two = Client::selected(&elsewhere.services).await;
    run(
        &mut [&mut one, &mut two],
        r#"1C: a STORE 1 +FLAGS.SILENT (\Deleted)
           1S: a OK stored
           1C: b EXPUNGE
           1S: * 1 EXPUNGE
           1S: * 1 RECENT
           1S: b OK expunged
           2C: a FETCH 1 (UID RFC822.SIZE BODY.PEEK[])
           2S: * 1 FETCH (UID 1 RFC822.SIZE 21 BODY[] {21}
           2S: Subject: one
           2S:
           2S: one
           2S: )
           2S: a OK that is all
           2C: b FETCH 1:2 (RFC822.SIZE)
           2S: * 1 FETCH (RFC822.SIZE 21)
           2S: * 2 FETCH (RFC822.SIZE 21)
           2S: b OK that is all
           2C: c SEARCH BODY one
           2S: * SEARCH 1
           2S: c OK that is all
           2C: d UID FETCH 1:2 (BODY.PEEK[TEXT])
           2S: * 1 FETCH (UID 1 BODY[TEXT] {5}
           2S: one
           2S: )
           2S: * 2 FETCH (UID 2 BODY[TEXT] {5}
           2S: two
           2S: )
           2S: * 1 EXPUNGE
           2S: d OK that is all
           2C: e UID FETCH 1 (BODY.PEEK[])
           2S: e OK that is all"#,
    )
    .await;
    check(&node).await;
}

#[tokio::test]
async fn m8_a_message_is_recent_in_one_session() {
    let node = node_with_accounts(1).await;
    let elsewhere = OtherNode::of(&node);
    let mut writer = Client::logged_in(&node.services).await;
    writer.append("INBOX", b"Subject: 1\r\n\r\n").await;
    let mut one = Client::logged_in(&node.services).await;
    let mut two = Client::logged_in(&elsewhere.services).await;
    run(
        &mut [&mut one, &mut two],
        r#"1C: a EXAMINE INBOX
           1S# 2
           1S: * 1 EXISTS
           1S: * 1 RECENT
           1S# 3
           1S: a OK [READ-ONLY] …
           2C: a SELECT INBOX
           2S# 2
           2S: * 1 EXISTS
           2S: * 1 RECENT
           2S# 3
           2S: a OK [READ-WRITE] …
           1C: b SELECT INBOX
           1S# 2
           1S: * 1 EXISTS
           1S: * 0 RECENT
           1S# 3
           1S: b OK [READ-WRITE] …
           2C: b FETCH 1 FLAGS
           2S: * 1 FETCH (FLAGS (\Recent))
           2S: b OK …
           1C: c FETCH 1 FLAGS
           1S: * 1 FETCH (FLAGS ())
           1S: c OK …"#,
    )
    .await;
}

#[tokio::test]
async fn idle_tells_what_happens_at_once() {
    let node = node_with_accounts(1).await;
    let elsewhere = OtherNode::of(&node);
    let mut idler = Client::selected(&node.services).await;
    // It has not selected the mailbox, so nobody but the idler can have the message as recent.
    let mut other = Client::logged_in(&elsewhere.services).await;
    run(
        &mut [&mut idler, &mut other],
        r#"1C: a IDLE
           1S: + idling
           2C+ a APPEND INBOX|Subject: 1\r\n\r\n
           1S: * 1 EXISTS
           1S: * 1 RECENT
           2S: a OK [APPENDUID … 1] appended"#,
    )
    .await;
    other.command("SELECT INBOX").await;
    run(
        &mut [&mut idler, &mut other],
        r#"2C: b STORE 1 +FLAGS (\Flagged \Deleted)
           2S: * 1 FETCH (FLAGS (\Flagged \Deleted))
           2S: b OK stored
           1S: * 1 FETCH (FLAGS (\Flagged \Deleted \Recent))
           2C: c EXPUNGE
           2S: * 1 EXPUNGE
           2S: c OK expunged
           1S: * 1 EXPUNGE
           1S: * 0 RECENT
           1C: DONE
           1S: a OK no longer idle
           1C: b IDLE
           1S: + idling
           1C: NOOP
           1S: b BAD IDLE ends in DONE
           1C: c NOOP
           1S: c OK done"#,
    )
    .await;
}

#[tokio::test]
async fn silent_hides_only_what_the_client_did_itself() {
    let node = node_with_accounts(1).await;
    let elsewhere = OtherNode::of(&node);
    let mut one = Client::selected(&node.services).await;
    for text in ["1", "2"] {
        one.append("INBOX", format!("Subject: {text}\r\n\r\n").as_bytes()).await;
    }
    let mut two = Client::selected(&elsewhere.services).await;
    run(
        &mut [&mut one, &mut two],
        r#"1C: a STORE 1 +FLAGS.SILENT (\Answered)
           1S: a OK stored
           2C: a STORE 1:2 +FLAGS.SILENT (\Flagged)
           2S: * 1 FETCH (FLAGS (\Answered \Flagged))
           2S: a OK stored"#,
    )
    .await;
}

#[tokio::test]
async fn a_deleted_mailbox_ends_the_sessions_that_have_it_selected() {
    let node = node_with_accounts(1).await;
    let elsewhere = OtherNode::of(&node);
    let mut one = Client::logged_in(&node.services).await;
    one.command("CREATE here").await;
    let mut two = Client::logged_in(&elsewhere.services).await;
    two.command("SELECT here").await;
    let mut three = Client::logged_in(&elsewhere.services).await;
    three.command("SELECT here").await;
    run(
        &mut [&mut one, &mut two, &mut three],
        r#"3C: a IDLE
           3S: + idling
           1C: a DELETE here
           1S: a OK deleted
           3S: * BYE the selected mailbox was deleted
           3S! closed
           2C: a NOOP
           2S: * BYE the selected mailbox was deleted
           2S! closed"#,
    )
    .await;
}

#[tokio::test]
async fn two_sessions_append_at_once_and_both_see_all() {
    let node = node_with_accounts(1).await;
    let elsewhere = OtherNode::of(&node);
    let mut one = Client::selected(&node.services).await;
    let mut two = Client::selected(&elsewhere.services).await;
    let many = |mut client: Client, name: &'static str| {
        tokio::spawn(async move {
            for number in 0..20 {
                let message = format!("Subject: {name} {number}\r\n\r\n");
                let answer = client.append("INBOX", message.as_bytes()).await;
                assert!(answer.starts_with("tag OK [APPENDUID "), "{answer}");
            }
            client
        })
    };
    let (first, second) = (many(one, "one"), many(two, "two"));
    (one, two) = (first.await.unwrap(), second.await.unwrap());
    for client in [&mut one, &mut two] {
        client.command("NOOP").await;
        let lines = client.command("FETCH 1:* UID").await;
        let expected: Vec<_> = (1..=40)
            .map(|number| format!("* {number} FETCH (UID {number})"))
            .collect();
        assert_eq!(lines[..40], expected);
    }
    check(&node).await;
}
