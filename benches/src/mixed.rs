//! `bench mixed`: what people's mail programs do, by 20 clients at once, each with an account and a mailbox of its own.
//!
//! A client logs in, selects INBOX, asks for all flags, does 20 steps that its own random numbers choose by the weights
//! below, logs out, and begins anew. Every server is asked the same: the numbers depend on client and turn alone.

mod client;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::task::JoinSet;

use self::client::{Did, KINDS, Mixer};
use crate::fill::{self, Mailbox};
use crate::limits::{MESSAGE_BYTES, MIXED_CLIENTS, MIXED_MESSAGES};
use crate::message::Stock;
use crate::report::{Findings, Shown, short, table};
use crate::server::Server;
use crate::statistics::ratio;
use crate::turns::{self, Bench, Cell, Load};

#[derive(clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    turns: turns::TurnOptions,
}

pub(crate) fn run(dir: &Path, options: &Options) -> anyhow::Result<()> {
    let bench = Bench::start(dir, &options.turns)?;
    let mut findings = Findings {
        title: "Mixed IMAP load",
        heads: vec!["clients"],
        cells: vec![Cell::new([&MIXED_CLIENTS.to_string()], "3 nodes ≥ 1.5")],
        unit: "command",
        shown: Shown::Rate,
        turns: Vec::new(),
        rounds: options.turns.rounds,
    };
    for server in &bench.servers {
        for account in 1..=MIXED_CLIENTS {
            let mailbox = Mailbox {
                account,
                messages: MIXED_MESSAGES,
                size: MESSAGE_BYTES[0],
            };
            bench.runtime.block_on(fill::fill(server, mailbox))?;
        }
        server.settle()?;
    }
    let stock = Arc::new(Stock::new(MESSAGE_BYTES[0]));
    let mut kinds = vec![Did::default(); bench.servers.len()];
    bench.all_turns(&mut findings, options.turns.wanted(), |which, wanted| {
        let mut did = Did::default();
        let turn = bench.turn(which, async |server| {
            mix(server, which.round, &stock, wanted, &mut did).await
        })?;
        if which.round > 0 {
            kinds[which.server].merge(did);
        }
        Ok(Some(turn))
    })?;
    findings.print(&bench.servers)?;
    println!("Middle and almost longest wait of each command, in ms.\n");
    println!("{}\n", by_kind(&bench.servers, &mut kinds));
    bench.stop()
}

/// The load of one turn.
async fn mix(
    server: &Server,
    round: usize,
    stock: &Arc<Stock>,
    wanted: Duration,
    did: &mut Did,
) -> anyhow::Result<Load> {
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    for client in 0..MIXED_CLIENTS {
        let address = server.imap[client % server.imap.len()];
        let mixer = Mixer::new(address, client, round, stock.clone());
        tasks.spawn(mixer.run(started + wanted));
    }
    while let Some(ended) = tasks.join_next().await {
        did.merge(ended.context("a client ended")??);
    }
    let waits: Vec<f64> = did.waits.iter().flatten().copied().collect();
    Ok(Load {
        took: started.elapsed(),
        operations: waits.len(),
        waits,
    })
}

fn by_kind(servers: &[Server], kinds: &mut [Did]) -> comfy_table::Table {
    let mut header = vec!["command".to_owned(), "share".to_owned()];
    header.extend(servers.iter().map(|server| server.name.clone()));
    for did in kinds.iter_mut() {
        did.waits.iter_mut().for_each(|waits| waits.sort_by(f64::total_cmp));
    }
    let all: usize = kinds[0].waits.iter().map(Vec::len).sum();
    let row = |kind: usize| {
        let mut row = vec![KINDS[kind].to_owned()];
        #[expect(clippy::cast_precision_loss, reason = "numbers of commands")]
        let share = ratio(kinds[0].waits[kind].len() as f64, all as f64);
        row.push(format!("{:.0} %", 1e2 * share));
        for did in kinds.iter() {
            let quantile = |share| short(1e3 * crate::statistics::quantile(&did.waits[kind], share));
            row.push(format!("{} / {}", quantile(0.5), quantile(0.99)));
        }
        row
    };
    table(header, (0..KINDS.len()).map(row))
}
