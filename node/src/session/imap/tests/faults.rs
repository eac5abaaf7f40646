//! What the client hears when a group cannot be reached, or nobody knows (DESIGN P1, P6).

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use mail_model::{BlobId, GroupId};
use replication::{Applied, BoxFuture, Command, Feed, GroupClient, ProposeError, QueryReply, ReadError, Token};
use tokio::sync::Semaphore;

use super::harness::{Client, OtherNode, check};
use crate::testing::{TestNode, node_with_accounts};

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Commands have no effect.
    NotDone,
    /// Commands take effect, and nobody hears of it.
    Uncertain,
    /// Commands take effect when the test says so.
    Held,
    /// Nothing can be read.
    Unreadable,
    /// Pieces of messages are gone.
    BlobsGone,
}

/// The groups, as a node sees them that has trouble with one.
#[derive(Clone)]
struct Faulty {
    inner: Arc<dyn GroupClient>,
    fault: Arc<Mutex<Option<Fault>>>,
    /// Blobs that can still be read before the fault begins.
    blobs_left: Arc<AtomicUsize>,
    held: Arc<Semaphore>,
    /// Reads that were refused.
    refused: Arc<AtomicUsize>,
    proposed: Arc<AtomicBool>,
    /// Commands that took effect.
    done: Arc<AtomicUsize>,
}

impl Faulty {
    fn over(node: &TestNode) -> Self {
        Self {
            inner: Arc::new(node.replicator.clone()),
            fault: Arc::default(),
            blobs_left: Arc::default(),
            held: Arc::new(Semaphore::new(0)),
            refused: Arc::default(),
            proposed: Arc::default(),
            done: Arc::default(),
        }
    }

    fn set(&self, fault: impl Into<Option<Fault>>) {
        *self.fault.lock().unwrap() = fault.into();
    }

    fn is(&self, fault: Fault) -> bool {
        *self.fault.lock().unwrap() == Some(fault)
    }

    fn unavailable(&self, group: GroupId) -> ReadError {
        self.refused.fetch_add(1, Ordering::AcqRel);
        let reason = "a test".to_owned();
        ReadError::Unavailable { group, reason }
    }
}

impl GroupClient for Faulty {
    fn propose(
        &self,
        group: GroupId,
        command: Command,
        within: Duration,
    ) -> BoxFuture<'_, Result<Applied, ProposeError>> {
        Box::pin(async move {
            let reason = "a test".to_owned();
            if self.is(Fault::NotDone) {
                return Err(ProposeError::NotDone { group, reason });
            }
            if self.is(Fault::Held) {
                self.proposed.store(true, Ordering::Release);
                self.held.acquire().await.expect("is never closed").forget();
            }
            let applied = self.inner.propose(group, command, within).await;
            self.done.fetch_add(1, Ordering::AcqRel);
            if self.is(Fault::Uncertain) {
                return Err(ProposeError::Uncertain { group, reason });
            }
            applied
        })
    }

    fn read_index(&self, group: GroupId, within: Duration) -> BoxFuture<'_, Result<Token, ReadError>> {
        if self.is(Fault::Unreadable) {
            return Box::pin(async move { Err(self.unavailable(group)) });
        }
        self.inner.read_index(group, within)
    }

    fn query(
        &self,
        group: GroupId,
        at_least: Token,
        request: Bytes,
        within: Duration,
    ) -> BoxFuture<'_, Result<QueryReply, ReadError>> {
        if self.is(Fault::Unreadable) {
            return Box::pin(async move { Err(self.unavailable(group)) });
        }
        self.inner.query(group, at_least, request, within)
    }

    fn read_blob(&self, id: BlobId, within: Duration) -> BoxFuture<'_, Result<Bytes, ReadError>> {
        let is_left = || {
            let taken = |left: usize| left.checked_sub(1);
            self.blobs_left
                .fetch_update(Ordering::AcqRel, Ordering::Acquire, taken)
                .is_ok()
        };
        if self.is(Fault::BlobsGone) && !is_left() {
            return Box::pin(async move { Err(ReadError::NoSuchBlob(id)) });
        }
        self.inner.read_blob(id, within)
    }

    fn subscribe(&self, group: GroupId, topic: u64) -> Feed {
        self.inner.subscribe(group, topic)
    }

    fn mail_groups(&self) -> Vec<GroupId> {
        self.inner.mail_groups()
    }

    fn leads(&self, group: GroupId) -> bool {
        self.inner.leads(group)
    }
}

