//! `bench delivery`: how many messages a second are taken over LMTP for good.

use std::path::Path;
use std::sync::Arc;

use anyhow::ensure;

use crate::limits::{CONNECTIONS, MESSAGE_BYTES};
use crate::lmtp::{self, Work};
use crate::message::Stock;
use crate::report::{Findings, Shown};
use crate::turns::{self, Bench, Cell};

#[derive(clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    turns: turns::TurnOptions,
    /// Only this number of connections
    #[arg(long, value_name = "NUMBER")]
    connections: Option<usize>,
    /// Only messages of this size
    #[arg(long, value_name = "BYTES")]
    size: Option<usize>,
}

pub(crate) fn run(dir: &Path, options: &Options) -> anyhow::Result<()> {
    let (cells, works) = cells(options);
    ensure!(!cells.is_empty(), "nothing is left to measure");
    let bench = Bench::start(dir, &options.turns)?;
    let mut findings = Findings {
        title: "Delivery over LMTP",
        heads: vec!["size", "connections"],
        cells,
        unit: "msg",
        shown: Shown::Rate,
        turns: Vec::new(),
        rounds: options.turns.rounds,
    };
    let (numbers, mut acknowledged) = (Arc::default(), vec![0; bench.servers.len()]);
    bench.all_turns(&mut findings, options.turns.wanted(), |which, wanted| {
        let work = Work {
            wanted,
            ..works[which.cell].clone()
        };
        let turn = bench.turn(which, async |server| lmtp::deliver(&server.lmtp, &work, &numbers).await)?;
        acknowledged[which.server] += turn.operations;
        Ok(Some(turn))
    })?;
    findings.print(&bench.servers)?;
    bench.ensure_inboxes_hold(&acknowledged)?;
    bench.stop()
}

fn cells(options: &Options) -> (Vec<Cell>, Vec<Work>) {
    let (mut cells, mut works) = (Vec::new(), Vec::new());
    for size in MESSAGE_BYTES {
        let stock = Arc::new(Stock::new(size));
        for connections in CONNECTIONS {
            let is_wanted = options.size.is_none_or(|only| only == size)
                && options.connections.is_none_or(|only| only == connections);
            if is_wanted {
                let goal = match (size, connections) {
                    (4_096, 64) => "one node ≥ 5, 3 nodes ≥ 2",
                    _ => "",
                };
                let keys = [format!("{} kB", size >> 10), connections.to_string()];
                cells.push(Cell {
                    keys: keys.to_vec(),
                    goal,
                });
                works.push(Work {
                    connections,
                    recipients: 1,
                    stock: stock.clone(),
                    wanted: options.turns.wanted(),
                    messages_max: u64::MAX,
                });
            }
        }
    }
    (cells, works)
}
