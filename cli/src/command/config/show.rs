//! `holdfast config show`: every value in force with where it is from, and every limit of every part of the program.
//!
//! Invariants
//! - Limits are told by the program that holds to them: a node that runs, or the node's program beside this one. This
//!   tool knows none but its own by heart.
//! - That a node runs with other values than the file has is said.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};
use cluster_config::admin::{GetConfig, LimitRow, NodeSettings};
use cluster_config::{ClusterConfig, Setting};
use serde::Serialize;

use crate::admin_client::AdminClient;
use crate::command::{Global, note};
use crate::demo::NODE_PROGRAM;
use crate::limits::{self, STATUS_WITHIN};
use crate::output::{self, Cell, Rows, Tone};

/// Show every value in force with where it is from, and every limit with what it protects
#[derive(clap::Args)]
#[command(after_help = "Examples:
  holdfast config show
  holdfast config show message_bytes_max
  holdfast config show --node n2 --json

The values are those of the cluster file, merged with what holds without it; with --node, those that this node read when \
it started. The limits are told by a node that answers, or by the program holdfast-node beside this one. Where a node \
that answers runs with other values than the file has, that is said on standard error.

In a pipe, each line is `setting`, key, value, origin or `limit`, part, name, value, unit, what it protects.")]
pub(in crate::command) struct Show {
    /// Only what has this in its name
    word: Option<String>,
    /// What this node runs with, as it says itself
    #[arg(long, value_name = "NAME")]
    node: Option<String>,
}

#[derive(Serialize)]
struct Shown {
    /// The cluster file, or the node that was asked.
    of: String,
    settings: Vec<Setting>,
    /// Who told the limits, this tool's own aside.
    limits_from: Option<String>,
    limits: Vec<LimitRow>,
    /// Where nodes run with other values than the file has.
    differences: Vec<Difference>,
}

/// A value that a node has otherwise.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Difference {
    node: String,
    key: String,
    in_file: String,
    in_node: String,
}

pub(super) fn run(global: &Global, show: &Show) -> anyhow::Result<()> {
    let config = global.cluster()?;
    let mut shown = match &show.node {
        Some(name) => of_node(global, &config, name)?,
        None => of_file(global, config)?,
    };
    shown.limits.extend(limits::table().into_iter().map(LimitRow::from));
    if let Some(word) = &show.word {
        shown.keep(&word.to_lowercase());
    }
    if global.json {
        output::json(&shown)?;
    } else {
        print(&shown, show.word.is_none())?;
    }
    for of in &shown.differences {
        let Difference {
            node,
            key,
            in_file,
            in_node,
        } = of;
        note(&format!(
            "{node} runs with another {key}: {in_node:?}, the file here has {in_file:?}; copy the file there, and restart it"
        ));
    }
    if shown.limits_from.is_none() {
        note(&format!(
            "the limits of nodes are left out: no node answers, and there is no {NODE_PROGRAM} beside this program"
        ));
    }
    Ok(())
}

fn of_node(global: &Global, config: &ClusterConfig, name: &str) -> anyhow::Result<Shown> {
    let Some(node) = config.node(name) else {
        let known: Vec<&str> = config.nodes.iter().map(|node| node.name.as_str()).collect();
        bail!(
            "{} has no node {name}: it has {}",
            config.file.display(),
            known.join(", ")
        );
    };
    let client = AdminClient::new(config.clone())?;
    let answer = global.block_on(client.call(node, &GetConfig {}))??;
    Ok(Shown {
        of: format!("node {}", answer.node),
        limits_from: Some(told_by(&answer)),
        settings: answer.settings,
        limits: answer.limits,
        differences: Vec::new(),
    })
}

fn told_by(answer: &NodeSettings) -> String {
    format!("node {}, version {}", answer.node, answer.version)
}

fn of_file(global: &Global, config: ClusterConfig) -> anyhow::Result<Shown> {
    let mut answers = answers(global, &config)?;
    let differences = answers
        .iter()
        .flat_map(|answer| differences(&config.settings, answer))
        .collect();
    let (limits_from, limits) = match answers.pop() {
        Some(answer) => (Some(told_by(&answer)), answer.limits),
        None => match from_program()? {
            Some((program, limits)) => (Some(program), limits),
            None => (None, Vec::new()),
        },
    };
    Ok(Shown {
        of: config.file.display().to_string(),
        settings: config.settings,
        limits_from,
        limits,
        differences,
    })
}

/// What the nodes that answer run with. Nobody does before the cluster is founded, which is no mistake here.
fn answers(global: &Global, config: &ClusterConfig) -> anyhow::Result<Vec<NodeSettings>> {
    if !config.admin_certificate().chain.exists() {
        return Ok(Vec::new());
    }
    let client = AdminClient::new(config.clone())?;
    let answers = global.block_on(client.everywhere(&GetConfig {}, STATUS_WITHIN))?;
    Ok(answers.into_iter().filter_map(|(_, answer)| answer.ok()).collect())
}

/// Paths may differ from machine to machine, and where nothing was chosen the founding has made it.
const OF_ONE_MACHINE: [&str; 6] = ["admin_dir", "state_dir", "path", "lmtp_socket", "certificate", "key"];

