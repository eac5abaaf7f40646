//! `holdfast init`: founds a cluster. Shows the recovery key before anything is written, so that no cluster exists
//! whose key was never seen.

use std::io::{Write, stdout};
use std::path::PathBuf;
use std::time::SystemTime;

use anyhow::Context;
use cluster_config::ClusterConfig;

use super::Global;
use crate::found::{self, Founding, Places};

/// Found a cluster: its CA, certificates, recovery key and plan
#[derive(clap::Args)]
#[command(after_help = "Example:\n  holdfast --config cluster.toml init --node n1")]
pub(super) struct Init {
    /// A node on this machine, repeated for several; the files of all others go to --bundles. Without it, all are here
    #[arg(long, value_name = "NAME")]
    node: Vec<String>,
    /// Where the files of nodes on other machines go, to be carried there [default: bundles, beside the cluster file]
    #[arg(long, value_name = "DIR")]
    bundles: Option<PathBuf>,
}

pub(super) fn run(global: &Global, init: &Init) -> anyhow::Result<()> {
    let now = SystemTime::now();
    let config = ClusterConfig::load(&global.cluster_file()?)?;
    config.check_certificate(now)?;
    let bundles = match &init.bundles {
        Some(dir) => std::path::absolute(dir)?,
        None => config.file.with_file_name("bundles"),
    };
    let places = Places {
        here: &init.node,
        bundles: &bundles,
    };
    let founding = found::prepare(&config, places, now).context("the cluster was not founded")?;
    show_key(&founding).context("show the recovery key")?;
    let carried = founding.bundles().to_vec();
    let plan = founding
        .write()
        .context("the cluster was not founded, and the recovery key above is void")?;
    let mut out = stdout().lock();
    writeln!(out, "cluster {} is founded as {}", plan.name, plan.cluster)?;
    writeln!(
        out,
        "administrator's certificate: {}",
        config.admin_certificate().chain.display()
    )?;
    for (name, dir) in &carried {
        let state_dir = config
            .node(name.as_str())
            .map(|node| node.state_dir.display().to_string());
        let state_dir = state_dir.unwrap_or_default();
        writeln!(
            out,
            "carry {} to the machine of {name}, as {state_dir}, and delete it here",
            dir.display()
        )?;
    }
    let file = config.file.display();
    writeln!(
        out,
        "next, for each node on its machine, once: holdfast-node --config {file} --node NAME --init-shelves"
    )?;
    out.flush()?;
    Ok(())
}

fn show_key(founding: &Founding) -> std::io::Result<()> {
    let mut out = stdout().lock();
    writeln!(
        out,
        "Recovery key, shown this once:\n\n    {}\n",
        founding.recovery_key()
    )?;
    writeln!(
        out,
        "Write it down and keep it away from these machines. Without it no machine can be added later.\n"
    )?;
    out.flush()
}
