//! The subcommands of `holdfast`, one file each. A new one is a file, a variant of [`Command`] and a line in [`run`].

pub(crate) mod account;
mod alias;
mod ca;
mod check;
mod config;
mod demo;
pub(crate) mod domain;
mod init;
mod queue;
pub(crate) mod status;
mod trace;

use std::future::Future;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::bail;
use clap::{Parser, Subcommand};
use cluster_config::ClusterConfig;

/// The operator's tool of a Holdfast mail cluster.
///
/// Finds the cluster, and the administrator's certificate, by its cluster file.
#[derive(Parser)]
#[command(
    name = "holdfast",
    version,
    after_help = "Exit status: 0 done, 1 not done, 2 wrong usage; what else a command says so is in its own help"
)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every subcommand takes.
#[derive(clap::Args)]
struct Global {
    /// The cluster file
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The directory in which the cluster file is, as cluster.toml
    #[arg(long, global = true, value_name = "DIR", conflicts_with = "config")]
    dir: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    Demo(demo::Demo),
    Init(init::Init),
    #[command(subcommand)]
    Config(config::Config),
    Status(status::Status),
    #[command(subcommand)]
    Account(account::Account),
    #[command(subcommand)]
    Domain(domain::Domain),
    #[command(subcommand)]
    Alias(alias::Alias),
    #[command(subcommand)]
    Ca(ca::Ca),
    Check(check::Check),
    Queue(queue::Queue),
    Trace(trace::Trace),
}

impl Global {
    /// The cluster file that was named.
    fn cluster_file(&self) -> anyhow::Result<PathBuf> {
        match (&self.config, &self.dir) {
            (Some(file), _) => Ok(file.clone()),
            (None, Some(dir)) => Ok(dir.join("cluster.toml")),
            (None, None) if Path::new("cluster.toml").is_file() => Ok("cluster.toml".into()),
            (None, None) => bail!("there is no cluster.toml here: name one with --config FILE or --dir DIR"),
        }
    }

    /// What it says.
    fn cluster(&self) -> anyhow::Result<ClusterConfig> {
        Ok(ClusterConfig::load(&self.cluster_file()?)?)
    }
}

/// Runs one subcommand to its end, and says what the process ends with.
///
/// # Errors
/// Whatever kept it from its purpose, for the operator to read.
pub fn run(cli: &Cli) -> anyhow::Result<ExitCode> {
    let global = &cli.global;
    match &cli.command {
        Command::Demo(demo) => demo::run(global, demo),
        Command::Init(init) => init::run(global, init).map(|()| ExitCode::SUCCESS),
        Command::Config(config) => config::run(global, config).map(|()| ExitCode::SUCCESS),
        Command::Status(status) => status::run(global, status),
        Command::Account(account) => account::run(global, account),
        Command::Domain(domain) => domain::run(global, domain),
        Command::Alias(alias) => alias::run(global, alias),
        Command::Ca(ca) => ca::run(global, ca),
        Command::Check(check) => check::run(global, check),
        Command::Queue(queue) => queue::run(global, queue),
        Command::Trace(trace) => trace::run(global, trace),
    }
}

/// Runs a future that asks nodes to its end.
fn block_on<F: Future>(future: F) -> anyhow::Result<F::Output> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(future))
}
