//! `holdfast config`: what can be said about a cluster file without asking a cluster.

use std::io::{Write, stdout};
use std::time::{Duration, SystemTime};

use clap::Subcommand;
use cluster_config::{ClusterConfig, FoundingPlan, PLAN_FILE};

use super::Global;

/// Certificates with less time left are worth a warning.
const SOON: Duration = Duration::from_secs(30 * 86_400);

/// Look at the cluster file
#[derive(Subcommand)]
pub(super) enum Config {
    /// Say whether the cluster file is right, and what to do where it is not
    #[command(after_help = "Example:\n  holdfast --config cluster.toml config check")]
    Check,
}

pub(super) fn run(global: &Global, config: &Config) -> anyhow::Result<()> {
    match config {
        Config::Check => check(global),
    }
}

fn check(global: &Global) -> anyhow::Result<()> {
    let config = ClusterConfig::load(&global.cluster_file()?)?;
    let left = config.check_certificate(SystemTime::now())?;
    let shelves: usize = config.nodes.iter().map(|node| node.shelves.len()).sum();
    let mut out = stdout().lock();
    writeln!(
        out,
        "{} is right: cluster {}, {}, {}, {} with {}",
        config.file.display(),
        config.name,
        counted(config.nodes.len(), "node", "nodes"),
        counted(shelves, "shelf", "shelves"),
        counted(config.groups as usize, "mail group", "mail groups"),
        counted(config.replication, "replica each", "replicas each"),
    )?;
    for line in warnings(&config, shelves, left)? {
        writeln!(out, "warning: {line}")?;
    }
    out.flush()?;
    Ok(())
}

fn counted(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

fn warnings(config: &ClusterConfig, shelves: usize, left: Option<Duration>) -> anyhow::Result<Vec<String>> {
    let mut lines = Vec::new();
    if config.replication == 1 {
        let why = if shelves < 3 {
            "three replicas need three shelves, and two would survive no more than one"
        } else {
            "the file asks for one replica"
        };
        lines.push(format!("no loss of a shelf is survived: {why}"));
    }
    if config.replication > config.nodes.len() {
        let some = "the loss of a shelf is survived, that of a machine may not be: it takes three nodes";
        lines.push(some.to_owned());
    }
    if let Some(left) = left.filter(|left| *left < SOON) {
        lines.push(format!(
            "the certificate for mail clients expires in {} days",
            left.as_secs() / 86_400
        ));
    }
    for node in &config.nodes {
        if node.state_dir.join(PLAN_FILE).is_file() {
            let plan = FoundingPlan::load(&node.state_dir)?;
            let differences = plan.differences(config).into_iter();
            lines.extend(differences.map(|line| format!("founded otherwise: {line}")));
            break;
        }
    }
    Ok(lines)
}
