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

/// What a load did.
pub(crate) struct Load {
    /// From the first command to the last reply.
    pub(crate) took: Duration,
    /// Seconds from each MAIL to its acknowledgement, sorted.
    pub(crate) waits: Vec<f64>,
}

impl Load {
    /// Messages that were acknowledged.
    pub(crate) fn messages(&self) -> usize {
        self.waits.len()
    }
}

/// Delivers for about `wanted` over `connections` connections, which take the addresses in turn. Message numbers are
/// taken from `numbers`.
///
/// # Errors
/// When a server does not answer, or not with success.
pub(crate) async fn deliver(
    addresses: &[SocketAddr],
    connections: usize,
    stock: &Arc<Stock>,
    numbers: &Arc<AtomicU64>,
    wanted: Duration,
) -> anyhow::Result<Load> {
    let mut clients = Vec::new();
    for address in addresses.iter().cycle().take(connections) {
        clients.push(Client::connect(*address).await?);
    }
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    for client in clients {
        tasks.spawn(client.run(stock.clone(), numbers.clone(), started + wanted));
    }
    let mut waits = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        waits.extend(ended.context("a client ended")??);
    }
    let took = started.elapsed();
    waits.sort_by(f64::total_cmp);
    Ok(Load { took, waits })
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
        client.send("LHLO bench.sender.test\r\n").await?;
        let offered = client.expect("250").await?;
        client.declares_size = offered.iter().any(|line| line[4..].starts_with("SIZE"));
        ensure!(
            offered.iter().any(|line| &line[4..] == "PIPELINING"),
            "{address} does not offer PIPELINING"
        );
        Ok(client)
    }

    async fn run(mut self, stock: Arc<Stock>, numbers: Arc<AtomicU64>, until: Instant) -> anyhow::Result<Vec<f64>> {
        let mut waits = Vec::new();
        let mut text = String::new();
        while Instant::now() < until {
            let number = numbers.fetch_add(1, Ordering::Relaxed);
            stock.write(number, &mut text);
            let started = Instant::now();
            let delivered = timeout(ANSWER_WITHIN, self.deliver(number, &text)).await;
            delivered.with_context(|| format!("{} does not answer", self.address))??;
            waits.push(started.elapsed().as_secs_f64());
        }
        self.send("QUIT\r\n").await?;
        Ok(waits)
    }

    async fn deliver(&mut self, number: u64, text: &str) -> anyhow::Result<()> {
        let account = number % ACCOUNTS as u64 + 1;
        let size = if self.declares_size {
            format!(" SIZE={}", text.len() - 3)
        } else {
            String::new()
        };
        let commands = format!("MAIL FROM:<ann@sender.test>{size}\r\nRCPT TO:<user{account}@demo.test>\r\nDATA\r\n");
        self.send(&commands).await?;
        self.expect("250").await?;
        self.expect("250").await?;
        self.expect("354").await?;
        self.send(text).await?;
        self.expect("250").await.map(drop)
    }

    async fn send(&mut self, text: &str) -> anyhow::Result<()> {
        let sent = self.stream.get_mut().write_all(text.as_bytes()).await;
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
