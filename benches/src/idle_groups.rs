//! `bench idle-groups`: what many groups cost a node that nobody asks anything.

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use clap::builder::RangedU64ValueParser;

use crate::cpu;
use crate::limits::{IDLE_GROUPS_SETTLE, PORTS_PER_CLUSTER, SECONDS_MAX};
use crate::memory;
use crate::report::table;
use crate::server::{Server, Shape};
use crate::turns;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Mail groups
    #[arg(long, default_value_t = 256, value_parser = RangedU64ValueParser::<u16>::new().range(1..=1_024))]
    groups: u16,
    /// Seconds of each look
    #[arg(long, default_value_t = 20, value_parser = RangedU64ValueParser::<u64>::new().range(1..=SECONDS_MAX))]
    seconds: u64,
    /// Where the ports of the clusters start; 7,000 above it are used
    #[arg(long, default_value_t = 23_000, value_parser = RangedU64ValueParser::<u16>::new().range(1..=55_000))]
    base_port: u16,
}

struct Found {
    server: String,
    /// Seconds from the start until all groups were led.
    led_after: f64,
    /// Per cent of a core, of each node.
    per_cent: Vec<f64>,
    rss: u64,
    others: f64,
}

pub(crate) fn run(dir: &Path, options: &Options) -> anyhow::Result<()> {
    let place = turns::place(dir)?;
    let mut found = Vec::new();
    for (at, (nodes, shelves)) in (0..).zip([(1, 1), (1, 3), (3, 1)]) {
        let shape = Shape {
            nodes,
            shelves,
            groups: options.groups,
            base_port: options.base_port + at * PORTS_PER_CLUSTER,
        };
        let mut server = Server::holdfast(&place.path().join(format!("holdfast{nodes}x{shelves}")), shape)?;
        found.push(look(&mut server, Duration::from_secs(options.seconds))?);
        server.stop()?;
    }
    print(options.groups, &found);
    Ok(())
}

fn look(server: &mut Server, wanted: Duration) -> anyhow::Result<Found> {
    let started = Instant::now();
    server.restart(false)?;
    let led_after = started.elapsed().as_secs_f64();
    sleep(IDLE_GROUPS_SETTLE);
    let of_nodes =
        || -> anyhow::Result<Vec<Duration>> { server.roots().iter().map(|pid| cpu::of_trees(&[*pid])).collect() };
    let (began, before, machine_before) = (Instant::now(), of_nodes()?, cpu::of_machine()?);
    sleep(wanted);
    let (after, took) = (of_nodes()?, began.elapsed().as_secs_f64());
    let used: Vec<Duration> = after
        .iter()
        .zip(before)
        .map(|(after, before)| after.saturating_sub(before))
        .collect();
    let others = (cpu::of_machine()?.saturating_sub(machine_before)).saturating_sub(used.iter().sum());
    let found = Found {
        server: server.name.clone(),
        led_after,
        per_cent: used.iter().map(|used| 1e2 * used.as_secs_f64() / took).collect(),
        rss: memory::of_trees(server.roots())?.rss / server.roots().len() as u64,
        others: others.as_secs_f64() / took,
    };
    eprintln!("{}: {:?} % of a core", found.server, found.per_cent);
    Ok(found)
}

fn print(groups: u16, found: &[Found]) {
    println!("### {groups} idle groups\n");
    let header = [
        "server",
        "stopped, started and led, s",
        "% of a core, each node",
        "RSS of a node, MiB",
        "others, cores",
        "goal",
    ];
    let row = |found: &Found| {
        let per_cent: Vec<String> = found.per_cent.iter().map(|per_cent| format!("{per_cent:.1}")).collect();
        vec![
            found.server.clone(),
            format!("{:.1}", found.led_after),
            per_cent.join(", "),
            (found.rss >> 20).to_string(),
            format!("{:.2}", found.others),
            "≤ 3 %".to_owned(),
        ]
    };
    println!("{}\n", table(header.map(str::to_owned).to_vec(), found.iter().map(row)));
}
