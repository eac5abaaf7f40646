//! `bench restart`: how long a node with many messages takes from its start until it serves, after a stop in order and
//! after SIGKILL, with nothing of its files in memory.
//!
//! It serves when a client has selected an INBOX, and a message to every account is acknowledged: then every group is led
//! and takes changes.

use std::path::Path;
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use clap::builder::RangedU64ValueParser;
use tokio::runtime::Runtime;

use crate::imap::{self, Client, How};
use crate::limits::{
    ACCOUNTS, FILL_CLIENTS, FILL_WITHIN, RESTART_LOOK_EVERY, RESTART_MESSAGES_MAX, SHORT_MESSAGE_BYTES, START_WITHIN,
};
use crate::lmtp::{self, Work};
use crate::memory;
use crate::message::Stock;
use crate::report::table;
use crate::server::{Halt, Server};
use crate::turns::{self, Kind};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Messages of all accounts together
    #[arg(long, default_value_t = 1_000_000,
          value_parser = RangedU64ValueParser::<u64>::new().range(100..=RESTART_MESSAGES_MAX))]
    messages: u64,
    /// Where the ports of the cluster start; 7,000 above it are used
    #[arg(long, default_value_t = 23_000, value_parser = RangedU64ValueParser::<u16>::new().range(1..=55_000))]
    base_port: u16,
}

/// One start, in seconds from its beginning.
struct Start {
    after: &'static str,
    selected: f64,
    delivered: f64,
    /// CPU seconds of the node until then, and its memory.
    cpu: f64,
    rss: u64,
}

pub(crate) fn run(dir: &Path, options: &Options) -> anyhow::Result<()> {
    let (place, runtime) = (turns::place(dir)?, turns::runtime()?);
    let mut server = Kind::OneNode.start(place.path(), options.base_port)?;
    server.restart(false)?;
    let numbers = Arc::default();
    let work = Work {
        connections: FILL_CLIENTS,
        recipients: ACCOUNTS,
        stock: Arc::new(Stock::new(SHORT_MESSAGE_BYTES)),
        wanted: FILL_WITHIN,
        messages_max: options.messages / ACCOUNTS as u64,
    };
    let load = runtime.block_on(lmtp::deliver(&server.lmtp, &work, &numbers))?;
    eprintln!(
        "{} messages were delivered in {:.1} s",
        load.operations,
        load.took.as_secs_f64()
    );
    let found = runtime.block_on(imap::count_inboxes(&server))?;
    ensure!(
        found == load.operations as u64,
        "{} were acknowledged, and {found} are there",
        load.operations
    );
    server.settle()?;
    let mut starts = Vec::new();
    for (halt, after) in [(Halt::InOrder, "a stop in order"), (Halt::Killed, "SIGKILL under load")] {
        if halt == Halt::Killed {
            // Something that is in the log alone.
            let work = Work {
                wanted: Duration::from_secs(2),
                messages_max: u64::MAX,
                recipients: 1,
                ..work.clone()
            };
            runtime.block_on(lmtp::deliver(&server.lmtp, &work, &numbers))?;
        }
        server.halt(halt)?;
        server.drop_from_memory()?;
        starts.push(start(&runtime, &mut server, after)?);
    }
    server.stop()?;
    print(found, &starts);
    Ok(())
}

fn start(runtime: &Runtime, server: &mut Server, after: &'static str) -> anyhow::Result<Start> {
    let started = Instant::now();
    server.launch()?;
    until_it_works(runtime, started, async || select(server).await)?;
    let selected = started.elapsed();
    until_it_works(runtime, started, async || deliver_to_all(server).await)?;
    let delivered = started.elapsed();
    let start = Start {
        after,
        selected: selected.as_secs_f64(),
        delivered: delivered.as_secs_f64(),
        cpu: server.cpu()?.as_secs_f64(),
        rss: memory::of_trees(server.roots())?.rss,
    };
    eprintln!("after {after}: served after {:.2} s", start.delivered);
    Ok(start)
}

fn until_it_works(
    runtime: &Runtime,
    started: Instant,
    try_it: impl AsyncFn() -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    while let Err(error) = runtime.block_on(try_it()) {
        if started.elapsed() > START_WITHIN {
            bail!(error.context("it does not serve"));
        }
        sleep(RESTART_LOOK_EVERY);
    }
    Ok(())
}

async fn select(server: &Server) -> anyhow::Result<()> {
    let mut client = Client::connect(server.imap[0], &How::Plain).await?;
    client.log_in(1).await?;
    client.run("SELECT INBOX").await?;
    client.log_out().await
}

async fn deliver_to_all(server: &Server) -> anyhow::Result<()> {
    let work = Work {
        connections: 1,
        recipients: ACCOUNTS,
        stock: Arc::new(Stock::new(SHORT_MESSAGE_BYTES)),
        wanted: START_WITHIN,
        messages_max: 1,
    };
    let delivered = lmtp::deliver(&server.lmtp, &work, &Arc::default()).await;
    delivered.context("deliver to everybody").map(drop)
}

fn print(messages: u64, starts: &[Start]) {
    println!("### Restart with {messages} messages\n");
    let header = [
        "after",
        "INBOX selected, s",
        "mail to every account taken, s",
        "CPU until then, s",
        "RSS then, MiB",
        "goal",
    ];
    let row = |start: &Start| {
        vec![
            start.after.to_owned(),
            format!("{:.2}", start.selected),
            format!("{:.2}", start.delivered),
            format!("{:.2}", start.cpu),
            (start.rss >> 20).to_string(),
            "≤ 5 s".to_owned(),
        ]
    };
    println!(
        "{}\n",
        table(header.map(str::to_owned).to_vec(), starts.iter().map(row))
    );
}
