//! The subcommands of `holdfast`, one file each. A new one is a file, a variant of [`Command`] and a line in [`run`].

mod config;
mod init;

use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::{Parser, Subcommand};

/// The operator's tool of a Holdfast mail cluster.
#[derive(Parser)]
#[command(name = "holdfast", version)]
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
    Init(init::Init),
    #[command(subcommand)]
    Config(config::Config),
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
}

/// Runs one subcommand to its end.
///
/// # Errors
/// Whatever kept it from its purpose, for the operator to read.
pub fn run(cli: &Cli) -> anyhow::Result<()> {
    match &cli.command {
        Command::Init(init) => init::run(&cli.global, init),
        Command::Config(config) => config::run(&cli.global, config),
    }
}
