//! `bench login`: how many log-ins over TLS a second: connection, handshake, LOGIN, LOGOUT.
//!
//! Dovecot has its passwords in clear text, and Holdfast remembers for five minutes that a password was right, so that
//! neither hashes here: what a hash costs is chosen, not achieved.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::task::JoinSet;

use crate::imap::{self, Client, How};
use crate::limits::{ACCOUNTS, LOGIN_CLIENTS};
use crate::report::{Findings, Shown};
use crate::server::Server;
use crate::turns::{self, Bench, Cell, Load};

#[derive(clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    turns: turns::TurnOptions,
}

pub(crate) fn run(dir: &Path, options: &Options) -> anyhow::Result<()> {
    let bench = Bench::start(dir, &options.turns)?;
    let mut findings = Findings {
        title: "Log-ins over TLS",
        heads: vec!["clients"],
        cells: LOGIN_CLIENTS
            .map(|clients| Cell::new([&clients.to_string()], ""))
            .to_vec(),
        unit: "log-in",
        shown: Shown::Rate,
        turns: Vec::new(),
        rounds: options.turns.rounds,
    };
    for server in &bench.servers {
        bench.runtime.block_on(log_in_everywhere(server))?;
    }
    let next = Arc::default();
    bench.all_turns(&mut findings, options.turns.wanted(), |which, wanted| {
        let clients = LOGIN_CLIENTS[which.cell];
        let turn = bench.turn(which, async |server| log_in_for(server, clients, &next, wanted).await);
        turn.map(Some)
    })?;
    findings.print(&bench.servers)?;
    bench.stop()
}

/// Each account once at each node, which knows its password then.
async fn log_in_everywhere(server: &Server) -> anyhow::Result<()> {
    for address in &server.imap {
        for account in 1..=ACCOUNTS {
            let mut client = Client::connect(*address, &How::Plain).await?;
            client.log_in(account).await?;
            client.log_out().await?;
        }
    }
    Ok(())
}

/// `clients` at once, each logging in and out again.
async fn log_in_for(
    server: &Server,
    clients: usize,
    next: &Arc<AtomicUsize>,
    wanted: Duration,
) -> anyhow::Result<Load> {
    let (how, started) = (imap::tls(&server.trusted)?, Instant::now());
    let mut tasks = JoinSet::new();
    for address in server.imaps.iter().copied().cycle().take(clients) {
        let (how, next) = (how.clone(), next.clone());
        tasks.spawn(async move {
            let mut waits = Vec::new();
            while started.elapsed() < wanted {
                let begun = Instant::now();
                let account = next.fetch_add(1, Ordering::Relaxed) % ACCOUNTS + 1;
                let mut client = Client::connect(address, &how).await?;
                client.log_in(account).await?;
                waits.push(begun.elapsed().as_secs_f64());
                client.log_out().await?;
            }
            anyhow::Ok(waits)
        });
    }
    let mut waits = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        waits.extend(ended.context("a client ended")??);
    }
    Ok(Load {
        took: started.elapsed(),
        operations: waits.len(),
        waits,
    })
}
