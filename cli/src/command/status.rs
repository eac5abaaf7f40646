//! `holdfast status`: how nodes, shelves and groups are, and what the cluster would survive now.

use std::process::ExitCode;

use cluster_config::NodeConfig;
use cluster_config::admin::{GetNode, NodeReport, ShelfRow, ShelfState};

use super::Global;
use crate::admin_client::{AdminClient, CallError, shown_at};
use crate::cluster_status::{ClusterStatus, GroupStatus, NodeState, NodeStatus, ReplicaState};
use crate::exit::{FOUND, NOT_LED};
use crate::limits::STATUS_WITHIN;
use crate::output::{self, Cell, Rows, Tone};

/// Show how nodes, shelves and groups are, and what would be survived now
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  holdfast status\n  holdfast --dir DIR status --json\n\n\
    The last lines say which losses would be survived now: without a break in service, for which every group needs a \
    majority that runs, and without losing mail, for which every group needs a majority that is not destroyed.\n\n\
    Exit status, fit for monitoring: 0 all in order; 3 something is down but every group has a leader (a warning); \
    4 a group has no leader (critical); 1 the question could not be asked; 2 wrong usage")]
pub(super) struct Status {}

pub(super) fn run(global: &Global, _: &Status) -> anyhow::Result<ExitCode> {
    let client = AdminClient::new(global.cluster()?)?;
    let answers = global.block_on(client.everywhere(&GetNode {}, STATUS_WITHIN))?;
    // Then all may be well, and this tool is not one that could tell.
    if answers
        .iter()
        .all(|(_, answer)| matches!(answer, Err(CallError::Unreachable { is_distrust: true, .. })))
    {
        let errors = answers.into_iter().filter_map(|(_, answer)| answer.err());
        return Err(CallError::Nobody(errors.collect()).into());
    }
    let status = of_answers(&client, answers);
    if global.json {
        output::json(&status)?;
    } else {
        show(&status)?;
    }
    Ok(match (status.is_in_order(), status.is_led()) {
        (true, _) => ExitCode::SUCCESS,
        (false, true) => FOUND.into(),
        (false, false) => NOT_LED.into(),
    })
}

/// Asks every node.
pub(crate) async fn gather(client: &AdminClient) -> ClusterStatus {
    of_answers(client, client.everywhere(&GetNode {}, STATUS_WITHIN).await)
}

fn of_answers(client: &AdminClient, answers: Vec<(&NodeConfig, Result<NodeReport, CallError>)>) -> ClusterStatus {
    let answers = answers.into_iter().map(|(node, answer)| {
        let name = node.name.to_string();
        let answer = right_node(&name, &shown_at(node), answer);
        (name, answer)
    });
    ClusterStatus::of(answers.collect(), client.config().groups)
}

/// On one host, the port that a node should have may be another's.
fn right_node(name: &str, at: &str, answer: Result<NodeReport, CallError>) -> Result<NodeReport, String> {
    match answer {
        Ok(report) if report.node == name => Ok(report),
        Ok(report) => Err(format!("node {} answers at {at} in its place", report.node)),
        Err(CallError::Unreachable { what, .. }) => Err(format!("at {at} it {what}")),
        Err(CallError::NoAnswer { detail, .. }) => Err(format!("no answer at {at}: {detail}")),
        Err(error) => Err(error.to_string()),
    }
}

fn show(status: &ClusterStatus) -> std::io::Result<()> {
    let shelves = status
        .nodes
        .iter()
        .flat_map(|node| node.shelves.iter().map(|shelf| shelf_row(&node.name, shelf).into()));
    output::rows(&Rows {
        kind: Some("node"),
        header: &["NODE", "STATE", "LEADS", "REPLICAS", "UP FOR", "NOTE"],
        rows: &status.nodes.iter().map(node_row).collect::<Vec<_>>(),
        none: "",
    })?;
    output::gap()?;
    output::rows(&Rows {
        kind: Some("shelf"),
        header: &["SHELF", "STATE", "FREE", "OF", "NOTE"],
        rows: &shelves.collect::<Vec<_>>(),
        none: "no node tells of its shelves",
    })?;
    output::gap()?;
    output::rows(&Rows {
        kind: Some("group"),
        header: &["GROUP", "LEADER", "REPLICAS", "LAG"],
        rows: &status.groups.iter().map(group_row).collect::<Vec<_>>(),
        none: "",
    })?;
    output::gap()?;
    survival_lines(status).iter().try_for_each(|line| output::line(line))
}

/// What would be survived, and what that means.
pub(crate) fn survival_lines(status: &ClusterStatus) -> Vec<String> {
    let (service, mail) = (&status.survival.service, &status.survival.mail);
    let tone = match (status.is_led(), status.is_in_order()) {
        (true, true) => Tone::Good,
        (true, false) => Tone::Warning,
        (false, _) => Tone::Bad,
    };
    let mut lines = vec![tone.paint(&format!("survives now: {service}")).into_owned()];
    if service == mail {
        if service.nodes.len() + service.shelves.len() > 0 {
            lines.push("no mail is lost by that, and every account stays in service".to_owned());
        }
    } else if mail.without_majority.is_empty() {
        lines.push(format!(
            "survives without losing mail, once what is down is back with what it has: {mail}"
        ));
    }
    lines
}

fn node_row(node: &NodeStatus) -> Vec<Cell> {
    let state = match node.state {
        NodeState::Up => Tone::Good.cell("up"),
        NodeState::Isolated => Tone::Bad.cell("isolated"),
        NodeState::Down => Tone::Bad.cell("down"),
    };
    let up_for = node.uptime_s.map_or_else(|| "-".to_owned(), duration);
    vec![
        node.name.as_str().into(),
        state,
        node.leads.to_string().into(),
        node.replicas.to_string().into(),
        up_for.into(),
        Tone::Warning.cell(node.reason.clone().unwrap_or_default()),
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

/// Name, state, free, size, note.
pub(crate) fn shelf_row(node: &str, shelf: &ShelfRow) -> [Cell; 5] {
    let state = match shelf.state {
        ShelfState::Ok => Tone::Good.cell("ok"),
        ShelfState::Failed => Tone::Bad.cell("failed"),
        ShelfState::Refused => Tone::Bad.cell("refused"),
    };
    let shown = |bytes: Option<u64>| bytes.map_or_else(|| "?".to_owned(), output::bytes);
    [
        format!("{node}/{}", shelf.name).into(),
        state,
        shown(shelf.free_bytes).into(),
        shown(shelf.total_bytes).into(),
        Tone::Warning.cell(shelf.reason.clone().unwrap_or_default()),
    ]
}

fn group_row(group: &GroupStatus) -> Vec<Cell> {
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
    let replicas = replicas.collect::<Vec<_>>().join(" ");
    let is_whole = group.replicas.iter().all(|replica| replica.state != ReplicaState::Down);
    let lag = group.replicas.iter().filter_map(|replica| replica.lag).max();
    vec![
        number.into(),
        match &group.leader {
            Some(leader) => leader.as_str().into(),
            None => Tone::Bad.cell("none"),
        },
        if is_whole {
            replicas.into()
        } else {
            Tone::Warning.cell(replicas)
        },
        lag.map_or_else(|| "?".to_owned(), |lag| lag.to_string()).into(),
    ]
}
