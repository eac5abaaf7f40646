//! What a demo shows: addresses and log-ins, what to paste next, and how the cluster is; on a terminal as a picture that
//! changes in place, in a pipe as a line for each piece of news.

use std::io::{Write, stdout};
use std::path::Path;

use cluster_config::admin::{ShelfRow, ShelfState};
use cluster_config::{ClusterConfig, Listener, NodeConfig, Transport};
use tokio::time::sleep;

use super::accounts::{PASSWORD, address};
use super::processes::{Nodes, Programs, quoted};
use crate::admin_client::AdminClient;
use crate::cluster_status::{ClusterStatus, NodeState, NodeStatus};
use crate::command::status;
use crate::limits::DEMO_SHOW_EVERY;
use crate::output::{self, Cell, Rows, Tone};

/// Where clients connect, and as whom.
pub(crate) fn introduce(config: &ClusterConfig, accounts: u32) -> std::io::Result<()> {
    let listeners: Vec<Listener> = Listener::ALL
        .into_iter()
        .filter(|listener| listener.transport() == Transport::Tcp)
        .filter(|listener| config.nodes.iter().any(|node| node.listeners.contains_key(listener)))
        .collect();
    if output::is_terminal() {
        let mut header = vec!["NODE", "HOST"];
        header.extend(listeners.iter().map(|listener| listener.name()));
        let row = |node: &NodeConfig| {
            let mut row: Vec<Cell> = vec![node.name.as_str().into(), node.host.as_str().into()];
            row.extend(listeners.iter().map(|listener| Cell::from(port(node, *listener))));
            row
        };
        output::line("")?;
        output::rows(&Rows {
            kind: None,
            header: &header,
            rows: &config.nodes.iter().map(row).collect::<Vec<_>>(),
            none: "",
        })?;
        output::line("")?;
    } else {
        for node in &config.nodes {
            let ports = listeners
                .iter()
                .map(|listener| format!("{} {}", listener.name(), port(node, *listener)));
            let ports = ports.collect::<Vec<_>>().join(" ");
            output::line(&format!("{} {} {ports}", node.name, node.host))?;
        }
    }
    match accounts {
        0 => Ok(()),
        1 => output::line(&format!("account {}, password {PASSWORD}", address(1))),
        _ => output::line(&format!(
            "accounts {} to {}, password {PASSWORD}",
            address(1),
            address(accounts)
        )),
    }
}

fn port(node: &NodeConfig, listener: Listener) -> String {
    let at = node.listeners.get(&listener);
    at.map_or_else(|| "-".to_owned(), |at| at.port.to_string())
}

/// The line that other programs wait for.
pub(crate) fn ready_line(status: &ClusterStatus, accounts: u32, dir: &Path) -> String {
    let shelves: usize = status.nodes.iter().map(|node| node.shelves.len()).sum();
    format!(
        "ready: {} nodes, {shelves} shelves, {} groups, {accounts} accounts in {}",
        status.nodes.len(),
        status.groups.len(),
        dir.display()
    )
}

/// What to try next.
pub(crate) fn paste_lines(config: &ClusterConfig, programs: &Programs, dir: &Path) -> Vec<String> {
    let mut lines = vec![format!("{} --dir {} status", quoted(&programs.tool), quoted(dir))];
    let (Some(first), Some(last)) = (config.nodes.first(), config.nodes.last()) else {
        return lines;
    };
    let user = address(1);
    lines.push(format!(
        "swaks --server {} --port {} --from you@example.org --to {user}",
        first.host,
        port(first, Listener::Smtp)
    ));
    lines.push(format!(
        "mail program: IMAP {host} port {} (STARTTLS) or {} (TLS), POP3 port {} or {}, SMTP port {} or {}, user {user}, \
         password {PASSWORD}",
        port(last, Listener::Imap),
        port(last, Listener::Imaps),
        port(last, Listener::Pop3),
        port(last, Listener::Pop3s),
        port(last, Listener::Submission),
        port(last, Listener::Submissions),
        host = last.host,
    ));
    lines
}

/// Shows how the cluster is, for ever.
pub(crate) async fn watch(nodes: &mut Nodes, client: &AdminClient, first: ClusterStatus) -> anyhow::Result<()> {
    let is_terminal = output::is_terminal();
    let start = |node: &str, nodes: &Nodes| nodes.programs().start_command(client.config(), node);
    if !is_terminal {
        for line in ailments(&first) {
            output::line(&line)?;
        }
    }
    let mut shown_lines = 0;
    let mut before = first;
    loop {
        let now = status::gather(client).await;
        nodes.reap();
        if is_terminal {
            shown_lines = redraw(&picture(&now, |node| start(node, nodes)), shown_lines)?;
        } else {
            for line in news(&before, &now, |node| start(node, nodes)) {
                output::line(&line)?;
            }
        }
        before = now;
        sleep(DEMO_SHOW_EVERY).await;
    }
}

/// Writes `lines` over the `before` lines that were written last.
fn redraw(lines: &[String], before: usize) -> std::io::Result<usize> {
    let mut out = stdout().lock();
    if before > 0 {
        write!(out, "\x1b[{before}A\x1b[J")?;
    }
    for line in lines {
        // A line must not wrap, or the next picture would start too low.
        writeln!(out, "\x1b[?7l{line}\x1b[?7h")?;
    }
    out.flush()?;
    Ok(lines.len())
}

