//! What this node tells about itself: to administrators, to the metrics, to whoever asks whether it is well.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use cluster_config::ClusterConfig;
use cluster_config::admin::{MemberRow, NodeReport, NodeSettings, ReplicaRow};
use mail_model::ClusterId;
use replication::{ClockStatus, ReplicaStatus};
use shelf::SharedPool;
use tokio::sync::watch;

use super::groups::NodeReplicator;
use super::names::Names;
use super::shelves::NodeShelf;
use crate::limits::every_limit;

/// See the module.
pub(crate) struct NodeView {
    pub(crate) cluster: ClusterId,
    pub(crate) node: String,
    /// What it was started with.
    pub(crate) config: ClusterConfig,
    pub(crate) started: Instant,
    pub(crate) names: Arc<Names>,
    pub(crate) shelves: Vec<Arc<NodeShelf>>,
    /// What those share.
    pub(crate) pool: SharedPool,
    /// Groups that the cluster was founded with, the system group included.
    pub(crate) groups: usize,
    /// The certificates that this process uses, with their ends.
    pub(crate) certificates: Vec<(&'static str, SystemTime)>,
    pub(crate) replicator: NodeReplicator,
    pub(crate) stopping: watch::Receiver<bool>,
}

impl NodeView {
    /// All of it.
    pub(crate) fn report(&self) -> NodeReport {
        let dead = self.replicator.health().dead;
        NodeReport {
            cluster: self.cluster.to_string(),
            node: self.node.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            uptime_s: self.started.elapsed().as_secs(),
            shelves: self.shelves.iter().map(|shelf| shelf.row()).collect(),
            replicas: self
                .replicator
                .status()
                .iter()
                .map(|status| self.replica(status))
                .collect(),
            dead_nodes: dead.into_iter().map(|node| self.names.node(node)).collect(),
            clock: clock_ailment(self.replicator.clock()),
        }
    }

    /// What it runs with.
    pub(crate) fn settings(&self) -> NodeSettings {
        NodeSettings {
            node: self.node.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            settings: self.config.settings.clone(),
            limits: every_limit().into_iter().map(Into::into).collect(),
        }
    }

    fn replica(&self, status: &ReplicaStatus) -> ReplicaRow {
        let members = status.members.iter().map(|(replica, place, votes)| MemberRow {
            replica: replica.0,
            node: self.names.node(place.node),
            shelf: self.names.shelf(place.shelf),
            votes: *votes,
        });
        ReplicaRow {
            replica: status.replica.0,
            group: status.group.0,
            leads: status.leads,
            term: status.term,
            committed_index: status.committed_index,
            applied_index: status.applied_index,
            members: members.collect(),
            stopped: status.stopped.clone(),
        }
    }

    /// Why no client should be sent here, if there is a reason.
    pub(crate) fn ailment(&self) -> Option<&'static str> {
        if *self.stopping.borrow() {
            return Some("stopping");
        }
        let any_in_use = self.shelves.iter().any(|shelf| shelf.is_in_use());
        (!any_in_use).then_some("no shelf is in use")
    }
}

/// What is wrong with a clock, in words.
fn clock_ailment(clock: ClockStatus) -> Option<String> {
    let seconds = |ms: i64| {
        let way = if ms < 0 { "behind" } else { "ahead" };
        format!("{} s {way}", ms.unsigned_abs() / 1_000)
    };
    if let Some(jumped_ms) = clock.jumped_ms {
        let by = seconds(jumped_ms);
        return Some(format!(
            "its clock has jumped {by}; nothing expires by that until it is shown to be right"
        ));
    }
    let by = seconds(clock.ahead_ms);
    clock
        .is_off
        .then(|| format!("its clock is {by} next to the other nodes'; it does not lead until it is set right"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_clock_is_told_in_words() {
        assert_eq!(clock_ailment(ClockStatus::default()), None);
        let off = ClockStatus {
            ahead_ms: -7_400,
            is_off: true,
            jumped_ms: None,
        };
        let told = clock_ailment(off).unwrap();
        assert!(
            told.starts_with("its clock is 7 s behind next to the other nodes'"),
            "{told}"
        );
        let jumped = ClockStatus {
            jumped_ms: Some(7_200_000),
            ..ClockStatus::default()
        };
        assert!(clock_ailment(jumped).unwrap().contains("jumped 7200 s ahead"));
    }
}
