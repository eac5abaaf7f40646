//! `holdfast ca`: certificates of a cluster that exists. The key of its CA is kept by the cluster, sealed; the recovery
//! key opens it here, on the administrator's machine, and goes nowhere else.

use std::io::{BufRead, IsTerminal, stdin};
use std::path::PathBuf;
use std::time::SystemTime;

use anyhow::{Context, anyhow, bail};
use clap::{Args, Subcommand};
use cluster_config::admin::GetAuthority;
use cluster_config::{ClusterConfig, FoundingPlan, Name};
use mail_model::{ClusterId, NodeId};
use serde::Serialize;

use super::Global;
use crate::admin_client::AdminClient;
use crate::found::{self, Authority, Recipient, RecoveryKey};

/// Issue certificates of the cluster's own CA
#[derive(Subcommand)]
#[command(after_help = "Example:\n  holdfast ca issue --service --out new-service")]
pub(super) enum Ca {
    /// Issue a certificate with a new key; the recovery key is read from standard input
    #[command(after_help = "\
Certificates for mail clients are valid for 825 days, those of nodes and administrators for ten years.

Examples:
  holdfast ca issue --node n2 --out new-n2 < recovery-key
  holdfast ca issue --service --out new-service
  holdfast ca issue --admin ann --out ann")]
    Issue(Issue),
}

#[derive(Args)]
pub(super) struct Issue {
    #[command(flatten)]
    recipient: To,
    /// Write the files into this directory, over none that exist
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Take the sealed key from a founding plan, where no node answers any more
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
}

/// Whom it is for.
#[derive(Args)]
#[group(required = true, multiple = false)]
struct To {
    /// For a node
    #[arg(long, value_name = "NAME")]
    node: Option<String>,
    /// For an administrator who is to be called so
    #[arg(long, value_name = "NAME", value_parser = admin_name)]
    admin: Option<Name>,
    /// For mail clients, at all nodes
    #[arg(long)]
    service: bool,
}

/// The files that were made.
#[derive(Serialize)]
struct Made {
    certificate: String,
    key: String,
    /// What to do with them, for a human.
    next: String,
}

fn admin_name(text: &str) -> Result<Name, String> {
    text.parse().map_err(|error| format!("{error}; {}", Name::ADVICE))
}

/// What the cluster has.
struct Kept {
    cluster: ClusterId,
    sealed_key: String,
    nodes: Vec<(String, NodeId)>,
}

pub(super) fn run(global: &Global, ca: &Ca) -> anyhow::Result<()> {
    let Ca::Issue(issue) = ca;
    let config = global.cluster()?;
    let kept = match &issue.plan {
        Some(file) => from_plan(file)?,
        None => global.block_on(from_cluster(&config))??,
    };
    let recipient = issue.recipient.find(&config, &kept)?;
    let key = read_key()?.open(kept.cluster, &kept.sealed_key)?;
    let file = config.admin_authority();
    let certificate = std::fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))?;
    let authority = Authority::restore(&certificate, &key)?;
    let at = found::issue(&authority, recipient, &issue.out, SystemTime::now())?;
    let (certificate, key) = (at.chain.display().to_string(), at.key.display().to_string());
    let next = next_step(&config, recipient);
    let text = format!("{certificate} and {key} are made\n{next}");
    global.done(&text, &Made { certificate, key, next })
}

async fn from_cluster(config: &ClusterConfig) -> anyhow::Result<Kept> {
    let client = AdminClient::new(config.clone())?;
    let authority = client.anywhere(&GetAuthority {}).await?;
    let id = |text: &str| anyhow!("a node told {text:?} for an id");
    let nodes = authority.nodes.into_iter().map(|node| {
        let of = node.id.parse().map_err(|_| id(&node.id))?;
        Ok((node.name, of))
    });
    Ok(Kept {
        cluster: authority.cluster.parse().map_err(|_| id(&authority.cluster))?,
        sealed_key: authority.sealed_key,
        nodes: nodes.collect::<anyhow::Result<_>>()?,
    })
}

fn from_plan(file: &std::path::Path) -> anyhow::Result<Kept> {
    let text = std::fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
    let plan = FoundingPlan::from_toml(&text)?;
    Ok(Kept {
        cluster: plan.cluster,
        sealed_key: plan.sealed_authority_key,
        nodes: plan.nodes.into_iter().map(|node| (node.name, node.id)).collect(),
    })
}

impl To {
    fn find<'a>(&'a self, config: &'a ClusterConfig, kept: &Kept) -> anyhow::Result<Recipient<'a>> {
        if let Some(name) = &self.admin {
            return Ok(Recipient::Admin(name));
        }
        let Some(name) = &self.node else {
            return Ok(Recipient::Service(config));
        };
        let node = config.node(name).with_context(|| no_node(config, name))?;
        let id = kept.nodes.iter().find(|(known, _)| known == name).map(|(_, id)| *id);
        Ok(Recipient::Node(
            id.with_context(|| format!("the cluster has no node {name}"))?,
            node,
        ))
    }
}

fn no_node(config: &ClusterConfig, name: &str) -> String {
    let known: Vec<&str> = config.nodes.iter().map(|node| node.name.as_str()).collect();
    format!(
        "{} has no node {name}: it has {}",
        config.file.display(),
        known.join(", ")
    )
}

/// One line; on a terminal it is asked for, and not shown.
fn read_key() -> anyhow::Result<RecoveryKey> {
    let line = if stdin().is_terminal() {
        rpassword::prompt_password("recovery key: ").context("read the recovery key")?
    } else {
        let mut line = String::new();
        stdin().lock().read_line(&mut line).context("read the recovery key")?;
        line
    };
    if line.trim().is_empty() {
        bail!("no recovery key came on standard input: it is what holdfast init showed once");
    }
    Ok(line.parse()?)
}

fn next_step(config: &ClusterConfig, recipient: Recipient<'_>) -> String {
    match recipient {
        Recipient::Node(_, node) => format!(
            "put both in place of those in {} of {}, then restart it",
            node.state_dir.display(),
            node.name
        ),
        Recipient::Admin(name) => {
            format!("give {name} the directory, to be named as admin_dir in the cluster file there")
        }
        Recipient::Service(config_of) if config_of.service.certificate.is_some() => {
            "the cluster file names another certificate for mail clients: put both in its place, or take it out, then \
             restart the nodes one after the other"
                .to_owned()
        }
        Recipient::Service(_) => {
            let dirs = config
                .nodes
                .iter()
                .map(|node| format!("{} of {}", node.state_dir.display(), node.name));
            format!(
                "put both in place of those in {}, then restart the nodes one after the other",
                dirs.collect::<Vec<_>>().join(", ")
            )
        }
    }
}
