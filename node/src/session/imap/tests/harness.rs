//! Runs transcripts against sessions.
//!
//! - `C: text` sends a line; `S: text` expects the next line, in which `…` stands for anything.
//! - `2C:` and `2S:` are the second client, `3C:` and `3S:` the third.
//! - `C+ text|message` sends `text` with the message as a non-synchronizing literal; `C= text` sends octets without an
//!   end of line. In both `\r`, `\n` and `\0` are written so.
//! - `S! closed` expects that the session has ended.
//! - `S# number` skips so many lines.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use mail_model::Secret;
use mailstore::{Account, Mailstore};
use replication::GroupClient;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream, ReadHalf, WriteHalf};
use tokio::time::timeout;

use super::super::serve;
use crate::auth::Authenticator;
use crate::connection::{Connection, Peer};
use crate::delivery_log::DeliveryLog;
use crate::services::{Services, SharedServices};
use crate::session::transcript::Stream;
use crate::testing::{PASSWORD, TestNode, node_with_accounts};

/// Bytes that a stream holds between the two ends.
const STREAM_BYTES: usize = 8 << 10;
/// Time for one line to come.
const PATIENCE: Duration = Duration::from_secs(30);

/// One end of a session.
pub(super) struct Client {
    reader: BufReader<ReadHalf<Box<dyn Stream>>>,
    writer: WriteHalf<Box<dyn Stream>>,
}

impl Client {
    /// A client on this machine.
    pub(super) fn connect(services: &SharedServices) -> Self {
        Self::connect_from(services, [127, 0, 0, 1].into())
    }

    /// A client from anywhere.
    pub(super) fn connect_from(services: &SharedServices, from: IpAddr) -> Self {
        Self::connect_with(services, |theirs| Connection::plain(theirs, Peer::Ip(from), None))
    }

    /// A client on a connection of any kind.
    pub(super) fn connect_with(services: &SharedServices, connect: impl FnOnce(DuplexStream) -> Connection) -> Self {
        let (ours, theirs) = tokio::io::duplex(STREAM_BYTES);
        tokio::spawn(serve(connect(theirs), services.clone()));
        Self::over(Box::new(ours))
    }

    /// A client at its end of a stream.
    pub(super) fn over(stream: Box<dyn Stream>) -> Self {
        let (reader, writer) = tokio::io::split(stream);
        let reader = BufReader::new(reader);
        Self { reader, writer }
    }

    /// The stream back. Everything that came was read.
    pub(super) fn into_stream(self) -> Box<dyn Stream> {
        assert!(self.reader.buffer().is_empty(), "the session said more than expected");
        self.reader.into_inner().unsplit(self.writer)
    }

    /// A client that has logged in as `user1`.
    pub(super) async fn logged_in(services: &SharedServices) -> Self {
        let mut client = Self::connect(services);
        let log_in = format!(
            "S: * OK [CAPABILITY …] mail.demo.test Holdfast is ready
             C: in LOGIN user1@demo.test {PASSWORD}
             S: in OK [CAPABILITY …] logged in"
        );
        client.run(&log_in).await;
        client
    }

    /// The same with the INBOX selected.
    pub(super) async fn selected(services: &SharedServices) -> Self {
        let mut client = Self::logged_in(services).await;
        client.command("SELECT INBOX").await;
        client
    }

    pub(super) async fn send(&mut self, octets: &[u8]) {
        self.try_send(octets).await.expect("the session reads");
    }

    /// The same to a session that may have ended.
    pub(super) async fn try_send(&mut self, octets: &[u8]) -> std::io::Result<()> {
        self.writer.write_all(octets).await
    }

    /// The next line without its end; `None` when the session has ended.
    pub(super) async fn line(&mut self) -> Option<String> {
        self.patient_line(PATIENCE).await
    }

    /// The same with other patience.
    pub(super) async fn patient_line(&mut self, patience: Duration) -> Option<String> {
        let mut line = Vec::new();
        let read = timeout(patience, self.reader.read_until(b'\n', &mut line)).await;
        read.expect("a line in time").expect("a stream in memory does not fail");
        let line = line.strip_suffix(b"\n")?;
        Some(String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line)).into_owned())
    }

    /// The next octets.
    pub(super) async fn octets(&mut self, len: usize) -> Vec<u8> {
        let mut octets = vec![0; len];
        let read = timeout(PATIENCE, self.reader.read_exact(&mut octets)).await;
        read.expect("octets in time").expect("so many octets");
        octets
    }

    /// Sends a command and returns all lines of its answer; the last one is the tagged one. Must be OK.
    pub(super) async fn command(&mut self, command: &str) -> Vec<String> {
        let lines = self.answer(command).await;
        let last = lines.last().expect("an answer");
        assert!(last.starts_with("tag OK"), "{command}: {last}");
        lines
    }

    /// The same, whatever the answer is.
    pub(super) async fn answer(&mut self, command: &str) -> Vec<String> {
        self.send(format!("tag {command}\r\n").as_bytes()).await;
        self.rest_of_answer().await
    }

    async fn rest_of_answer(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let line = self.line().await.expect("the session goes on");
            let is_last = line.starts_with("tag ");
            lines.push(line);
            if is_last {
                return lines;
            }
        }
    }

    /// Appends a message, and returns the tagged answer.
    pub(super) async fn append(&mut self, mailbox: &str, message: &[u8]) -> String {
        self.send(format!("tag APPEND {mailbox} {{{}+}}\r\n", message.len()).as_bytes())
            .await;
        self.send(message).await;
        self.send(b"\r\n").await;
        self.rest_of_answer().await.pop().expect("an answer")
    }

    /// The literal that `UID FETCH uid (item)` answers with.
    pub(super) async fn fetch_literal(&mut self, uid: u32, item: &str) -> Vec<u8> {
        self.send(format!("tag UID FETCH {uid} ({item})\r\n").as_bytes()).await;
        let head = self.line().await.expect("an answer");
        let size = head.rsplit_once('{').and_then(|(_, size)| size.strip_suffix('}'));
        let size = size.unwrap_or_else(|| panic!("no literal in {head}"));
        let octets = self.octets(size.parse().expect("a size")).await;
        let lines = self.rest_of_answer().await;
        assert_eq!(lines[0], ")", "after the literal of {item}");
        assert!(lines.last().is_some_and(|last| last.starts_with("tag OK")), "{lines:?}");
        octets
    }

    /// Runs a transcript of this client alone.
    pub(super) async fn run(&mut self, script: &str) {
        run(&mut [self], script).await;
    }
}

