//! `holdfast config`: whether a cluster file is right, and what holds by it.

mod show;

use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use clap::Subcommand;
use cluster_config::{ClusterConfig, FoundingPlan, PLAN_FILE};

use serde::Serialize;

use super::Global;
use crate::output::{self, Tone};

/// Certificates with less time left are worth a warning.
const SOON: Duration = Duration::from_secs(30 * 86_400);

/// Look at the cluster file, and at what holds by it
#[derive(Subcommand)]
#[command(after_help = "Examples:\n  holdfast --config cluster.toml config check\n  holdfast config show")]
pub(super) enum Config {
    /// Say whether the cluster file is right, and what to do where it is not
    #[command(after_help = "Example:\n  holdfast --config cluster.toml config check")]
    Check,
    Show(show::Show),
}

/// A cluster file that is right, as JSON.
#[derive(Serialize)]
struct Checked<'a> {
    file: String,
    cluster: &'a str,
    nodes: usize,
    shelves: usize,
    groups: u32,
    replication: usize,
    warnings: Vec<String>,
}

pub(super) fn run(global: &Global, config: &Config) -> anyhow::Result<ExitCode> {
    match config {
        Config::Check => check(global).map(|()| ExitCode::SUCCESS),
        Config::Show(show) => show::run(global, show).map(|()| ExitCode::SUCCESS),
    }
}

fn check(global: &Global) -> anyhow::Result<()> {
    let config = global.cluster()?;
    let left = config.check_certificate(SystemTime::now())?;
    let shelves: usize = config.nodes.iter().map(|node| node.shelves.len()).sum();
    let checked = Checked {
        file: config.file.display().to_string(),
        cluster: config.name.as_str(),
        nodes: config.nodes.len(),
        shelves,
        groups: config.groups,
        replication: config.replication,
        warnings: warnings(&config, shelves, left)?,
    };
    if global.json {
        return output::json(&checked);
    }
    let text = format!(
        "{} is right: cluster {}, {}, {}, {} with {}",
        checked.file,
        config.name,
        counted(config.nodes.len(), "node", "nodes"),
        counted(shelves, "shelf", "shelves"),
        counted(config.groups as usize, "mail group", "mail groups"),
        counted(config.replication, "replica each", "replicas each"),
    );
    if !global.quiet {
        output::line(&text)?;
    }
    for line in &checked.warnings {
        output::line(&format!("{} {line}", Tone::Warning.paint("warning:")))?;
    }
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