/// A client at a node that may get into trouble, with two messages in its INBOX.
async fn trouble() -> (TestNode, OtherNode, Faulty, Client) {
    let node = node_with_accounts(1).await;
    let faulty = Faulty::over(&node);
    let elsewhere = OtherNode::over(&node, Arc::new(faulty.clone()));
    let mut client = Client::selected(&elsewhere.services).await;
    client.append("INBOX", b"Subject: 1\r\n\r\none\r\n").await;
    let large = format!("Subject: 2\r\n\r\n{}", "x".repeat(1 << 20));
    client.append("INBOX", large.as_bytes()).await;
    client.command("NOOP").await;
    (node, elsewhere, faulty, client)
}

#[tokio::test]
async fn p6_what_had_no_effect_is_a_no() {
    let (node, _elsewhere, faulty, mut client) = trouble().await;
    faulty.set(Fault::NotDone);
    client
        .run(
            r#"C: a STORE 1 +FLAGS (\Deleted)
               S: a NO [UNAVAILABLE] …
               C: b COPY 1 Archive
               S: b NO [UNAVAILABLE] …
               C: c MOVE 1 Archive
               S: c NO [UNAVAILABLE] …
               C: d CREATE new
               S: d NO [UNAVAILABLE] …
               C+ e APPEND INBOX|Subject: 3\r\n\r\n
               S: e NO [UNAVAILABLE] …
               C: f FETCH 1 BODY[TEXT]
               S: * 1 FETCH (BODY[TEXT] {5}
               S: one
               S: )
               S: f NO [UNAVAILABLE] …"#,
        )
        .await;
    faulty.set(None);
    client
        .run(
            r#"C: g FETCH 1:* FLAGS
               S: * 1 FETCH (FLAGS (\Recent))
               S: * 2 FETCH (FLAGS (\Recent))
               S: g OK that is all
               C: h STORE 1 +FLAGS (\Deleted)
               S: * 1 FETCH (FLAGS (\Deleted \Recent))
               S: h OK stored"#,
        )
        .await;
    check(&node).await;
}

#[tokio::test]
async fn p6_what_is_uncertain_gets_bye_and_no_tagged_reply() {
    for command in [
        r"STORE 1 +FLAGS (\Seen)",
        "COPY 1 Archive",
        "MOVE 1 Archive",
        "CREATE new",
        "SUBSCRIBE Sent",
        "FETCH 1 RFC822.TEXT",
    ] {
        let (node, _elsewhere, faulty, mut client) = trouble().await;
        faulty.set(Fault::Uncertain);
        client.send(format!("a {command}\r\nb NOOP\r\n").as_bytes()).await;
        let mut lines = Vec::new();
        while let Some(line) = client.line().await {
            lines.push(line);
        }
        let bye = lines.last().expect("a line");
        assert!(bye.starts_with("* BYE [UNAVAILABLE] "), "{command}: {lines:?}");
        assert!(
            !lines
                .iter()
                .any(|line| line.starts_with("a ") || line.starts_with("b ")),
            "{command}: {lines:?}"
        );
        check(&node).await;
    }
}

#[tokio::test]
async fn p6_an_upload_that_is_uncertain_is_certainly_no_message() {
    let (node, _elsewhere, faulty, mut client) = trouble().await;
    faulty.set(Fault::Uncertain);
    let large = vec![b'x'; 700_000];
    let answer = client.append("INBOX", &large).await;
    assert!(answer.starts_with("tag NO [UNAVAILABLE] "), "{answer}");
    faulty.set(None);
    client
        .run("C: a STATUS INBOX (MESSAGES)\nS: * STATUS INBOX (MESSAGES 2)\nS: a OK …")
        .await;
    check(&node).await;
}

#[tokio::test]
async fn p6_several_messages_are_none_or_all_whatever_is_uncertain() {
    let (node, _elsewhere, faulty, mut client) = trouble().await;
    // The upload of the first one is uncertain: that it is no message is certain.
    faulty.set(Fault::Uncertain);
    client
        .run("C: a APPEND INBOX {5}\nS: + go on\nC: 12345 {5}\nS: + go on\nC: 12345\nS: a NO [UNAVAILABLE] …")
        .await;
    faulty.set(None);
    client
        .run("C: b STATUS INBOX (MESSAGES)\nS: * STATUS INBOX (MESSAGES 2)\nS: b OK …")
        .await;
    // The entry that makes them messages is.
    let before = faulty.done.load(Ordering::Acquire);
    client
        .run("C: c APPEND INBOX {5}\nS: + go on\nC: 12345 {5}\nS: + go on\nC= 123")
        .await;
    while faulty.done.load(Ordering::Acquire) == before {
        tokio::task::yield_now().await;
    }
    faulty.set(Fault::Uncertain);
    client.send(b"45\r\n").await;
    let mut lines = Vec::new();
    while let Some(line) = client.line().await {
        lines.push(line);
    }
    let bye = lines.last().expect("a line");
    assert!(bye.starts_with("* BYE [UNAVAILABLE] "), "{lines:?}");
    assert!(!lines.iter().any(|line| line.starts_with("c ")), "{lines:?}");
    faulty.set(None);
    let mut client = Client::logged_in(&node.services).await;
    client
        .run("C: d STATUS INBOX (MESSAGES)\nS: * STATUS INBOX (MESSAGES 4)\nS: d OK …")
        .await;
    check(&node).await;
}