fn differences(file: &[Setting], node: &NodeSettings) -> Vec<Difference> {
    let last = |key: &str| key.rsplit(": ").next().unwrap_or_default().to_owned();
    let comparable = |setting: &&Setting| !OF_ONE_MACHINE.contains(&last(&setting.key).as_str());
    let value = |all: &[Setting], key: &str| {
        let found = all.iter().find(|setting| setting.key == key);
        found.map(|setting| setting.value.clone()).unwrap_or_default()
    };
    let only_there = node
        .settings
        .iter()
        .filter(|of| file.iter().all(|other| other.key != of.key));
    let keys = file.iter().chain(only_there).filter(comparable);
    let difference = |key: &String| {
        let (in_file, in_node) = (value(file, key), value(&node.settings, key));
        (in_file != in_node).then(|| Difference {
            node: node.node.clone(),
            key: key.clone(),
            in_file,
            in_node,
        })
    };
    keys.filter_map(|setting| difference(&setting.key)).collect()
}

/// Limits as the program beside this one tells them.
fn from_program() -> anyhow::Result<Option<(String, Vec<LimitRow>)>> {
    let tool = std::env::current_exe().context("find this program")?;
    let program = tool.with_file_name(NODE_PROGRAM);
    if !program.is_file() {
        return Ok(None);
    }
    limits_of(&program).map(Some)
}

fn limits_of(program: &Path) -> anyhow::Result<(String, Vec<LimitRow>)> {
    let shown = program.display();
    let output = Command::new(program).arg("--limits").output();
    let output = output.with_context(|| format!("run {shown}"))?;
    if !output.status.success() {
        bail!(
            "{shown} --limits failed: is it of the version of this program? {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let limits = serde_json::from_slice(&output.stdout).with_context(|| format!("read what {shown} --limits says"))?;
    Ok((shown.to_string(), limits))
}

impl Shown {
    /// Leaves out what does not have `word` in its name.
    fn keep(&mut self, word: &str) {
        self.settings
            .retain(|setting| setting.key.to_lowercase().contains(word));
        self.limits
            .retain(|limit| format!("{} {}", limit.part, limit.name).to_lowercase().contains(word));
    }
}

fn print(shown: &Shown, is_whole: bool) -> std::io::Result<()> {
    let setting = |of: &Setting| -> Vec<Cell> {
        let tone = if of.from.starts_with("line") {
            Tone::Good
        } else {
            Tone::Faint
        };
        vec![of.key.as_str().into(), of.value.as_str().into(), tone.cell(&of.from)]
    };
    if output::is_terminal() {
        output::line(&format!("settings of {}\n", shown.of))?;
    }
    output::rows(&Rows {
        kind: Some("setting"),
        header: &["SETTING", "VALUE", "FROM"],
        rows: &shown.settings.iter().map(setting).collect::<Vec<_>>(),
        none: "no setting has that in its name",
    })?;
    output::gap()?;
    if let Some(from) = shown.limits_from.as_ref().filter(|_| output::is_terminal()) {
        output::line(&format!("limits as told by {from}\n"))?;
    }
    let limit = if output::is_terminal() { readable } else { exact };
    output::rows(&Rows {
        kind: Some("limit"),
        header: &["PART", "LIMIT", "VALUE", "PROTECTS"],
        rows: &shown.limits.iter().map(limit).collect::<Vec<_>>(),
        none: if is_whole {
            "no limit is known"
        } else {
            "no limit has that in its name"
        },
    })
}

fn exact(of: &LimitRow) -> Vec<Cell> {
    let fields = [&of.part, &of.name, &of.value.to_string(), &of.unit, &of.protects];
    fields.map(|field| field.as_str().into()).into()
}

fn readable(of: &LimitRow) -> Vec<Cell> {
    let value = match of.unit.as_str() {
        "bytes" => output::bytes(of.value),
        "ms" => time(of.value),
        "count" => of.value.to_string(),
        unit => format!("{} {unit}", of.value),
    };
    vec![
        of.part.as_str().into(),
        of.name.as_str().into(),
        value.into(),
        of.protects.as_str().into(),
    ]
}

/// A time as a human reads it, without loss.
fn time(ms: u64) -> String {
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s")];
    let whole = units.iter().find(|(unit, _)| ms >= *unit && ms.is_multiple_of(*unit));
    whole.map_or_else(|| format!("{ms} ms"), |(unit, name)| format!("{} {name}", ms / unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(key: &str, value: &str) -> Setting {
        let (key, value, from) = (key.to_owned(), value.to_owned(), "default".to_owned());
        Setting { key, value, from }
    }

    #[test]
    fn a_node_with_another_file_is_found_out() {
        let file = [
            setting("cluster: groups", "16"),
            setting("cluster: admin_dir", "/here/admin"),
            setting("node n1: listeners: imap: port", "143"),
        ];
        let node = NodeSettings {
            node: "n2".to_owned(),
            version: "1".to_owned(),
            settings: vec![
                setting("cluster: groups", "8"),
                setting("cluster: admin_dir", "/there/admin"),
                setting("node n1: listeners: imap: port", "143"),
                setting("node n9: host", "elsewhere"),
            ],
            limits: Vec::new(),
        };
        let found = differences(&file, &node);
        let keys: Vec<&str> = found.iter().map(|difference| difference.key.as_str()).collect();
        assert_eq!(keys, ["cluster: groups", "node n9: host"]);
        assert_eq!((found[0].in_file.as_str(), found[0].in_node.as_str()), ("16", "8"));
    }

    #[test]
    fn times_are_shown_in_the_largest_unit_that_loses_nothing() {
        let shown = [120, 1_000, 1_500, 600_000, 7_200_000, 5_184_000_000].map(time);
        assert_eq!(shown, ["120 ms", "1 s", "1500 ms", "10 min", "2 h", "60 d"]);
    }
}
