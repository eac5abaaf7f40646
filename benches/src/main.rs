//! What Holdfast costs, measured on this machine, beside another server in the same run. Each measurement is a subcommand
//! with a file of its own.
//!
//! Invariants
//! - A figure is never given without the disk's own rate of small synced appends, since disks differ by a factor of
//!   twenty, and never without what the rest of the machine did meanwhile.
//! - What is compared is measured in turns, so that noise hits all alike.
//! - A server that answers anything but success ends the run: rates of failures are not rates.
//!
//! Must not know: how a server works inside. Only `shelf_rates` measures a part by itself.

mod all;
mod append;
mod cpu;
mod delivery;
mod disk;
mod fill;
mod idle;
mod idle_groups;
mod imap;
mod limits;
mod lmtp;
mod login;
mod mailbox;
mod memory;
mod message;
mod micro;
mod mixed;
mod process_io;
mod report;
mod restart;
mod server;
mod shelf_rates;
mod statistics;
mod turns;
mod written;

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
    /// Everything, one after the other
    All,
    /// Appends and syncs per second of one shelf, with 1, 8, 64 and 512 writers
    Shelf(shelf_rates::Options),
    /// Durable delivery over LMTP, with 1, 16 and 64 connections
    Delivery(delivery::Options),
    /// APPEND and MULTIAPPEND by one client
    Append(append::Options),
    /// What mail programs do, by 20 clients at once
    Mixed(mixed::Options),
    /// SELECT and FETCH of large mailboxes, cold and warm
    Mailbox(mailbox::Options),
    /// Log-ins over TLS
    Login(login::Options),
    /// Memory of sessions that wait for news, over TLS
    Idle(idle::Options),
    /// Octets written per octet of a message and replica
    Written(written::Options),
    /// How long a node with many messages takes until it serves
    Restart(restart::Options),
    /// CPU of many groups that nobody asks anything
    IdleGroups(idle_groups::Options),
    /// Instructions of the hot paths, compared with those of before
    Micro(micro::Options),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match &arguments.what {
        What::All => all::run(&arguments.dir),
        What::Shelf(options) => shelf_rates::run(&arguments.dir, options),
        What::Delivery(options) => delivery::run(&arguments.dir, options),
        What::Append(options) => append::run(&arguments.dir, options),
        What::Mixed(options) => mixed::run(&arguments.dir, options),
        What::Idle(options) => idle::run(&arguments.dir, options),
        What::Written(options) => written::run(&arguments.dir, options),
        What::Restart(options) => restart::run(&arguments.dir, options),
        What::IdleGroups(options) => idle_groups::run(&arguments.dir, options),
        What::Micro(options) => micro::run(options),
        What::Login(options) => login::run(&arguments.dir, options),
        What::Mailbox(options) => mailbox::run(&arguments.dir, options),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}