#[tokio::test]
async fn p1_ok_waits_for_the_group() {
    let (node, _elsewhere, faulty, mut client) = trouble().await;
    for command in [
        "STORE 1 +FLAGS.SILENT (\\Flagged)",
        "UID COPY 1 Archive",
        "CREATE new",
        "UID EXPUNGE 1",
    ] {
        if command.contains("EXPUNGE") {
            client.command("STORE 1 +FLAGS.SILENT (\\Deleted)").await;
        }
        faulty.proposed.store(false, Ordering::Release);
        faulty.set(Fault::Held);
        client.send(format!("tag {command}\r\n").as_bytes()).await;
        while !faulty.proposed.load(Ordering::Acquire) {
            tokio::task::yield_now().await;
        }
        // Everybody else has had their turn many times; the session still has nothing to say.
        let early = tokio::time::timeout(Duration::from_millis(50), client.line()).await;
        assert!(early.is_err(), "{command}: {early:?}");
        faulty.set(None);
        faulty.held.add_permits(1);
        loop {
            let line = client.line().await.expect("an answer");
            if line.starts_with("tag ") {
                assert!(line.starts_with("tag OK"), "{line}");
                break;
            }
        }
    }
    check(&node).await;
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_for_now() {
    let (_node, _elsewhere, faulty, mut client) = trouble().await;
    faulty.set(Fault::Unreadable);
    client
        .run(
            "C: a NOOP
             S: a NO [UNAVAILABLE] …
             C: b FETCH 1 UID
             S: * 1 FETCH (UID 1)
             S: b OK that is all
             C: c FETCH 1 RFC822.SIZE
             S: c NO [UNAVAILABLE] …
             C: d LIST \"\" *
             S: d NO [UNAVAILABLE] …
             C: e SELECT INBOX
             S: e NO [UNAVAILABLE] …",
        )
        .await;
    faulty.set(None);
    client.command("SELECT INBOX").await;
}

#[tokio::test]
async fn an_idler_is_told_later_what_could_not_be_read() {
    let (node, _elsewhere, faulty, mut idler) = trouble().await;
    let mut other = Client::selected(&node.services).await;
    idler.run("C: a IDLE\nS: + idling").await;
    faulty.set(Fault::Unreadable);
    let before = faulty.refused.load(Ordering::Acquire);
    other.command("STORE 1 +FLAGS (\\Flagged)").await;
    while faulty.refused.load(Ordering::Acquire) == before {
        tokio::task::yield_now().await;
    }
    faulty.set(None);
    idler
        .run("S: * 1 FETCH (FLAGS (\\Flagged \\Recent))\nC: DONE\nS: a OK no longer idle")
        .await;
}

#[tokio::test]
async fn m11_a_message_that_is_gone_for_good_is_expungeissued() {
    let (_node, _elsewhere, faulty, mut client) = trouble().await;
    faulty.set(Fault::BlobsGone);
    client
        .run(
            "C: a FETCH 1:2 (UID BODY.PEEK[])
             S: a NO [EXPUNGEISSUED] some of the messages were expunged
             C: b FETCH 1:2 (UID RFC822.SIZE)
             S: * 1 FETCH (UID 1 RFC822.SIZE 19)
             S: * 2 FETCH (UID 2 RFC822.SIZE 1048590)
             S: b OK that is all",
        )
        .await;
}

#[tokio::test]
async fn a_literal_that_cannot_be_finished_ends_the_session() {
    let (_node, _elsewhere, faulty, mut client) = trouble().await;
    faulty.blobs_left.store(2, Ordering::Release);
    faulty.set(Fault::BlobsGone);
    client
        .run("C: a FETCH 2 BODY.PEEK[]\nS: * 2 FETCH (BODY[] {1048590}")
        .await;
    let mut rest = Vec::new();
    while let Some(line) = client.line().await {
        rest.extend(line.into_bytes());
    }
    let text = String::from_utf8(rest).unwrap();
    assert!(
        text.len() < 1_048_590 && !text.contains("a OK") && !text.contains("BYE"),
        "{} octets",
        text.len()
    );
}
