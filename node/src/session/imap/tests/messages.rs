//! Messages: APPEND, STORE, COPY, MOVE, EXPUNGE and the simple items of FETCH.

use super::harness::{account, check, node_and_client};

#[tokio::test]
async fn append_keeps_flags_and_date_and_tells_the_uid() {
    let (node, mut client) = node_and_client().await;
    client
        .run(
            r#"C+ a APPEND INBOX (\Seen \Draft $Work) " 1-Feb-1969 03:04:05 -0130"|Subject: one\r\n\r\n1\r\n
               S: * FLAGS (\Answered \Flagged \Deleted \Seen \Draft $Work)
               S: * OK [PERMANENTFLAGS (\Answered \Flagged \Deleted \Seen \Draft $Work \*)] …
               S: * 1 EXISTS
               S: * 1 RECENT
               S: a OK [APPENDUID … 1] appended
               C: b FETCH 1 (UID FLAGS INTERNALDATE RFC822.SIZE)
               S: * 1 FETCH (UID 1 FLAGS (\Seen \Draft $Work \Recent) INTERNALDATE " 1-Feb-1969 03:04:05 -0130" RFC822.SIZE 19)
               S: b OK that is all
               C: c APPEND INBOX {6}
               S: + go on
               C= a: b\r\n\r\n
               S: * 2 EXISTS
               S: * 2 RECENT
               S: c OK [APPENDUID … 2] appended"#,
        )
        .await;
    check(&node).await;
}

#[tokio::test]
async fn append_refuses_before_the_message_is_sent() {
    let (_node, mut client) = node_and_client().await;
    client
        .run(
            r#"C: a APPEND Nowhere {6}
               S: a NO [TRYCREATE] there is no such mailbox
               C+ b APPEND Nowhere|not read as commands\r\nx LOGOUT\r\n
               S: b NO [TRYCREATE] …
               C: c APPEND INBOX {99999999999}
               S: c NO [TOOBIG] …
               C: d APPEND INBOX (\Recent) {6}
               S: d BAD …
               C+ e APPEND INBOX|with a \0\r\n
               S: e BAD a message has no NUL
               C: f APPEND INBOX {0+}
               C: 
               S: f NO …
               C: g STATUS INBOX (MESSAGES)
               S: * STATUS INBOX (MESSAGES 0)
               S: g OK that is all"#,
        )
        .await;
}

#[tokio::test]
async fn append_over_quota_is_refused_before_the_message_is_sent() {
    let (node, mut client) = node_and_client().await;
    let account = account(&node).await;
    account.set_quota(Some(100)).await.unwrap();
    client
        .run(
            r#"C: a APPEND INBOX {101}
               S: a NO [OVERQUOTA] the quota is used up
               C+ b APPEND INBOX|Subject: fits\r\n\r\n\r\n
               S: * 1 EXISTS
               S: * 1 RECENT
               S: b OK [APPENDUID … 1] appended"#,
        )
        .await;
}

#[tokio::test]
async fn store_tells_flags_unless_it_is_silent() {
    let (node, mut client) = node_and_client().await;
    for text in ["1", "2", "3"] {
        client
            .append("INBOX", format!("Subject: {text}\r\n\r\n").as_bytes())
            .await;
    }
    client
        .run(
            r#"C: a STORE 1:2 +FLAGS (\Flagged)
               S: * 1 FETCH (FLAGS (\Flagged \Recent))
               S: * 2 FETCH (FLAGS (\Flagged \Recent))
               S: a OK stored
               C: b STORE 1 FLAGS.SILENT (\Seen $Work)
               S: * FLAGS (\Answered \Flagged \Deleted \Seen \Draft $Work)
               S: * OK [PERMANENTFLAGS (\Answered \Flagged \Deleted \Seen \Draft $Work \*)] …
               S: b OK stored
               C: c UID STORE 2:* -FLAGS (\Flagged $Nothing)
               S: * 2 FETCH (UID 2 FLAGS (\Recent))
               S: * 3 FETCH (UID 3 FLAGS (\Recent))
               S: c OK stored
               C: d FETCH 1:3 FLAGS
               S: * 1 FETCH (FLAGS (\Seen $Work \Recent))
               S: * 2 FETCH (FLAGS (\Recent))
               S: * 3 FETCH (FLAGS (\Recent))
               S: d OK that is all
               C: e STORE 4 +FLAGS (\Seen)
               S: e BAD there is no message of such a number
               C: f UID STORE 99 +FLAGS (\Seen)
               S: f OK stored
               C: g STORE 1 +FLAGS (\Recent)
               S: g BAD …
               C: h STORE 1 -FLAGS.SILENT ($Work)
               S: h OK stored
               C: i STORE 1 +FLAGS ()
               S: * 1 FETCH (FLAGS (\Seen \Recent))
               S: i OK stored"#,
        )
        .await;
    check(&node).await;
}

