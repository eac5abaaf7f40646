//! The load: LMTP clients (RFC 2033) that deliver one message after the other, each as fast as its server answers.
//!
//! Invariants
//! - A message counts once its recipient was answered with 250.
//! - Clients pipeline and declare the size where the server offers it, as mail servers do.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::limits::{ACCOUNTS, ANSWER_WITHIN, REPLY_LINE_BYTES_MAX};
use crate::message::Stock;
use crate::turns::Load;

/// What is to be delivered.
#[derive(Clone)]
pub(crate) struct Work {
    pub(crate) connections: usize,
    /// Accounts that each message goes to: one, or more, the first of them another for each message.
    pub(crate) recipients: usize,
    pub(crate) stock: Arc<Stock>,
    /// About how long.
    pub(crate) wanted: Duration,
    /// Most messages; a message to several accounts is one.
    pub(crate) messages_max: u64,
}

/// Delivers over connections that take the addresses in turn. Numbers of messages are taken from `numbers`, which tell
/// them apart. What counts as an operation is a message for one account.
///
/// # Errors
/// When a server does not answer, or not with success.
pub(crate) async fn deliver(addresses: &[SocketAddr], work: &Work, numbers: &Arc<AtomicU64>) -> anyhow::Result<Load> {
    let mut clients = Vec::new();
    for address in addresses.iter().cycle().take(work.connections) {
        clients.push(Client::connect(*address).await?);
    }
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    let last = numbers.load(Ordering::Relaxed).saturating_add(work.messages_max);
    for client in clients {
        tasks.spawn(client.run(work.clone(), numbers.clone(), started + work.wanted, last));
    }
    let mut waits = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        waits.extend(ended.context("a client ended")??);
    }
    Ok(Load {
        took: started.elapsed(),
        operations: waits.len() * work.recipients,
        waits,
    })
}

struct Client {
    stream: BufReader<TcpStream>,
    address: SocketAddr,
    declares_size: bool,
}

impl Client {
    async fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address)
            .await
            .with_context(|| format!("connect to {address}"))?;
        stream.set_nodelay(true)?;
        let mut client = Self {
            stream: BufReader::new(stream),
            address,
            declares_size: false,
        };
        client.expect("220").await?;
        client.send(b"LHLO bench.sender.test\r\n").await?;
        let offered = client.expect("250").await?;
        client.declares_size = offered.iter().any(|line| line[4..].starts_with("SIZE"));
        ensure!(
            offered.iter().any(|line| &line[4..] == "PIPELINING"),
            "{address} does not offer PIPELINING"
        );
        Ok(client)
    }

    async fn run(mut self, work: Work, numbers: Arc<AtomicU64>, until: Instant, last: u64) -> anyhow::Result<Vec<f64>> {
        let (mut waits, mut message) = (Vec::new(), Vec::new());
        while Instant::now() < until {
            let number = numbers.fetch_add(1, Ordering::Relaxed);
            if number >= last {
                break;
            }
            work.stock.write(number, &mut message);
            message.extend_from_slice(b".\r\n");
            let started = Instant::now();
            let delivered = timeout(ANSWER_WITHIN, self.deliver(number, &work, &message)).await;
            delivered.with_context(|| format!("{} does not answer", self.address))??;
            waits.push(started.elapsed().as_secs_f64());
        }
        self.send(b"QUIT\r\n").await?;
        Ok(waits)
    }

    /// `message` ends with the dot that ends it.
    async fn deliver(&mut self, number: u64, work: &Work, message: &[u8]) -> anyhow::Result<()> {
        let mut commands = "MAIL FROM:<ann@sender.test>".to_owned();
        if self.declares_size {
            commands.push_str(&format!(" SIZE={}", message.len() - 3));
        }
        commands.push_str(if work.stock.is_8bit() {
            " BODY=8BITMIME\r\n"
        } else {
            "\r\n"
        });
        for recipient in 0..work.recipients as u64 {
            let account = (number + recipient) % ACCOUNTS as u64 + 1;
            commands.push_str(&format!("RCPT TO:<user{account}@demo.test>\r\n"));
        }
        commands.push_str("DATA\r\n");
        self.send(commands.as_bytes()).await?;
        for _ in 0..=work.recipients {
            self.expect("250").await?;
        }
        self.expect("354").await?;
        self.send(message).await?;
        for _ in 0..work.recipients {
            self.expect("250").await?;
        }
        Ok(())
    }

    async fn send(&mut self, octets: &[u8]) -> anyhow::Result<()> {
        let sent = self.stream.get_mut().write_all(octets).await;
        sent.with_context(|| format!("write to {}", self.address))
    }

    /// The lines of the next reply, which has to have this code.
    async fn expect(&mut self, code: &str) -> anyhow::Result<Vec<String>> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            let mut limited = (&mut self.stream).take(REPLY_LINE_BYTES_MAX);
            let read = limited.read_line(&mut line).await;
            read.with_context(|| format!("read from {}", self.address))?;
            let Some(text) = line.strip_suffix("\r\n").filter(|text| text.len() >= 4) else {
                bail!("{} ended the connection after {line:?}", self.address);
            };
            ensure!(
                text.starts_with(code),
                "{} answered {text:?} and not {code}",
                self.address
            );
            let is_last = text.as_bytes()[3] != b'-';
            lines.push(text.to_owned());
            if is_last {
                return Ok(lines);
            }
        }
    }
}
