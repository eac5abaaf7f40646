//! The state of a cluster, put together from what each of its nodes says of itself. Pure.
//!
//! Invariants
//! - What no node says is not guessed: a node that does not answer is down as far as this tool can tell, with all its
//!   replicas; a group that nobody tells of has no leader.
//! - A node that answers, and that most of the others do not hear, is no use to its groups: its replicas are down.

use std::collections::{BTreeMap, BTreeSet};

use cluster_config::admin::{MemberRow, NodeReport, ReplicaRow, ShelfRow, ShelfState};
use serde::Serialize;

use crate::survival::{Survival, Voter};

/// Whether a node answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeState {
    /// It does.
    Up,
    /// It does, and most of the other nodes that answer do not hear it.
    Isolated,
    /// It does not.
    Down,
}

/// How a replica is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ReplicaState {
    /// It leads its group.
    Leader,
    /// It follows, with a vote.
    Follower,
    /// It follows, without a vote.
    Learner,
    /// It does not run, or nobody can tell.
    Down,
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClusterStatus {
    /// Every node of the cluster file, in its order.
    pub nodes: Vec<NodeStatus>,
    /// Every group, the system group first.
    pub groups: Vec<GroupStatus>,
    /// What follows "survives now:", which is about service.
    pub survives_now: String,
    /// The same in numbers and names, and what is survived without losing mail.
    pub survival: Survival,
}

/// One node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NodeStatus {
    /// Its name.
    pub name: String,
    /// Whether it answers.
    pub state: NodeState,
    /// What is wrong with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Version of its program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Its process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// For how long it has been running, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uptime_s: Option<u64>,
    /// Its shelves, as far as it tells.
    pub shelves: Vec<ShelfRow>,
    /// Replicas that run on it.
    pub replicas: usize,
    /// Groups that it leads.
    pub leads: usize,
}

/// One group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GroupStatus {
    /// Its number.
    pub group: u32,
    /// Where its leader is, as `node/shelf`.
    pub leader: Option<String>,
    /// Its replicas, by their ids.
    pub replicas: Vec<ReplicaStatus>,
}

/// One replica.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReplicaStatus {
    /// Its id.
    pub replica: u64,
    /// Name of its node.
    pub node: String,
    /// Name of its shelf there.
    pub shelf: String,
    /// How it is.
    pub state: ReplicaState,
    /// Committed log entries that it has not applied, as far as that is known.
    pub lag: Option<u64>,
}

impl ClusterStatus {
    /// From the answers of all nodes, in the order of the cluster file, with the number of mail groups that it founds.
    #[must_use]
    pub fn of(answers: Vec<(String, Result<NodeReport, String>)>, mail_groups: u32) -> Self {
        let reports = || answers.iter().filter_map(|(_, answer)| answer.as_ref().ok());
        let mut numbers: BTreeSet<u32> = (0..=mail_groups).collect();
        numbers.extend(reports().flat_map(|report| &report.replicas).map(|row| row.group));
        let isolated = isolated(&reports().collect::<Vec<_>>());
        let tell = |number| group(number, reports(), &isolated);
        let groups: Vec<GroupStatus> = numbers.into_iter().map(tell).collect();
        let voters = groups.iter().map(|group| (group.group, group.voters()));
        let voters: BTreeMap<u32, Vec<Voter>> = voters.collect();
        let survival = Survival::of(&voters);
        let nodes = answers
            .into_iter()
            .map(|(name, answer)| {
                let unheard = isolated.get(&name).map(Vec::as_slice).unwrap_or_default();
                NodeStatus::of(name, answer, unheard)
            })
            .collect();
        Self {
            nodes,
            groups,
            survives_now: survival.service.to_string(),
            survival,
        }
    }

    /// Whether every group has a leader.
    #[must_use]
    pub fn is_led(&self) -> bool {
        self.groups.iter().all(|group| group.leader.is_some())
    }

    /// Whether nothing is down, and every group has a leader.
    #[must_use]
    pub fn is_in_order(&self) -> bool {
        let replicas = self.groups.iter().flat_map(|group| &group.replicas);
        self.is_led()
            && self.nodes.iter().all(NodeStatus::is_in_order)
            && replicas.clone().all(|replica| replica.state != ReplicaState::Down)
    }
}

impl NodeStatus {
    fn of(name: String, answer: Result<NodeReport, String>, unheard_by: &[String]) -> Self {
        match answer {
            Ok(report) => Self {
                name,
                state: if unheard_by.is_empty() {
                    NodeState::Up
                } else {
                    NodeState::Isolated
                },
                reason: if unheard_by.is_empty() {
                    report.clock
                } else {
                    Some(unheard(unheard_by))
                },
                version: Some(report.version),
                pid: Some(report.pid),
                uptime_s: Some(report.uptime_s),
                replicas: report.replicas.len(),
                leads: report.replicas.iter().filter(|row| row.leads).count(),
                shelves: report.shelves,
            },
            Err(reason) => Self {
                name,
                state: NodeState::Down,
                reason: Some(reason),
                version: None,
                pid: None,
                uptime_s: None,
                shelves: Vec::new(),
                replicas: 0,
                leads: 0,
            },
        }
    }