#[tokio::test]
async fn keywords_are_bounded_and_said_to_be() {
    let (_node, mut client) = node_and_client().await;
    client.append("INBOX", b"Subject: 1\r\n\r\n").await;
    for tens in 0..20 {
        let keywords: Vec<_> = (0..50).map(|number| format!("k{}", tens * 50 + number)).collect();
        client
            .command(&format!("STORE 1 FLAGS.SILENT ({})", keywords.join(" ")))
            .await;
    }
    let refused = client.answer("STORE 1 +FLAGS.SILENT (onemore)").await;
    assert_eq!(refused, ["tag NO [LIMIT] too many keywords in this mailbox"]);
    let lines = client.command("SELECT INBOX").await;
    let permanent = lines.iter().find(|line| line.contains("PERMANENTFLAGS")).unwrap();
    assert!(
        permanent.contains(" k999)]") && !permanent.contains("\\*"),
        "{permanent}"
    );
}

#[tokio::test]
async fn copy_names_the_copies() {
    let (node, mut client) = node_and_client().await;
    for text in ["1", "2", "3"] {
        client
            .append("INBOX (\\Flagged)", format!("Subject: {text}\r\n\r\n").as_bytes())
            .await;
    }
    client
        .run(
            r#"C: a COPY 1,3 Archive
               S: a OK [COPYUID … 1,3 1:2] copied
               C: b UID COPY 2:50 Archive
               S: b OK [COPYUID … 2:3 3:4] copied
               C: c UID COPY 50:60 Archive
               S: c OK copied
               C: d COPY 1 Nowhere
               S: d NO [TRYCREATE] there is no such mailbox
               C: e COPY 9 Archive
               S: e BAD …
               C: f COPY 1 INBOX
               S: * 4 EXISTS
               S: * 4 RECENT
               S: f OK [COPYUID … 1 4] copied
               C: g STATUS Archive (MESSAGES UNSEEN)
               S: * STATUS Archive (MESSAGES 4 UNSEEN 4)
               S: g OK that is all
               C: h FETCH 4 FLAGS
               S: * 4 FETCH (FLAGS (\Flagged \Recent))
               S: h OK that is all"#,
        )
        .await;
    check(&node).await;
}

#[tokio::test]
async fn move_tells_copies_then_expunges() {
    let (node, mut client) = node_and_client().await;
    for text in ["1", "2", "3", "4"] {
        client
            .append("INBOX", format!("Subject: {text}\r\n\r\n").as_bytes())
            .await;
    }
    client
        .run(
            r#"C: a MOVE 1,3 Archive
               S: * OK [COPYUID … 1,3 1:2] they are there now
               S: * 3 EXPUNGE
               S: * 1 EXPUNGE
               S: * 2 RECENT
               S: a OK moved
               C: b UID MOVE 4 Archive
               S: * OK [COPYUID … 4 3] they are there now
               S: * 2 EXPUNGE
               S: * 1 RECENT
               S: b OK moved
               C: c MOVE 1 Nowhere
               S: c NO [TRYCREATE] there is no such mailbox
               C: d UID MOVE 77 Archive
               S: d OK moved
               C: e STATUS Archive (MESSAGES)
               S: * STATUS Archive (MESSAGES 3)
               S: e OK that is all
               C: f FETCH 1:* UID
               S: * 1 FETCH (UID 2)
               S: f OK that is all"#,
        )
        .await;
    check(&node).await;
}

