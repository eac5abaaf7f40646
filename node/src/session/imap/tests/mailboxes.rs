//! Mailboxes, their names and numbers.

use super::harness::{Client, check, node_and_client};
use crate::testing::node_with_accounts;

#[tokio::test]
async fn a_new_account_has_its_mailboxes_with_their_uses() {
    let node = node_with_accounts(1).await;
    let mut client = Client::logged_in(&node.services).await;
    client
        .run(
            r#"C: a LIST "" ""
               S: * LIST (\Noselect) "/" ""
               S: a OK that is all
               C: b LIST "" %
               S: * LIST (\HasNoChildren) "/" INBOX
               S: * LIST (\HasNoChildren \Archive) "/" Archive
               S: * LIST (\HasNoChildren \Drafts) "/" Drafts
               S: * LIST (\HasNoChildren \Junk) "/" Junk
               S: * LIST (\HasNoChildren \Sent) "/" Sent
               S: * LIST (\HasNoChildren \Trash) "/" Trash
               S: b OK that is all
               C: c LIST "" inbox
               S: * LIST (\HasNoChildren) "/" INBOX
               S: c OK that is all
               C: d LIST "" Nowhere
               S: d OK that is all"#,
        )
        .await;
}

#[tokio::test]
async fn mailboxes_are_made_renamed_and_deleted() {
    let node = node_with_accounts(1).await;
    let mut client = Client::logged_in(&node.services).await;
    client
        .run(
            r#"C: a CREATE Work/2026/May
               S: a OK created
               C: b LIST "" Work*
               S: * LIST (\HasChildren) "/" Work
               S: * LIST (\HasChildren) "/" Work/2026
               S: * LIST (\HasNoChildren) "/" Work/2026/May
               S: b OK that is all
               C: c LIST Work/ %
               S: * LIST (\HasChildren) "/" Work/2026
               S: c OK that is all
               C: d CREATE Work
               S: d NO [ALREADYEXISTS] …
               C: e CREATE inbox
               S: e NO [ALREADYEXISTS] …
               C: f CREATE "a%b"
               S: f NO [CANNOT] …
               C: g RENAME Work Job
               S: g OK renamed
               C: h LIST "" *o*/%
               S: * LIST (\HasChildren) "/" Job/2026
               S: * LIST (\HasNoChildren) "/" Job/2026/May
               S: h OK that is all
               C: i RENAME Job Job/2026/Deep
               S: i NO [CANNOT] …
               C: j RENAME Job INBOX
               S: j NO [ALREADYEXISTS] …
               C: k RENAME Nowhere There
               S: k NO [NONEXISTENT] …
               C: l DELETE Job/2026
               S: l OK deleted
               C: m LIST "" Job/*
               S: * LIST (\Noselect \HasChildren) "/" Job/2026
               S: * LIST (\HasNoChildren) "/" Job/2026/May
               S: m OK that is all
               C: n DELETE Job/2026
               S: n NO [HASCHILDREN] …
               C: o SELECT Job/2026
               S: o NO [NONEXISTENT] …
               C: p STATUS Job/2026 (MESSAGES)
               S: p NO [NONEXISTENT] …
               C+ q APPEND Job/2026|Subject: x\r\n\r\nx\r\n
               S: q NO [TRYCREATE] …
               C: r DELETE INBOX
               S: r NO [CANNOT] …
               C: s DELETE Nowhere
               S: s NO [NONEXISTENT] …
               C: t CREATE "Entw&APw-rfe"
               S: t OK created
               C: u LIST "" Entw*
               S: * LIST (\HasNoChildren) "/" Entw&APw-rfe
               S: u OK that is all"#,
        )
        .await;
    check(&node).await;
}

#[tokio::test]
async fn subscriptions_are_names() {
    let node = node_with_accounts(1).await;
    let mut client = Client::logged_in(&node.services).await;
    client
        .run(
            r#"C: a CREATE foo/bar
               S: a OK created
               C: b SUBSCRIBE foo/bar
               S: b OK subscribed
               C: c SUBSCRIBE Sent
               S: c OK subscribed
               C: d SUBSCRIBE Nowhere
               S: d OK subscribed
               C: e LSUB "" *
               S: * LSUB (\Noselect) "/" Nowhere
               S: * LSUB (\HasNoChildren \Sent) "/" Sent
               S: * LSUB (\HasNoChildren) "/" foo/bar
               S: e OK that is all
               C: f LSUB "" %
               S: * LSUB (\Noselect) "/" Nowhere
               S: * LSUB (\HasNoChildren \Sent) "/" Sent
               S: * LSUB (\Noselect) "/" foo
               S: f OK that is all
               C: g DELETE foo/bar
               S: g OK deleted
               C: h UNSUBSCRIBE Sent
               S: h OK no longer subscribed
               C: i UNSUBSCRIBE Nowhere
               S: i OK no longer subscribed
               C: j LSUB "" *
               S: * LSUB (\Noselect) "/" foo/bar
               S: j OK that is all
               C: k LSUB "" ""
               S: * LIST (\Noselect) "/" ""
               S: k OK that is all"#,
        )
        .await;
}

#[tokio::test]
async fn select_shows_what_rfc_3501_asks_for() {
    let (node, mut client) = node_and_client().await;
    client.append("INBOX (\\Seen)", b"Subject: 1\r\n\r\n1\r\n").await;
    client.append("INBOX ($Work)", b"Subject: 2\r\n\r\n2\r\n").await;
    client
        .run(
            r#"C: a SELECT INBOX
               S: * FLAGS (\Answered \Flagged \Deleted \Seen \Draft $Work)
               S: * OK [PERMANENTFLAGS (\Answered \Flagged \Deleted \Seen \Draft $Work \*)] …
               S: * 2 EXISTS
               S: * 0 RECENT
               S: * OK [UNSEEN 2] …
               S: * OK [UIDVALIDITY …] …
               S: * OK [UIDNEXT 3] …
               S: a OK [READ-WRITE] selected
               C: b EXAMINE inbox
               S: * FLAGS (\Answered \Flagged \Deleted \Seen \Draft $Work)
               S: * OK [PERMANENTFLAGS ()] …
               S: * 2 EXISTS
               S: * 0 RECENT
               S: * OK [UNSEEN 2] …
               S: * OK [UIDVALIDITY …] …
               S: * OK [UIDNEXT 3] …
               S: b OK [READ-ONLY] open for reading
               C: c STORE 1 FLAGS (\Deleted)
               S: c NO [READ-ONLY] …
               C: d EXPUNGE
               S: d NO [READ-ONLY] …
               C: e MOVE 1 Trash
               S: e NO [READ-ONLY] …
               C: f FETCH 2 (BODY[TEXT])
               S: * 2 FETCH (BODY[TEXT] {3}
               S: 2
               S: )
               S: f OK that is all
               C: g FETCH 2 FLAGS
               S: * 2 FETCH (FLAGS ($Work))
               S: g OK that is all
               C: h SELECT Nowhere
               S: h NO [NONEXISTENT] …
               C: i FETCH 1 FLAGS
               S: i BAD …
               C: j SELECT Archive
               S# 2
               S: * 0 EXISTS
               S: * 0 RECENT
               S: * OK [UIDVALIDITY …] …
               S: * OK [UIDNEXT 1] …
               S: j OK [READ-WRITE] selected
               C: k UNSELECT
               S: k OK no longer selected
               C: l CHECK
               S: l BAD …"#,
        )
        .await;
    check(&node).await;
}

#[tokio::test]
async fn status_counts_without_selecting() {
    let node = node_with_accounts(1).await;
    let mut client = Client::logged_in(&node.services).await;
    client
        .run(
            r#"C+ a APPEND INBOX (\Seen)|Subject: 1\r\n\r\n1\r\n
               S: a OK [APPENDUID … 1] appended
               C+ b APPEND INBOX|Subject: 2\r\n\r\n2\r\n
               S: b OK [APPENDUID … 2] appended
               C: c STATUS INBOX (MESSAGES RECENT UIDNEXT UIDVALIDITY UNSEEN)
               S: * STATUS INBOX (MESSAGES 2 RECENT 2 UIDNEXT 3 UIDVALIDITY … UNSEEN 1)
               S: c OK that is all
               C: d SELECT INBOX
               S# 7
               S: d OK [READ-WRITE] selected
               C: e STATUS INBOX (RECENT)
               S: * STATUS INBOX (RECENT 2)
               S: e OK that is all
               C: f CLOSE
               S: f OK closed
               C: g STATUS INBOX (RECENT)
               S: * STATUS INBOX (RECENT 0)
               S: g OK that is all
               C: h STATUS Nowhere (MESSAGES)
               S: h NO [NONEXISTENT] …"#,
        )
        .await;
}

#[tokio::test]
async fn rename_of_inbox_moves_its_messages_and_leaves_it() {
    let (node, mut client) = node_and_client().await;
    client.append("INBOX", b"Subject: 1\r\n\r\n1\r\n").await;
    client
        .run(
            r#"C: a RENAME INBOX Old
               S: * 1 EXPUNGE
               S: * 0 RECENT
               S: a OK renamed
               C: b STATUS INBOX (MESSAGES UIDNEXT)
               S: * STATUS INBOX (MESSAGES 0 UIDNEXT 2)
               S: b OK that is all
               C: c STATUS Old (MESSAGES UIDNEXT)
               S: * STATUS Old (MESSAGES 1 UIDNEXT 2)
               S: c OK that is all"#,
        )
        .await;
    check(&node).await;
}

#[tokio::test]
async fn whoever_deletes_the_selected_mailbox_has_none_selected() {
    let node = node_with_accounts(1).await;
    let mut client = Client::logged_in(&node.services).await;
    client
        .run(
            r#"C: a CREATE here
               S: a OK created
               C: b SELECT here
               S# 6
               S: b OK [READ-WRITE] selected
               C: c RENAME here there
               S: c OK renamed
               C: d NOOP
               S: d OK done
               C: e DELETE there
               S: e OK deleted
               C: f FETCH 1 FLAGS
               S: f BAD …
               C: g SELECT INBOX
               S# 6
               S: g OK [READ-WRITE] selected"#,
        )
        .await;
}
