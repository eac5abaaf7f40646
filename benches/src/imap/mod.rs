//! One IMAP client (RFC 3501) for all measurements: it sends commands, reads replies to their end, and counts.
//!
//! Invariants
//! - A command that is not answered with OK is an error, and so is a reply that does not come in time.
//! - What a reply holds is read to the last octet and thrown away, so that the client costs little beside the server.
//!
//! Must not know: which server it speaks with.

mod append;
mod reply;
mod stream;

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, ensure};
use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use self::reply::{Part, Scanner};
use self::stream::Stream;
pub(crate) use self::stream::Tls;
use crate::limits::{ACCOUNTS, ANSWER_WITHIN, CLIENT_READ_BYTES};
use crate::server::Server;

/// How a client connects.
#[derive(Clone)]
pub(crate) enum How {
    Plain,
    Tls(Tls),
}

/// A connection.
pub(crate) struct Client {
    stream: Stream,
    address: SocketAddr,
    buffer: BytesMut,
    scanner: Scanner,
    tags: u32,
}

/// What came up to a tagged reply.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    /// Untagged FETCH replies.
    pub(crate) fetched: usize,
    /// Octets, the tagged reply included.
    pub(crate) octets: u64,
    /// Other untagged replies, without their line ends.
    pub(crate) lines: Vec<String>,
}

impl Answer {
    /// The number in front of a word, as in `* 23 EXISTS`.
    pub(crate) fn number(&self, word: &str) -> Option<u64> {
        self.lines.iter().rev().find_map(|line| {
            let number = line.strip_prefix("* ")?.strip_suffix(word)?;
            number.trim_end().parse().ok()
        })
    }

    /// What comes after a word, as after `* SEARCH`.
    pub(crate) fn after(&self, word: &str) -> Option<&str> {
        self.lines
            .iter()
            .find_map(|line| line.strip_prefix("* ")?.strip_prefix(word))
    }
}

impl Client {
    /// Connects and reads the greeting.
    pub(crate) async fn connect(address: SocketAddr, how: &How) -> anyhow::Result<Self> {
        Self::connect_from(None, address, how).await
    }

    /// The same, from an address of this machine.
    pub(crate) async fn connect_from(from: Option<SocketAddr>, address: SocketAddr, how: &How) -> anyhow::Result<Self> {
        let connected = timeout(ANSWER_WITHIN, Stream::connect(from, address, how)).await;
        let connected = connected.with_context(|| format!("{address} takes no connection"))?;
        let mut client = Self {
            stream: connected.with_context(|| format!("connect to {address}"))?,
            address,
            buffer: BytesMut::new(),
            scanner: Scanner::default(),
            tags: 0,
        };
        client.wait_for("* OK").await?;
        Ok(client)
    }

    /// Logs in as one of the accounts, from 1.
    pub(crate) async fn log_in(&mut self, account: usize) -> anyhow::Result<()> {
        let command = format!("LOGIN user{account}@demo.test demo");
        self.run(&command).await.map(drop)
    }

    /// Ends the session in order.
    pub(crate) async fn log_out(mut self) -> anyhow::Result<()> {
        self.run("LOGOUT").await.map(drop)
    }

    /// Whether a capability is offered now.
    pub(crate) async fn offers(&mut self, capability: &str) -> anyhow::Result<bool> {
        let answer = self.run("CAPABILITY").await?;
        let offered = answer.after("CAPABILITY ").context("CAPABILITY was not answered")?;
        Ok(offered.split(' ').any(|word| word == capability))
    }

    /// One command, from its name to before its line end.
    pub(crate) async fn run(&mut self, command: &str) -> anyhow::Result<Answer> {
        let tag = self.next_tag();
        self.send(format!("{tag} {command}\r\n").as_bytes()).await?;
        let answer = self.wait_for(&tag).await;
        answer.with_context(|| format!("command {:?}", command.chars().take(60).collect::<String>()))
    }

    /// The tag of the next command, for those who write commands themselves.
    pub(crate) fn next_tag(&mut self) -> String {
        self.tags += 1;
        format!("a{}", self.tags)
    }

    pub(crate) async fn send(&mut self, octets: &[u8]) -> anyhow::Result<()> {
        let sent = timeout(ANSWER_WITHIN, async {
            self.stream.write_all(octets).await?;
            self.stream.flush().await
        });
        let sent = sent.await.with_context(|| format!("{} does not read", self.address))?;
        sent.with_context(|| format!("write to {}", self.address))
    }

    /// Reads up to the line that starts with `start`. Every tagged reply on the way has to be OK.
    pub(crate) async fn wait_for(&mut self, start: &str) -> anyhow::Result<Answer> {
        let mut answer = Answer::default();
        loop {
            while let Some((part, length)) = self.scanner.next(&self.buffer) {
                answer.octets += length as u64;
                let line = match part {
                    Part::Whole => Some(&self.buffer[..length]),
                    Part::Inside => None,
                    Part::Fetch => {
                        answer.fetched += 1;
                        None
                    }
                };
                let done = match line {
                    Some(line) => take_line(line, start, &mut answer)?,
                    None => false,
                };
                self.buffer.advance(length);
                if done {
                    return Ok(answer);
                }
            }
            self.read_more().await?;
        }
    }

    async fn read_more(&mut self) -> anyhow::Result<()> {
        // A session that waits for news should not hold a large buffer.
        self.buffer.reserve(if self.buffer.is_empty() {
            2 << 10
        } else {
            CLIENT_READ_BYTES
        });
        let read = timeout(ANSWER_WITHIN, self.stream.read_buf(&mut self.buffer)).await;
        let read = read.with_context(|| format!("{} does not answer", self.address))?;
        let read = read.with_context(|| format!("read from {}", self.address))?;
        ensure!(read > 0, "{} ended the connection", self.address);
        Ok(())
    }
}

/// Whether this is the line that was waited for.
fn take_line(line: &[u8], start: &str, answer: &mut Answer) -> anyhow::Result<bool> {
    let text = String::from_utf8_lossy(line);
    let text = text.trim_end();
    let is_last = text
        .strip_prefix(start)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(' '));
    if !text.starts_with(['*', '+']) {
        let (_, rest) = text.split_once(' ').unwrap_or_default();
        ensure!(rest.starts_with("OK"), "it said {text:?}");
    }
    if !is_last {
        answer.lines.push(text.to_owned());
    }
    Ok(is_last)
}

/// Messages in the INBOXes of all accounts of a server: what was acknowledged has to be there.
///
/// # Errors
/// When an account cannot be asked.
pub(crate) async fn count_inboxes(server: &Server) -> anyhow::Result<u64> {
    let mut sum = 0;
    for account in 1..=ACCOUNTS {
        let mut client = Client::connect(server.imap[0], &How::Plain).await?;
        client.log_in(account).await?;
        let answer = client.run("STATUS INBOX (MESSAGES)").await?;
        let status = answer.after("STATUS ").context("STATUS had no answer")?;
        let count = status
            .split_once("(MESSAGES ")
            .and_then(|(_, rest)| rest.strip_suffix(')'));
        let count = count.and_then(|count| count.parse::<u64>().ok());
        sum += count.with_context(|| format!("read {status:?}"))?;
        client.log_out().await?;
    }
    Ok(sum)
}

/// What is trusted when connecting over TLS: the certificate in this file, and what it has signed.
pub(crate) fn tls(certificate: &Path) -> anyhow::Result<How> {
    Ok(How::Tls(Tls::trusting(certificate)?))
}
