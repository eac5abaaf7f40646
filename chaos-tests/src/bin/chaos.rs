//! Faults at length: many simulated runs, or many rounds of killing real nodes. Says which seed failed and how to run it
//! again.

use std::process::ExitCode;

use chaos_tests::kill::{self, Harm};
use chaos_tests::sim::{self, Shape, nemesis::Sabotage};
use clap::{Parser, Subcommand};

/// Puts clusters under faults and checks that nothing acknowledged is lost, doubled or changed.
#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Simulate clusters under faults, one for each seed
    #[command(after_help = "Example: chaos simulate --seed 1 --runs 100")]
    Simulate {
        /// First seed
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// How many seeds, one after the other
        #[arg(long, default_value_t = 20)]
        runs: u64,
    },
    /// Kill nodes of a real cluster on this machine while mail comes in
    #[command(after_help = "Example: chaos kill --seed 1 --rounds 20")]
    Kill {
        /// Decides who is killed when, and what is sent
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// How many rounds; in every fifth all nodes are killed at once
        #[arg(long, default_value_t = 20)]
        rounds: u32,
    },
    /// Cut the power of nodes of a real cluster on this machine while mail comes in: what they have not synced is lost
    #[command(after_help = "Example: chaos power-cuts --seed 1 --rounds 20")]
    PowerCuts {
        /// Decides whose power is cut when, what that loses, and what is sent
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// How many rounds; in every second the power of all nodes is cut at once
        #[arg(long, default_value_t = 20)]
        rounds: u32,
    },
    /// Cut the links of shelves of a real cluster on this machine while mail comes in
    #[command(after_help = "Example: chaos link-cuts --seed 1 --rounds 20")]
    LinkCuts {
        /// Decides which link is cut when, and what is sent
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// How many rounds
        #[arg(long, default_value_t = 20)]
        rounds: u32,
    },
}

/// One seed in so many is run with wrong clocks alone as well.
const CLOCKS_EVERY: u64 = 5;

fn main() -> ExitCode {
    match Args::parse().command {
        Command::Simulate { seed, runs } => simulate(seed, runs),
        Command::Kill { seed, rounds } => kill_rounds(seed, rounds, Harm::Kill),
        Command::PowerCuts { seed, rounds } => kill_rounds(seed, rounds, Harm::PowerCut),
        Command::LinkCuts { seed, rounds } => kill_rounds(seed, rounds, Harm::LinkCut),
    }
}

fn kill_rounds(seed: u64, rounds: u32, harm: Harm) -> ExitCode {
    println!("seed {seed}, {rounds} rounds");
    match kill::run(seed, rounds, harm) {
        Ok(report) => {
            println!("all holds: {report}");
            ExitCode::SUCCESS
        }
        Err(violation) => {
            println!("{violation}");
            let target = match harm {
                Harm::Kill => "kill-rounds",
                Harm::PowerCut => "power-cuts",
                Harm::LinkCut => "link-cuts",
            };
            println!("run it again: make {target} SEED={seed} ROUNDS={rounds}");
            ExitCode::FAILURE
        }
    }
}

fn simulate(first_seed: u64, runs: u64) -> ExitCode {
    let mut total = sim::Report::default();
    let mut failed = 0;
    for seed in first_seed..first_seed.saturating_add(runs) {
        let shape = [Shape::THREE_NODES, Shape::ONE_NODE, Shape::FIVE_NODES][usize::try_from(seed % 3).unwrap_or(0)];
        let mut outcomes = vec![sim::run(seed, shape, Sabotage::default())];
        if seed % CLOCKS_EVERY == 0 {
            outcomes.push(sim::run_clocks(seed));
        }
        for outcome in outcomes {
            match outcome {
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
    }
    println!("{runs} runs, {failed} failed");
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
