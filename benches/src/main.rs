//! What Holdfast costs, measured on this machine: `bench shelf`, the committer of one shelf by itself, and
//! `bench delivery`, mail going in, beside another server in the same run.
//!
//! Invariants
//! - A figure is never given without the disk's own rate of small synced appends, since disks differ by a factor of
//!   twenty, and never without what the rest of the machine did meanwhile.
//! - What is compared is measured in turns, so that noise hits all alike.
//! - A server that answers anything but success ends the run: rates of failures are not rates.
//!
//! Must not know: how a server works inside. Only `shelf_rates` measures a part by itself.

mod cpu;
mod delivery;
mod disk;
mod imap_count;
mod limits;
mod lmtp;
mod message;
mod report;
mod server;
mod shelf_rates;
mod statistics;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

/// Measures what Holdfast costs on this machine
#[derive(Parser)]
#[command(name = "bench", disable_help_subcommand = true)]
struct Arguments {
    /// Where the servers keep their mail while they are measured. Has to be a disk: in memory, a sync costs nothing
    #[arg(long, value_name = "DIR", default_value = "/var/tmp", global = true)]
    dir: PathBuf,
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Appends and syncs per second of one shelf, with 1, 8, 64 and 512 writers
    Shelf(shelf_rates::Options),
    /// Durable delivery over LMTP, with 1, 16 and 64 connections, of one node and three, beside Dovecot
    Delivery(delivery::Options),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match &arguments.what {
        What::Shelf(options) => shelf_rates::run(&arguments.dir, options),
        What::Delivery(options) => delivery::run(&arguments.dir, options),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}
