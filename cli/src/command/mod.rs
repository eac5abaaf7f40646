//! The subcommands of `holdfast`, one file each. A new one is a file, a variant of [`Command`] and a line in [`run`].

pub(crate) mod account;
mod alias;
mod ca;
mod check;
mod completion;
mod config;
mod demo;
pub(crate) mod domain;
mod init;
mod man;
mod queue;
pub(crate) mod status;
mod trace;

use std::ffi::OsStr;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::bail;
use clap::{ColorChoice, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use cluster_config::ClusterConfig;
use serde::Serialize;

use crate::limits::PROGRESS_AFTER;
use crate::output;
use crate::progress::Progress;

/// The operator's tool of a Holdfast mail cluster.
///
/// Finds the cluster, and the administrator's certificate, by its cluster file. Shows tables on a terminal, lines of
/// tab-separated columns in a pipe, and JSON with --json.
#[derive(Parser)]
#[command(
    name = "holdfast",
    version,
    after_help = HELP
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
    /// The cluster file [default: cluster.toml here, else /etc/holdfast/cluster.toml]
    #[arg(long, global = true, value_name = "FILE", help_heading = GLOBAL)]
    config: Option<PathBuf>,
    /// The directory in which the cluster file is, as cluster.toml
    #[arg(long, global = true, value_name = "DIR", conflicts_with = "config", help_heading = GLOBAL)]
    dir: Option<PathBuf>,
    /// Write JSON
    #[arg(long, global = true, help_heading = GLOBAL)]
    json: bool,
    /// Say nothing of what was done, and show no progress; what was asked for is shown all the same
    #[arg(long, short, global = true, help_heading = GLOBAL)]
    quiet: bool,
    /// When to use colors; auto means on a terminal, unless NO_COLOR is set
    #[arg(long, global = true, value_name = "WHEN", default_value_t = ColorChoice::Auto, help_heading = GLOBAL)]
    color: ColorChoice,
}

const HELP: &str = "\
Examples:
  holdfast demo
  holdfast --config /etc/holdfast/cluster.toml status
  holdfast account list --json

Exit status:
  0  done; for status and check: all is well
  1  not done, and nothing changed
  2  wrong usage
  3  somebody has to look: something is down (status) or wrong (check), or not found (trace)
  4  status: a group has no leader
  5  a change may have taken effect or not: look, then ask again";
const GLOBAL: &str = "Options of every command";
/// Where the cluster file is when nothing is said and none is here.
const SYSTEM_FILE: &str = "/etc/holdfast/cluster.toml";

#[derive(Subcommand)]
enum Command {
    Demo(demo::Demo),
    Init(init::Init),
    #[command(subcommand)]
    Config(config::Config),
    Status(status::Status),
    #[command(subcommand)]
    Domain(domain::Domain),
    #[command(subcommand)]
    Account(account::Account),
    #[command(subcommand)]
    Alias(alias::Alias),
    Trace(trace::Trace),
    Queue(queue::Queue),
    Check(check::Check),
    #[command(subcommand)]
    Ca(ca::Ca),
    Completion(completion::Completion),
    Man(man::Man),
}

impl Cli {
    /// Reads the command line of this process. Ends it where that is wrong, or asks for help.
    #[must_use]
    pub fn of_this_process() -> Self {
        let arguments: Vec<_> = std::env::args_os().collect();
        // Help and errors about the command line have colors before it is read.
        let color = color_of(&arguments);
        output::set_colors(color);
        let mut command = Self::command().color(color);
        let matches = command.clone().get_matches_from(arguments);
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.format(&mut command).exit())
    }
}

/// What `--color` says, wherever it stands.
fn color_of(arguments: &[impl AsRef<OsStr>]) -> ColorChoice {
    let mut texts = arguments
        .iter()
        .map(|argument| argument.as_ref().to_str().unwrap_or_default());
    let mut choice = ColorChoice::Auto;
    while let Some(text) = texts.next() {
        let value = match text.strip_prefix("--color") {
            Some("") => texts.next(),
            Some(rest) => rest.strip_prefix('='),
            None => None,
        };
        choice = value
            .and_then(|value| ColorChoice::from_str(value, false).ok())
            .unwrap_or(choice);
    }
    choice
}