    fn is_in_order(&self) -> bool {
        self.state == NodeState::Up
            && self.reason.is_none()
            && self
                .shelves
                .iter()
                .all(|shelf| shelf.state == ShelfState::Ok && shelf.reason.is_none())
    }
}

impl GroupStatus {
    fn voters(&self) -> Vec<Voter> {
        let voters = self
            .replicas
            .iter()
            .filter(|replica| replica.state != ReplicaState::Learner);
        let voter = |replica: &ReplicaStatus| Voter {
            node: replica.node.clone(),
            shelf: replica.shelf.clone(),
            is_live: replica.state != ReplicaState::Down,
        };
        voters.map(voter).collect()
    }
}

/// Nodes that most of the others that answer do not hear, each with those that do not.
fn isolated(reports: &[&NodeReport]) -> BTreeMap<String, Vec<String>> {
    let of = |node: &NodeReport| {
        let deaf = reports
            .iter()
            .filter(|other| other.dead_nodes.contains(&node.node) && other.node != node.node);
        let deaf: Vec<String> = deaf.map(|other| other.node.clone()).collect();
        let others = reports.len() - 1;
        (deaf.len() * 2 > others).then(|| (node.node.clone(), deaf))
    };
    reports.iter().filter_map(|node| of(node)).collect()
}

fn unheard(by: &[String]) -> String {
    let verb = if by.len() == 1 { "does" } else { "do" };
    format!(
        "{} {verb} not hear it: is its QUIC port (UDP) open in the firewall?",
        by.join(", ")
    )
}

