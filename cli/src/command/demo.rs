//! `holdfast demo`: a real cluster on this machine, one process per node, with accounts ready to use.
//!
//! Invariants
//! - The same directory again is the same cluster, with all its mail; one that holds anything else is left alone.
//! - A node that was killed stays down until somebody starts it; at the end every node is stopped by its pid file.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::builder::RangedU64ValueParser;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{Global, block_on};
use crate::admin_client::AdminClient;
use crate::demo::place::{Place, Shape};
use crate::demo::processes::{Nodes, Programs};
use crate::demo::{accounts, ready, screen};
use crate::limits::{DEMO_ACCOUNTS, DEMO_ACCOUNTS_MAX, DEMO_GROUPS};
use crate::output;
use crate::progress::Progress;

/// Run a whole cluster on this machine, with accounts ready to use
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  holdfast demo\n  holdfast demo --dir DIR --nodes 5 --base-port 30000\n\n\
    Runs until Ctrl-C or SIGTERM. Started again on the same directory, it finds all mail. Ports of node n are \
    base + 1000 n + the standard port; accounts are user1@demo.test and so on, with the password demo."
)]
pub(super) struct Demo {
    /// Nodes, 1 to 9 [default: 3]
    #[arg(long, value_name = "NUMBER")]
    nodes: Option<u16>,
    /// Shelves of each node, 1 to 8 [default: 2]
    #[arg(long, value_name = "NUMBER")]
    shelves: Option<u16>,
    /// Mail groups [default: 16]
    #[arg(long, value_name = "NUMBER")]
    groups: Option<u32>,
    /// Where ports start [default: 20000]
    #[arg(long, value_name = "PORT")]
    base_port: Option<u16>,
    /// Accounts to have
    #[arg(long, value_name = "NUMBER", default_value_t = DEMO_ACCOUNTS,
          value_parser = RangedU64ValueParser::<u32>::new().range(0..=u64::from(DEMO_ACCOUNTS_MAX)))]
    accounts: u32,
}

pub(super) fn run(global: &Global, demo: &Demo) -> anyhow::Result<ExitCode> {
    if global.config.is_some() {
        bail!("a demo has a cluster file of its own: name its directory with --dir DIR, not --config");
    }
    if global.json {
        bail!(
            "a demo shows what happens for as long as it runs, and writes no JSON: ask it with holdfast --dir DIR status --json"
        );
    }
    let dir = match &global.dir {
        Some(dir) => dir.clone(),
        None => default_dir()?,
    };
    let programs = Programs::find()?;
    let place = Place::take(&dir)?;
    let config = place.cluster(&demo.shape())?;
    output::line(&format!("demo in {}", place.dir().display()))?;
    if let Some(recovery_key) = place.found(&config)? {
        output::line(&format!(
            "recovery key of this cluster, shown this once: {recovery_key}"
        ))?;
    }
    let client = AdminClient::new(config.clone())?;
    let progress = global.progress();
    progress.reveal();
    progress.say("making shelves");
    // Shown all the time while it starts, and not at all afterwards.
    block_on(&Progress::new(false), async {
        let mut stop = StopSignals::new()?;
        let mut nodes = Nodes::new(&config, programs);
        let outcome = tokio::select! {
            outcome = live(&mut nodes, &client, &place, demo.accounts, progress) => outcome,
            () = stop.next() => Ok(()),
        };
        // Whatever went wrong, the nodes are not left behind.
        output::line("stopping").ok();
        let stopped = nodes.stop().await;
        outcome.and(stopped)
    })??;
    output::line("stopped")?;
    Ok(ExitCode::SUCCESS)
}

/// Starts everything, says so, and shows how it is, for ever.
async fn live(
    nodes: &mut Nodes,
    client: &AdminClient,
    place: &Place,
    accounts: u32,
    progress: Progress,
) -> anyhow::Result<()> {
    nodes.make_shelves().await?;
    nodes.start()?;
    progress.aside(|| output::line("waiting for the nodes"))?;
    let status = ready::wait(nodes, client, &progress).await?;
    accounts::provide(client, accounts, &progress)
        .await
        .context("make the accounts")?;
    drop(progress);
    let programs = nodes.programs();
    screen::introduce(client.config(), accounts)?;
    output::line(&screen::ready_line(&status, accounts, place.dir()))?;
    for line in screen::paste_lines(client.config(), programs, place.dir()) {
        output::line(&line)?;
    }
    screen::watch(nodes, client, status).await
}

impl Demo {
    fn shape(&self) -> Shape {
        Shape {
            nodes: self.nodes,
            shelves: self.shelves,
            groups: self.groups,
            base_port: self.base_port,
        }
    }
}

impl Shape {
    /// What a new demo gets where nothing is asked for.
    pub(crate) fn or_default(&self) -> cluster_config::demo::DemoShape {
        cluster_config::demo::DemoShape {
            nodes: self.nodes.unwrap_or(3),
            shelves: self.shelves.unwrap_or(2),
            groups: self.groups.unwrap_or(DEMO_GROUPS),
            base_port: self.base_port.unwrap_or(20_000),
        }
    }
}

/// Where a demo is when nothing else is asked for (XDG Base Directory Specification).
fn default_dir() -> anyhow::Result<PathBuf> {
    let data = match std::env::var_os("XDG_DATA_HOME").map(PathBuf::from) {
        Some(data) if data.is_absolute() => data,
        _ => {
            let home = std::env::home_dir().context("there is no home directory: name one with --dir DIR")?;
            home.join(".local/share")
        }
    };
    Ok(data.join("holdfast/demo"))
}

struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