/// Runs a transcript; panics where client and session disagree.
pub(super) async fn run(clients: &mut [&mut Client], script: &str) {
    for (at, line) in script.lines().enumerate() {
        let line = line.trim_start();
        if line.is_empty() {
            continue;
        }
        let place = format!("line {} of the transcript: {line}", at + 1);
        let (number, line) = match line.as_bytes()[0] {
            digit @ b'1'..=b'9' => (usize::from(digit - b'1'), &line[1..]),
            _ => (0, line),
        };
        let (kind, text) = line.split_at(2);
        let text = text.strip_prefix(' ').unwrap_or(text);
        step(clients[number], kind, text, &place).await;
    }
}

async fn step(client: &mut Client, kind: &str, text: &str, place: &str) {
    match kind {
        "C:" => client.send(format!("{text}\r\n").as_bytes()).await,
        "C=" => client.send(unescape(text).as_bytes()).await,
        "C+" => {
            let (head, message) = text.split_once('|').expect("a message after |");
            let message = unescape(message);
            let line = format!("{head} {{{}+}}\r\n{message}\r\n", message.len());
            client.send(line.as_bytes()).await;
        }
        "S:" => {
            let line = client.line().await;
            let line = line.unwrap_or_else(|| panic!("the session ended before {place}"));
            assert!(matches(&line, text), "got {line:?} at {place}");
        }
        "S!" => assert_eq!(client.line().await, None, "at {place}"),
        "S#" => {
            for _ in 0..text.parse().expect("a number of lines") {
                client
                    .line()
                    .await
                    .unwrap_or_else(|| panic!("the session ended before {place}"));
            }
        }
        _ => panic!("what is {place}"),
    }
}

fn unescape(text: &str) -> String {
    text.replace("\\r", "\r").replace("\\n", "\n").replace("\\0", "\0")
}

/// Whether `line` is `pattern`, in which `…` stands for anything.
fn matches(line: &str, pattern: &str) -> bool {
    match pattern.split_once('…') {
        None => line == pattern,
        Some((head, rest)) => line.strip_prefix(head).is_some_and(|line| {
            let starts = (0..=line.len()).filter(|at| line.is_char_boundary(*at));
            starts.into_iter().any(|at| matches(&line[at..], rest))
        }),
    }
}

/// A node with one account, and a client of it that has selected the INBOX.
pub(super) async fn node_and_client() -> (TestNode, Client) {
    let node = node_with_accounts(1).await;
    let client = Client::selected(&node.services).await;
    (node, client)
}

/// The account of `user1`.
pub(super) async fn account(node: &TestNode) -> Account {
    let services = &node.services;
    let password = Secret::new(PASSWORD.to_owned());
    let user = services
        .auth
        .log_in("user1@demo.test", &password, [127, 0, 0, 1].into())
        .await;
    let user = user.expect("logs in");
    services.store.account(user.account, user.group)
}

/// What holds after everything: the store's own check finds nothing.
pub(super) async fn check(node: &TestNode) {
    let report = account(node).await.check().await.expect("checks");
    assert!(report.findings.is_empty(), "{:?}", report.findings);
}

/// A second front node over the same groups: it knows nothing of what the first one has seen.
pub(super) struct OtherNode {
    pub(super) services: SharedServices,
    _dir: tempfile::TempDir,
}

impl OtherNode {
    pub(super) fn of(node: &TestNode) -> Self {
        Self::over(node, Arc::new(node.replicator.clone()))
    }

    /// The same with another way to the groups. The directory is there in any case.
    pub(super) fn over(node: &TestNode, client: Arc<dyn GroupClient>) -> Self {
        let directory = node.services.directory.clone();
        let dir = tempfile::tempdir().expect("a directory");
        let services = Services {
            store: Mailstore::new(client),
            auth: Authenticator::new(directory.clone()).expect("random bytes"),
            directory,
            access: node.services.access.clone(),
            delivery_log: DeliveryLog::open(dir.path(), 30).expect("opens"),
            settings: node.services.settings.clone(),
            stopping: node.services.stopping.clone(),
        };
        Self {
            services: Arc::new(services),
            _dir: dir,
        }
    }
}