/// A group as the replica sees it that knows most.
fn group<'a>(
    number: u32,
    reports: impl Iterator<Item = &'a NodeReport>,
    isolated: &BTreeMap<String, Vec<String>>,
) -> GroupStatus {
    let rows = reports.flat_map(|report| {
        let is_heard = !isolated.contains_key(&report.node);
        let of_group = report.replicas.iter().filter(|row| row.group == number);
        of_group.map(move |row| (is_heard && row.stopped.is_none(), row))
    });
    let rows: Vec<(bool, &ReplicaRow)> = rows.collect();
    let live = rows.iter().filter(|(is_live, _)| *is_live);
    let live: BTreeMap<u64, &ReplicaRow> = live.map(|(_, row)| (row.replica, *row)).collect();
    let best = rows
        .iter()
        .max_by_key(|(is_live, row)| (*is_live, row.term, row.applied_index));
    let mut members = best.map(|(_, row)| row.members.clone()).unwrap_or_default();
    members.sort();
    let leader = live
        .values()
        .filter(|row| row.leads)
        .max_by_key(|row| row.term)
        .map(|row| row.replica);
    let committed = live.values().map(|row| row.committed_index).max();
    let replica = |member: &MemberRow| {
        let row = live.get(&member.replica);
        let state = match row {
            None => ReplicaState::Down,
            Some(_) if leader == Some(member.replica) => ReplicaState::Leader,
            Some(_) if member.votes => ReplicaState::Follower,
            Some(_) => ReplicaState::Learner,
        };
        let lag = row
            .zip(committed)
            .map(|(row, committed)| committed.saturating_sub(row.applied_index));
        ReplicaStatus {
            replica: member.replica,
            node: member.node.clone(),
            shelf: member.shelf.clone(),
            state,
            lag,
        }
    };
    let replicas: Vec<ReplicaStatus> = members.iter().map(replica).collect();
    let at = replicas.iter().find(|replica| Some(replica.replica) == leader);
    GroupStatus {
        group: number,
        leader: at.map(|replica| format!("{}/{}", replica.node, replica.shelf)),
        replicas,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two replicas say who the three members are; `leads` is the one that leads, in that term.
    fn report(node: &str, replica: u64, leads: bool, term: u64, applied_index: u64) -> NodeReport {
        let member = |replica: u64, node: &str| MemberRow {
            replica,
            node: node.to_owned(),
            shelf: "a".to_owned(),
            votes: true,
        };
        NodeReport {
            cluster: "c".to_owned(),
            node: node.to_owned(),
            version: "1".to_owned(),
            pid: 1,
            uptime_s: 1,
            shelves: vec![ShelfRow {
                name: "a".to_owned(),
                state: ShelfState::Ok,
                reason: None,
                free_bytes: Some(1),
                total_bytes: Some(2),
            }],
            replicas: vec![ReplicaRow {
                replica,
                group: 0,
                leads,
                term,
                committed_index: applied_index,
                applied_index,
                members: vec![member(1, "n1"), member(2, "n2"), member(3, "n3")],
                stopped: None,
            }],
            dead_nodes: Vec::new(),
            clock: None,
        }
    }

    fn status(third: Result<NodeReport, String>) -> ClusterStatus {
        let answers = vec![
            ("n1".to_owned(), Ok(report("n1", 1, true, 4, 9))),
            ("n2".to_owned(), Ok(report("n2", 2, false, 4, 7))),
            ("n3".to_owned(), third),
        ];
        ClusterStatus::of(answers, 0)
    }

    #[test]
    fn all_up_is_in_order_and_lag_is_told() {
        let status = status(Ok(report("n3", 3, false, 4, 9)));
        assert!(status.is_in_order() && status.is_led());
        assert_eq!(status.groups[0].leader.as_deref(), Some("n1/a"));
        let lags: Vec<_> = status.groups[0].replicas.iter().map(|replica| replica.lag).collect();
        assert_eq!(lags, [Some(0), Some(2), Some(0)]);
        assert_eq!(status.survives_now, "the loss of any one node with all its shelves");
    }

    #[test]
    fn a_node_that_does_not_answer_takes_its_replicas_down() {
        let status = status(Err("refused".to_owned()));
        assert!(status.is_led() && !status.is_in_order());
        assert_eq!(status.groups[0].replicas[2].state, ReplicaState::Down);
        assert_eq!(status.survives_now, "no loss of a node or shelf");
    }

    #[test]
    fn a_node_that_the_others_do_not_hear_is_no_use_to_its_groups() {
        let deaf = |node: &str, replica, dead: &[&str]| NodeReport {
            dead_nodes: dead.iter().map(|node| (*node).to_owned()).collect(),
            ..report(node, replica, false, 4, 9)
        };
        let leader = NodeReport {
            dead_nodes: vec!["n3".to_owned()],
            ..report("n1", 1, true, 4, 9)
        };
        let of = |reports: Vec<NodeReport>| {
            let answers = reports.into_iter().map(|report| (report.node.clone(), Ok(report)));
            ClusterStatus::of(answers.collect(), 0)
        };
        let one = of(vec![
            leader.clone(),
            deaf("n2", 2, &["n3"]),
            deaf("n3", 3, &["n1", "n2"]),
        ]);
        assert!(one.is_led() && !one.is_in_order());
        assert_eq!(one.nodes[2].state, NodeState::Isolated);
        assert!(
            one.nodes[2]
                .reason
                .as_ref()
                .unwrap()
                .starts_with("n1, n2 do not hear it")
        );
        assert_eq!(one.groups[0].replicas[2].state, ReplicaState::Down);
        assert_eq!(one.survives_now, "no loss of a node or shelf");
        // One bad path between two of three stops nobody.
        let path = of(vec![leader, deaf("n2", 2, &[]), deaf("n3", 3, &["n1"])]);
        assert!(path.nodes.iter().all(|node| node.state == NodeState::Up));
        // Nobody hears anybody: every group is told with its places, and without a leader.
        let nobody = of(vec![
            deaf("n1", 1, &["n2", "n3"]),
            deaf("n2", 2, &["n1", "n3"]),
            deaf("n3", 3, &["n1", "n2"]),
        ]);
        assert!(!nobody.is_led());
        assert_eq!(nobody.groups[0].replicas.len(), 3);
        assert_eq!(nobody.survives_now, "nothing; without a majority already: group 0");
    }

    #[test]
    fn a_wrong_clock_is_told_and_is_not_in_order() {
        let wrong = NodeReport {
            clock: Some("its clock is 9 s ahead".to_owned()),
            ..report("n3", 3, false, 4, 9)
        };
        let status = status(Ok(wrong));
        assert!(status.is_led() && !status.is_in_order());
        assert_eq!(status.nodes[2].reason.as_deref(), Some("its clock is 9 s ahead"));
    }

    #[test]
    fn of_two_that_claim_to_lead_the_later_term_counts() {
        let status = status(Ok(report("n3", 3, true, 5, 9)));
        assert_eq!(status.groups[0].leader.as_deref(), Some("n3/a"));
    }

    #[test]
    fn a_group_that_nobody_tells_of_has_no_leader() {
        let answers = vec![("n1".to_owned(), Ok(report("n1", 1, true, 4, 9)))];
        let status = ClusterStatus::of(answers, 1);
        assert_eq!((status.groups[1].group, &status.groups[1].leader), (1, &None));
        assert!(!status.is_led());
    }
}
