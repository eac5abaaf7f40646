//! `holdfast init`: founds a cluster. Shows the recovery key before anything is written, so that no cluster exists
//! whose key was never seen.

use std::path::PathBuf;
use std::time::SystemTime;

use anyhow::Context;
use cluster_config::ClusterConfig;
use serde::Serialize;

use super::Global;
use crate::found::{self, Founding, Places};
use crate::output;

/// Found a cluster: its CA, certificates, recovery key and plan
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  holdfast --config cluster.toml init\n  holdfast --config cluster.toml init --node n1 --bundles /media/stick"
)]
pub(super) struct Init {
    /// A node on this machine, repeated for several; the files of all others go to --bundles. Without it, all are here
    #[arg(long, value_name = "NAME")]
    node: Vec<String>,
    /// Where the files of nodes on other machines go, to be carried there [default: bundles, beside the cluster file]
    #[arg(long, value_name = "DIR")]
    bundles: Option<PathBuf>,
}

/// What a founding made, as JSON.
#[derive(Serialize)]
struct Founded {
    cluster: String,
    name: String,
    recovery_key: String,
    /// Where the administrator's certificate is.
    admin_dir: String,
    /// Directories to carry to other machines.
    carry: Vec<Carried>,
}

#[derive(Serialize)]
struct Carried {
    node: String,
    from: String,
    to: String,
}

pub(super) fn run(global: &Global, init: &Init) -> anyhow::Result<()> {
    let now = SystemTime::now();
    let config = global.cluster()?;
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
    let founded = Founded::of(&config, &founding);
    show_key(global, &founded).context("show the recovery key")?;
    founding
        .write()
        .context("the cluster was not founded, and the recovery key above is void")?;
    if !(global.json || global.quiet) {
        next_steps(&config, &founded)?;
    }
    Ok(())
}

impl Founded {
    fn of(config: &ClusterConfig, founding: &Founding) -> Self {
        let plan = founding.plan();
        let carried = |(name, from): &(cluster_config::Name, PathBuf)| Carried {
            node: name.to_string(),
            from: from.display().to_string(),
            to: config
                .node(name.as_str())
                .map(|node| node.state_dir.display().to_string())
                .unwrap_or_default(),
        };
        Self {
            cluster: plan.cluster.to_string(),
            name: plan.name.clone(),
            recovery_key: founding.recovery_key().to_string(),
            admin_dir: config.admin_dir.display().to_string(),
            carry: founding.bundles().iter().map(carried).collect(),
        }
    }
}

/// Before anything is written.
fn show_key(global: &Global, founded: &Founded) -> anyhow::Result<()> {
    if global.json {
        return output::json(founded);
    }
    output::line(&format!(
        "Recovery key, shown this once:\n\n    {}\n",
        founded.recovery_key
    ))?;
    output::line("Write it down and keep it away from these machines. Without it no machine can be added later.\n")?;
    Ok(())
}

fn next_steps(config: &ClusterConfig, founded: &Founded) -> std::io::Result<()> {
    output::line(&format!("cluster {} is founded as {}", founded.name, founded.cluster))?;
    output::line(&format!(
        "administrator's certificate: {}",
        config.admin_certificate().chain.display()
    ))?;
    let file = config.file.display();
    for Carried { node, from, to } in &founded.carry {
        output::line(&format!(
            "carry {from} to the machine of {node}, as {to}, and delete it here"
        ))?;
    }
    if !founded.carry.is_empty() {
        output::line(&format!("carry {file} to the same machines"))?;
    }
    output::line("next, for each node on its machine, once, then for good:")?;
    output::line(&format!("    holdfast-node --config {file} --node NAME --init-shelves"))?;
    output::line(&format!("    holdfast-node --config {file} --node NAME"))
}
