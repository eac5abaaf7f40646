//! `holdfast status`: how nodes, shelves and groups are, and what the cluster would survive now.

use std::process::ExitCode;

use cluster_config::admin::{GetNode, NodeReport, ShelfRow, ShelfState};

use super::{Global, block_on};
use crate::admin_client::{AdminClient, CallError};
use crate::cluster_status::{ClusterStatus, GroupStatus, NodeStatus, ReplicaState};
use crate::limits::STATUS_WITHIN;
use crate::output;

/// Something is down, and every group has a leader all the same.
const DEGRADED: u8 = 3;
/// A group has no leader: the mail of its accounts has to wait.
const NOT_LED: u8 = 4;

/// Show how nodes, shelves and groups are, and what would be survived now
#[derive(clap::Args)]
#[command(after_help = "Example:\n  holdfast --dir DIR status\n\n\
    Exit status: 0 all in order, 3 something is down but every group has a leader,\n\
    4 a group has no leader, 1 the question could not be asked, 2 wrong usage")]
pub(super) struct Status {
    /// Write JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(global: &Global, arguments: &Status) -> anyhow::Result<ExitCode> {
    let client = AdminClient::new(global.cluster()?)?;
    let status = block_on(gather(&client))?;
    if arguments.json {
        output::json(&status)?;
    } else {
        show(&status)?;
    }
    Ok(match (status.is_in_order(), status.is_led()) {
        (true, _) => ExitCode::SUCCESS,
        (false, true) => DEGRADED.into(),
        (false, false) => NOT_LED.into(),
    })
}

/// Asks every node.
pub(crate) async fn gather(client: &AdminClient) -> ClusterStatus {
    let answers = client.everywhere(&GetNode {}, STATUS_WITHIN).await;
    let answers = answers.into_iter().map(|(node, answer)| {
        let name = node.name.to_string();
        let answer = right_node(&name, answer);
        (name, answer)
    });
    ClusterStatus::of(answers.collect(), client.config().groups)
}

/// On one host, the port that a node should have may be another's.
fn right_node(name: &str, answer: Result<NodeReport, CallError>) -> Result<NodeReport, String> {
    match answer {
        Ok(report) if report.node == name => Ok(report),
        Ok(report) => Err(format!("node {} answers in its place", report.node)),
        Err(CallError::Unreachable { detail, .. } | CallError::NoAnswer { detail, .. }) => Err(detail),
        Err(error) => Err(error.to_string()),
    }
}

fn show(status: &ClusterStatus) -> std::io::Result<()> {
    let nodes: Vec<_> = status.nodes.iter().map(node_row).collect();
    output::rows(&["NODE", "STATE", "LEADS", "REPLICAS", "UP FOR", "NOTE"], &nodes)?;
    output::line("")?;
    let shelves = status
        .nodes
        .iter()
        .flat_map(|node| node.shelves.iter().map(|shelf| shelf_row(&node.name, shelf)));
    output::rows(&["SHELF", "STATE", "FREE", "OF", "NOTE"], &shelves.collect::<Vec<_>>())?;
    output::line("")?;
    let groups: Vec<_> = status.groups.iter().map(group_row).collect();
    output::rows(&["GROUP", "LEADER", "REPLICAS", "LAG"], &groups)?;
    output::line("")?;
    output::line(&format!("survives now: {}", status.survives_now))
}

fn node_row(node: &NodeStatus) -> Vec<String> {
    let state = format!("{:?}", node.state).to_lowercase();
    let up_for = node.uptime_s.map_or_else(|| "-".to_owned(), duration);
    let note = node.reason.clone().unwrap_or_default();
    vec![
        node.name.clone(),
        state,
        node.leads.to_string(),
        node.replicas.to_string(),
        up_for,
        note,
    ]
}

fn duration(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

pub(crate) fn shelf_row(node: &str, shelf: &ShelfRow) -> Vec<String> {
    let state = match shelf.state {
        ShelfState::Ok => "ok",
        ShelfState::Failed => "failed",
        ShelfState::Refused => "refused",
    };
    let shown = |bytes: Option<u64>| bytes.map_or_else(|| "?".to_owned(), output::bytes);
    let name = format!("{node}/{}", shelf.name);
    let note = shelf.reason.clone().unwrap_or_default();
    vec![
        name,
        state.to_owned(),
        shown(shelf.free_bytes),
        shown(shelf.total_bytes),
        note,
    ]
}

fn group_row(group: &GroupStatus) -> Vec<String> {
    let number = match group.group {
        0 => "0 (system)".to_owned(),
        number => number.to_string(),
    };
    let replicas = group.replicas.iter().map(|replica| {
        let place = format!("{}/{}", replica.node, replica.shelf);
        match replica.state {
            ReplicaState::Leader | ReplicaState::Follower => place,
            ReplicaState::Learner => format!("{place} (learner)"),
            ReplicaState::Down => format!("{place} (down)"),
        }
    });
    let leader = group.leader.clone().unwrap_or_else(|| "none".to_owned());
    let lag = group.replicas.iter().filter_map(|replica| replica.lag).max();
    let lag = lag.map_or_else(|| "?".to_owned(), |lag| lag.to_string());
    vec![number, leader, replicas.collect::<Vec<_>>().join(" "), lag]
}
