//! `bench idle`: what a session over TLS costs in memory while its client waits for news (IDLE, RFC 2177).
//!
//! Sessions are spread over all accounts, each with a few messages in its INBOX, and come from several addresses. What is
//! counted is what the processes of the server hold more than before; buffers of the kernel are not among it. At the end
//! a message comes, and every session of its account has to be told.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::builder::RangedU64ValueParser;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::fill::{self, Mailbox};
use crate::imap::{self, Client, How};
use crate::limits::{
    ACCOUNTS, DESCRIPTORS, IDLE_MESSAGES, IDLE_OPENERS, IDLE_SESSIONS, IDLE_SESSIONS_MAX, IDLE_SOURCES, IDLE_WATCH,
    MESSAGE_BYTES,
};
use crate::lmtp::{self, Work};
use crate::memory::{self, Memory};
use crate::message::Stock;
use crate::report::{short, table};
use crate::server::Server;
use crate::turns::{self, Kind};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Sessions at once, separated by commas
    #[arg(long, value_delimiter = ',', default_values_t = IDLE_SESSIONS,
          value_parser = RangedU64ValueParser::<usize>::new().range(1..=IDLE_SESSIONS_MAX))]
    sessions: Vec<usize>,
    /// The servers, separated by commas. Dovecot has a process for each session and gets the smallest number only
    #[arg(long, value_enum, value_delimiter = ',', value_name = "SERVERS",
          default_values_t = [Kind::Dovecot, Kind::OneNode])]
    servers: Vec<Kind>,
    /// Where the ports of the clusters start; 7,000 above it are used
    #[arg(long, default_value_t = 23_000, value_parser = RangedU64ValueParser::<u16>::new().range(1..=55_000))]
    base_port: u16,
}

/// A session in IDLE.
struct Waiter {
    client: Client,
    account: usize,
    /// Messages in its mailbox.
    exists: u64,
}

/// What some sessions cost a server.
struct Found {
    server: String,
    sessions: usize,
    before: Memory,
    after: Memory,
    /// CPU seconds of the server per session until it waited.
    opening_cpu: f64,
    /// Cores' worth of CPU while all of them wait.
    waiting_cores: f64,
}

pub(crate) fn run(dir: &Path, options: &Options) -> anyhow::Result<()> {
    raise_descriptors()?;
    let (place, runtime) = (turns::place(dir)?, turns::runtime()?);
    let fewest = options.sessions.iter().copied().min().unwrap_or_default();
    let mut found = Vec::new();
    for kind in &options.servers {
        let mut server = kind.start(place.path(), options.base_port)?;
        for account in 1..=ACCOUNTS {
            let mailbox = Mailbox {
                account,
                messages: IDLE_MESSAGES,
                size: MESSAGE_BYTES[0],
            };
            runtime.block_on(fill::fill(&server, mailbox))?;
        }
        for sessions in options.sessions.iter().copied() {
            if *kind == Kind::Dovecot && sessions > fewest {
                continue;
            }
            server.restart(false)?;
            found.push(measure(&runtime, &server, sessions)?);
        }
        server.stop()?;
    }
    print(&found);
    Ok(())
}

/// A connection of the clients takes one, and so does its other end in servers that inherit the limit.
fn raise_descriptors() -> anyhow::Result<()> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).context("ask for the limit of file descriptors")?;
    if soft >= DESCRIPTORS {
        return Ok(());
    }
    let raised = setrlimit(Resource::RLIMIT_NOFILE, DESCRIPTORS, hard.max(DESCRIPTORS));
    raised.with_context(|| format!("raise the limit of file descriptors to {DESCRIPTORS}: ulimit -Hn shows {hard}"))
}

fn measure(runtime: &Runtime, server: &Server, sessions: usize) -> anyhow::Result<Found> {
    // Some come and go first: what the server makes once and keeps is not theirs.
    for client in runtime.block_on(open(server, IDLE_OPENERS * 4))? {
        runtime.block_on(leave(client))?;
    }
    let cpu_before = server.settle()?;
    let before = memory::of_trees(server.roots())?;
    let clients = runtime.block_on(open(server, sessions));
    let clients = clients.with_context(|| format!("open {sessions} sessions of {}", server.name))?;
    let cpu_opened = server.settle()?;
    let after = memory::of_trees(server.roots())?;
    sleep(IDLE_WATCH);
    let waiting = server.cpu()?.saturating_sub(cpu_opened);
    let told = runtime.block_on(tell(server, clients));
    told.with_context(|| format!("tell the sessions of {} of a message", server.name))?;
    #[expect(clippy::cast_precision_loss, reason = "a number of sessions")]
    let opening_cpu = cpu_opened.saturating_sub(cpu_before).as_secs_f64() / sessions as f64;
    let found = Found {
        server: server.name.clone(),
        sessions,
        before,
        after,
        opening_cpu,
        waiting_cores: waiting.as_secs_f64() / IDLE_WATCH.as_secs_f64(),
    };
    eprintln!(
        "{}: {sessions} sessions, {} KiB each",
        found.server,
        short(found.each(|memory| memory.rss))
    );
    Ok(found)
}