/// How the cluster is, whole.
fn picture(status: &ClusterStatus, start: impl Fn(&str) -> String) -> Vec<String> {
    let mut lines = vec![String::new()];
    for node in &status.nodes {
        let state = match node.state {
            NodeState::Up => format!("{} leads {} groups", Tone::Good.paint("up"), node.leads),
            NodeState::Isolated => Tone::Bad.paint("isolated").into_owned(),
            NodeState::Down => format!("{}; start it: {}", Tone::Bad.paint("down"), start(&node.name)),
        };
        lines.push(format!("{} is {state}", node.name));
        if let (NodeState::Up | NodeState::Isolated, Some(reason)) = (node.state, &node.reason) {
            lines.push(format!("  {}", Tone::Warning.paint(reason)));
        }
        lines.extend(node.shelves.iter().map(|shelf| {
            let [name, state, free, _, note] = status::shelf_row(&node.name, shelf);
            format!(
                "  {} {}, {} free {}",
                name.text,
                state.painted(),
                free.text,
                note.painted()
            )
        }));
    }
    let led = status.groups.iter().filter(|group| group.leader.is_some()).count();
    lines.push(format!("{led} of {} groups have a leader", status.groups.len()));
    lines.extend(status::survival_lines(status));
    lines
}

/// Shelves that are not in use.
fn ailments(status: &ClusterStatus) -> Vec<String> {
    let of_node = |node: &NodeStatus| {
        let ill = node.shelves.iter().filter(|shelf| shelf.state != ShelfState::Ok);
        ill.map(|shelf| shelf_line(&node.name, shelf)).collect::<Vec<_>>()
    };
    status.nodes.iter().flat_map(of_node).collect()
}

fn shelf_line(node: &str, shelf: &ShelfRow) -> String {
    let [name, state, _, _, note] = status::shelf_row(node, shelf);
    format!("shelf {} is {} {}", name.text, state.text, note.text)
        .trim_end()
        .to_owned()
}

/// What has changed.
fn news(before: &ClusterStatus, now: &ClusterStatus, start: impl Fn(&str) -> String) -> Vec<String> {
    let mut lines = Vec::new();
    for (was, is) in before.nodes.iter().zip(&now.nodes) {
        match (was.state, is.state) {
            (NodeState::Up, NodeState::Up) | (NodeState::Down, NodeState::Down) => {}
            (NodeState::Isolated, NodeState::Isolated) => {}
            (_, NodeState::Down) => lines.push(format!("{} is down; start it: {}", is.name, start(&is.name))),
            (_, NodeState::Up) => lines.push(format!("{} is up", is.name)),
            (_, NodeState::Isolated) => {
                let reason = is.reason.clone().unwrap_or_default();
                lines.push(format!("{} is isolated: {reason}", is.name));
            }
        }
        for shelf in &is.shelves {
            let known = was.shelves.iter().find(|known| known.name == shelf.name);
            if known.is_some_and(|known| known.state != shelf.state) {
                lines.push(shelf_line(&is.name, shelf));
            }
        }
    }
    match (before.is_led(), now.is_led()) {
        (true, false) => {
            let without = now.groups.iter().filter(|group| group.leader.is_none());
            let without: Vec<String> = without.map(|group| group.group.to_string()).collect();
            lines.push(format!("groups without a leader: {}", without.join(", ")));
        }
        (false, true) => lines.push("every group has a leader".to_owned()),
        _ => {}
    }
    if before.survives_now != now.survives_now {
        lines.push(format!("survives now: {}", now.survives_now));
    }
    lines
}

#[cfg(test)]
mod tests {
    use cluster_config::admin::NodeReport;

    use super::*;

    fn status(second: Result<(), &str>) -> ClusterStatus {
        let report = |node: &str| NodeReport {
            cluster: "c".to_owned(),
            node: node.to_owned(),
            version: "1".to_owned(),
            pid: 1,
            uptime_s: 1,
            shelves: Vec::new(),
            replicas: Vec::new(),
            dead_nodes: Vec::new(),
            clock: None,
        };
        let answers = vec![
            ("n1".to_owned(), Ok(report("n1"))),
            ("n2".to_owned(), second.map(|()| report("n2")).map_err(str::to_owned)),
        ];
        ClusterStatus::of(answers, 0)
    }

    #[test]
    fn a_shelf_that_is_not_in_use_is_told_from_the_start() {
        let mut status = status(Ok(()));
        status.nodes[1].shelves.push(ShelfRow {
            name: "a".to_owned(),
            state: ShelfState::Refused,
            reason: Some("it is empty".to_owned()),
            free_bytes: None,
            total_bytes: None,
        });
        assert_eq!(ailments(&status), ["shelf n2/a is refused it is empty"]);
    }

    #[test]
    fn a_node_that_goes_down_is_news_with_the_command_that_starts_it() {
        let (up, down) = (status(Ok(())), status(Err("refused")));
        let start = |node: &str| format!("start {node}");
        assert_eq!(news(&up, &down, start), ["n2 is down; start it: start n2"]);
        assert_eq!(news(&down, &up, start), ["n2 is up"]);
        assert!(news(&down, &down, start).is_empty());
        assert!(picture(&down, start).contains(&"n2 is down; start it: start n2".to_owned()));
    }
}