#[tokio::test]
async fn expunge_takes_what_is_deleted_and_uid_expunge_what_is_named() {
    let (node, mut client) = node_and_client().await;
    for text in ["1", "2", "3", "4"] {
        client
            .append("INBOX", format!("Subject: {text}\r\n\r\n").as_bytes())
            .await;
    }
    client
        .run(
            r#"C: a STORE 1,2,4 +FLAGS.SILENT (\Deleted)
               S: a OK stored
               C: b UID EXPUNGE 2:3
               S: * 2 EXPUNGE
               S: * 3 RECENT
               S: b OK expunged
               C: c EXPUNGE
               S: * 3 EXPUNGE
               S: * 1 EXPUNGE
               S: * 1 RECENT
               S: c OK expunged
               C: d FETCH 1:* UID
               S: * 1 FETCH (UID 3)
               S: d OK that is all
               C: e STORE 1 +FLAGS.SILENT (\Deleted)
               S: e OK stored
               C: f UNSELECT
               S: f OK no longer selected
               C: g STATUS INBOX (MESSAGES)
               S: * STATUS INBOX (MESSAGES 1)
               S: g OK that is all
               C: h EXAMINE INBOX
               S# 7
               S: h OK [READ-ONLY] …
               C: i CLOSE
               S: i OK closed
               C: j SELECT INBOX
               S# 7
               S: j OK [READ-WRITE] selected
               C: k CLOSE
               S: k OK closed
               C: l STATUS INBOX (MESSAGES)
               S: * STATUS INBOX (MESSAGES 0)
               S: l OK that is all"#,
        )
        .await;
    check(&node).await;
}

#[tokio::test]
async fn sets_mean_what_rfc_3501_says() {
    let (_node, mut client) = node_and_client().await;
    client
        .run(
            "C: a FETCH 1:* FLAGS
             S: a OK that is all
             C: b UID FETCH 1:* FLAGS
             S: b OK that is all
             C: c FETCH 2 FLAGS
             S: c BAD …",
        )
        .await;
    for text in ["1", "2", "3"] {
        client
            .append("INBOX", format!("Subject: {text}\r\n\r\n").as_bytes())
            .await;
    }
    client
        .run(
            r#"C: d FETCH *:2 UID
               S: * 2 FETCH (UID 2)
               S: * 3 FETCH (UID 3)
               S: d OK that is all
               C: e UID FETCH 559:* UID
               S: * 3 FETCH (UID 3)
               S: e OK that is all
               C: f FETCH 3:4 UID
               S: f BAD …
               C: g UID FETCH 4:9 FLAGS
               S: g OK that is all
               C: h UID FETCH 2 (RFC822.SIZE)
               S: * 2 FETCH (UID 2 RFC822.SIZE 14)
               S: h OK that is all"#,
        )
        .await;
}

#[tokio::test]
async fn pipelined_commands_take_effect_in_order() {
    let (_node, mut client) = node_and_client().await;
    client
        .run(
            r#"C+ a APPEND INBOX|Subject: 1\r\n\r\n
               C: b STORE 1 +FLAGS.SILENT (\Deleted)
               C: c EXPUNGE
               C: d NOOP
               S: * 1 EXISTS
               S: * 1 RECENT
               S: a OK [APPENDUID … 1] appended
               S: b OK stored
               S: * 1 EXPUNGE
               S: * 0 RECENT
               S: c OK expunged
               S: d OK done"#,
        )
        .await;
}
