//! `bench append`: how many messages a second one client brings in with APPEND: one after the other, several sent at
//! once, and several in one command (MULTIAPPEND, RFC 3502).

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::imap::{Client, How};
use crate::limits::{APPEND_BATCH, MESSAGE_BYTES};
use crate::message::Stock;
use crate::report::{Findings, Shown};
use crate::server::Server;
use crate::turns::{self, Bench, Cell, Load};

#[derive(clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    turns: turns::TurnOptions,
}

/// A way to bring messages in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Single,
    Pipelined,
    Multi,
}

const WAYS: [Way; 3] = [Way::Single, Way::Pipelined, Way::Multi];

pub(crate) fn run(dir: &Path, options: &Options) -> anyhow::Result<()> {
    let bench = Bench::start(dir, &options.turns)?;
    let mut findings = Findings {
        title: "APPEND by one client, 4 kB",
        heads: vec!["how"],
        cells: cells(),
        unit: "msg",
        shown: Shown::Rate,
        turns: Vec::new(),
        rounds: options.turns.rounds,
    };
    let stock = Stock::new(MESSAGE_BYTES[0]);
    let mut acknowledged = vec![0; bench.servers.len()];
    bench.all_turns(&mut findings, options.turns.wanted(), |which, wanted| {
        let way = WAYS[which.cell];
        if way == Way::Multi && !bench.runtime.block_on(offers_multi(&bench.servers[which.server]))? {
            return Ok(None);
        }
        let turn = bench.turn(which, async |server| append(server, way, &stock, wanted).await)?;
        acknowledged[which.server] += turn.operations;
        Ok(Some(turn))
    })?;
    findings.print(&bench.servers)?;
    bench.ensure_inboxes_hold(&acknowledged)?;
    bench.stop()
}

fn cells() -> Vec<Cell> {
    let name = |way| match way {
        Way::Single => "one after the other".to_owned(),
        Way::Pipelined => format!("{APPEND_BATCH} sent at once"),
        Way::Multi => format!("MULTIAPPEND, {APPEND_BATCH} a command"),
    };
    let goal = |way| if way == Way::Pipelined { "" } else { "≥ 1.5" };
    WAYS.map(|way| Cell::new([&name(way)], goal(way))).to_vec()
}

async fn offers_multi(server: &Server) -> anyhow::Result<bool> {
    let mut client = Client::connect(server.imap[0], &How::Plain).await?;
    client.log_in(1).await?;
    let offers = client.offers("MULTIAPPEND").await?;
    client.log_out().await?;
    Ok(offers)
}

async fn append(server: &Server, way: Way, stock: &Stock, wanted: Duration) -> anyhow::Result<Load> {
    let mut client = Client::connect(server.imap[0], &How::Plain).await?;
    client.log_in(way as usize + 1).await?;
    let (started, mut waits, mut done) = (Instant::now(), Vec::new(), 0);
    let batch = if way == Way::Single { 1 } else { APPEND_BATCH };
    while started.elapsed() < wanted {
        let begun = Instant::now();
        let appended = client.append(stock, done..done + batch, way == Way::Multi).await;
        appended.context("append")?;
        waits.push(begun.elapsed().as_secs_f64());
        done += batch;
    }
    let took = started.elapsed();
    client.log_out().await?;
    Ok(Load {
        took,
        operations: done,
        waits,
    })
}
