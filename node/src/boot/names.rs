//! What the operator calls nodes and shelves, by their ids.

use std::collections::HashMap;

use cluster_config::FoundingPlan;
use mail_model::{NodeId, ShelfId};

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Names {
    nodes: HashMap<NodeId, String>,
    shelves: HashMap<ShelfId, String>,
}

impl Names {
    pub(crate) fn of(plan: &FoundingPlan) -> Self {
        let nodes = plan.nodes.iter().map(|node| (node.id, node.name.clone()));
        let shelves = plan.nodes.iter().flat_map(|node| &node.shelves);
        Self {
            nodes: nodes.collect(),
            shelves: shelves.map(|shelf| (shelf.id, shelf.name.clone())).collect(),
        }
    }

    /// The node's name; its id where it has none here.
    pub(crate) fn node(&self, id: NodeId) -> String {
        self.nodes.get(&id).cloned().unwrap_or_else(|| id.to_string())
    }

    /// The shelf's name on its node; its id where it has none here.
    pub(crate) fn shelf(&self, id: ShelfId) -> String {
        self.shelves.get(&id).cloned().unwrap_or_else(|| id.to_string())
    }
}