/// Opens sessions, several at a time, and returns once all of them wait. The account of session `n` is `n % ACCOUNTS + 1`.
async fn open(server: &Server, sessions: usize) -> anyhow::Result<Vec<Waiter>> {
    let (how, next) = (imap::tls(&server.trusted)?, Arc::new(AtomicUsize::new(0)));
    let mut tasks = JoinSet::new();
    for _ in 0..IDLE_OPENERS {
        let (how, next, addresses) = (how.clone(), next.clone(), server.imaps.clone());
        tasks.spawn(async move {
            let mut opened = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= sessions {
                    return anyhow::Ok(opened);
                }
                let account = number % ACCOUNTS + 1;
                let address = addresses[number % addresses.len()];
                opened.push(wait_for_news(number, address, account, &how).await?);
            }
        });
    }
    let mut clients = Vec::with_capacity(sessions);
    while let Some(ended) = tasks.join_next().await {
        clients.extend(ended.context("a client ended")??);
    }
    Ok(clients)
}

async fn wait_for_news(number: usize, address: SocketAddr, account: usize, how: &How) -> anyhow::Result<Waiter> {
    let last = u8::try_from(number % IDLE_SOURCES + 1).context("an address")?;
    let from = SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), 0));
    let mut client = Client::connect_from(Some(from), address, how).await?;
    client.log_in(account).await?;
    let answer = client.run("SELECT INBOX").await?;
    let exists = answer
        .number("EXISTS")
        .context("SELECT does not say how many messages there are")?;
    let tag = client.next_tag();
    client.send(format!("{tag} IDLE\r\n").as_bytes()).await?;
    client.wait_for("+").await?;
    Ok(Waiter {
        client,
        account,
        exists,
    })
}

async fn leave(waiter: Waiter) -> anyhow::Result<()> {
    let mut client = waiter.client;
    client.send(b"DONE\r\n").await?;
    client.log_out().await
}

/// A message comes for the first account.
async fn tell(server: &Server, waiters: Vec<Waiter>) -> anyhow::Result<()> {
    let work = Work {
        connections: 1,
        recipients: 1,
        stock: Arc::new(Stock::new(MESSAGE_BYTES[0])),
        wanted: Duration::from_secs(60),
        messages_max: 1,
    };
    let started = Instant::now();
    // Numbers choose accounts, and tell messages of one run apart.
    let number = Arc::new(AtomicU64::new((waiters.len() * ACCOUNTS) as u64));
    let load = lmtp::deliver(&server.lmtp, &work, &number).await?;
    ensure!(load.operations == 1, "{} messages were delivered", load.operations);
    let mut told = 0;
    for mut waiter in waiters.into_iter().filter(|waiter| waiter.account == 1) {
        let news = format!("* {} EXISTS", waiter.exists + 1);
        waiter.client.wait_for(&news).await?;
        told += 1;
    }
    eprintln!(
        "{told} sessions were told within {:.2} s",
        started.elapsed().as_secs_f64()
    );
    Ok(())
}

impl Found {
    /// KiB per session.
    fn each(&self, of: impl Fn(&Memory) -> u64) -> f64 {
        let more = of(&self.after).saturating_sub(of(&self.before));
        #[expect(clippy::cast_precision_loss, reason = "octets of memory")]
        let each = more as f64 / self.sessions as f64 / 1_024.0;
        each
    }
}

fn print(found: &[Found]) {
    println!("### Memory of sessions in IDLE, over TLS\n");
    let header = [
        "sessions",
        "server",
        "MiB before",
        "MiB with them",
        "KiB each (RSS)",
        "KiB each (PSS)",
        "CPU µs to open one",
        "CPU while all wait, cores",
        "goal",
    ];
    let row = |found: &Found| {
        vec![
            found.sessions.to_string(),
            found.server.clone(),
            (found.before.rss >> 20).to_string(),
            (found.after.rss >> 20).to_string(),
            short(found.each(|memory| memory.rss)),
            short(found.each(|memory| memory.pss)),
            short(found.opening_cpu * 1e6),
            format!("{:.3}", found.waiting_cores),
            "≤ 24 KiB".to_owned(),
        ]
    };
    println!("{}\n", table(header.map(str::to_owned).to_vec(), found.iter().map(row)));
}
