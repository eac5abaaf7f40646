//! Simulates many runs, each from a seed of its own, and says which seed failed and how to run it again.

use std::process::ExitCode;

use chaos_tests::sim::{self, Shape, nemesis::Sabotage};
use clap::Parser;

/// Runs simulated clusters under faults and checks that nothing acknowledged is lost, doubled or changed.
#[derive(Parser)]
#[command(after_help = "Example: chaos --seed 1 --runs 100")]
struct Args {
    /// First seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many seeds, one after the other.
    #[arg(long, default_value_t = 20)]
    runs: u64,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let mut total = sim::Report::default();
    let mut failed = 0;
    for seed in args.seed..args.seed.saturating_add(args.runs) {
        let shape = [Shape::THREE_NODES, Shape::ONE_NODE, Shape::FIVE_NODES][usize::try_from(seed % 3).unwrap_or(0)];
        match sim::run(seed, shape, Sabotage::default()) {
            Ok(report) => {
                total.acknowledged += report.acknowledged;
                total.not_done += report.not_done;
                total.unknown += report.unknown;
                total.reads += report.reads;
                for (kind, count) in report.faults {
                    *total.faults.entry(kind).or_default() += count;
                }
            }
            Err(violation) => {
                failed += 1;
                println!("seed {seed}: {violation}");
                println!("run it again: make chaos SEED={seed} RUNS=1");
            }
        }
    }
    println!("{} runs, {failed} failed", args.runs);
    println!(
        "appends: {} acknowledged, {} not done, {} unknown; reads: {}; faults: {:?}",
        total.acknowledged, total.not_done, total.unknown, total.reads, total.faults
    );
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
