//! What this node tells about itself: to administrators, to the metrics, to whoever asks whether it is well.

use std::sync::Arc;
use std::time::Instant;

use cluster_config::admin::{MemberRow, NodeReport, ReplicaRow};
use mail_model::ClusterId;
use replication::ReplicaStatus;
use tokio::sync::watch;

use super::groups::NodeReplicator;
use super::names::Names;
use super::shelves::NodeShelf;

/// See the module.
pub(crate) struct NodeView {
    pub(crate) cluster: ClusterId,
    pub(crate) node: String,
    pub(crate) started: Instant,
    pub(crate) names: Arc<Names>,
    pub(crate) shelves: Vec<Arc<NodeShelf>>,
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