impl Global {
    /// The cluster file that was named.
    fn cluster_file(&self) -> anyhow::Result<PathBuf> {
        let here = Path::new("cluster.toml");
        match (&self.config, &self.dir) {
            (Some(file), _) => Ok(file.clone()),
            (None, Some(dir)) => Ok(dir.join(here)),
            (None, None) if here.is_file() => Ok(here.to_owned()),
            (None, None) if Path::new(SYSTEM_FILE).is_file() => Ok(SYSTEM_FILE.into()),
            (None, None) => bail!(
                "there is no cluster.toml here and no {SYSTEM_FILE}: name one with --config FILE or --dir DIR, or try \
                 holdfast demo"
            ),
        }
    }

    /// What it says.
    fn cluster(&self) -> anyhow::Result<ClusterConfig> {
        Ok(ClusterConfig::load(&self.cluster_file()?)?)
    }

    /// Says that something was done: `text` for a human, `value` for a program.
    fn done<T: Serialize>(&self, text: &str, value: &T) -> anyhow::Result<()> {
        match (self.json, self.quiet) {
            (true, _) => output::json(value),
            (false, true) => Ok(()),
            (false, false) => Ok(output::line(text)?),
        }
    }

    /// What shows that a command goes on.
    fn progress(&self) -> Progress {
        Progress::new(!self.quiet)
    }

    /// Runs a future that asks nodes to its end.
    fn block_on<F: Future>(&self, future: F) -> anyhow::Result<F::Output> {
        block_on(&self.progress(), future)
    }
}

/// Runs a future that asks nodes to its end; shows that it goes on when it takes long.
fn block_on<F: Future>(progress: &Progress, future: F) -> anyhow::Result<F::Output> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(async {
        tokio::pin!(future);
        tokio::select! {
            output = &mut future => return output,
            () = tokio::time::sleep(PROGRESS_AFTER) => progress.reveal(),
        }
        future.await
    }))
}

/// A change that was made, as JSON.
#[derive(Serialize)]
struct Changed<'a> {
    /// What was changed.
    what: &'a str,
    /// What was done to it.
    done: &'a str,
}

/// Says something beside the result, on standard error.
fn note(text: &str) {
    anstream::eprintln!("holdfast: {text}");
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
        Command::Config(config) => config::run(global, config),
        Command::Status(status) => status::run(global, status),
        Command::Account(account) => account::run(global, account).map(|()| ExitCode::SUCCESS),
        Command::Domain(domain) => domain::run(global, domain).map(|()| ExitCode::SUCCESS),
        Command::Alias(alias) => alias::run(global, alias).map(|()| ExitCode::SUCCESS),
        Command::Ca(ca) => ca::run(global, ca).map(|()| ExitCode::SUCCESS),
        Command::Check(check) => check::run(global, check),
        Command::Queue(queue) => queue::run(global, queue).map(|()| ExitCode::SUCCESS),
        Command::Trace(trace) => trace::run(global, trace),
        Command::Completion(completion) => completion::run(completion).map(|()| ExitCode::SUCCESS),
        Command::Man(man) => man::run(global, man).map(|()| ExitCode::SUCCESS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_colors_that_were_asked_for_are_found_wherever_they_stand() {
        let found = |line: &str| color_of(&line.split(' ').collect::<Vec<_>>());
        assert_eq!(found("holdfast status"), ColorChoice::Auto);
        assert_eq!(found("holdfast status --color never"), ColorChoice::Never);
        assert_eq!(found("holdfast --color=always status"), ColorChoice::Always);
        assert_eq!(found("holdfast --color=plenty status"), ColorChoice::Auto);
        assert_eq!(found("holdfast --colors never"), ColorChoice::Auto);
    }
}
