//! The founding plan: what `init` decides once for the whole cluster, as every node finds it at its first start.
//!
//! Invariants
//! - A plan that exists is consistent: ids are unique, each replica is on a shelf of its node, no group has two replicas
//!   on one shelf, and group 0 is there.
//! - The first replica of a group founds it. After that the plan is history: the groups' own membership counts.
//! - The file carries a version; one of a later version is refused, unknown keys of this one are too.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use mail_model::{ClusterId, GroupId, NodeId, ReplicaId, ShelfId};
use serde::{Deserialize, Serialize};

use crate::config::{ClusterConfig, Labels, NodeConfig};
use crate::id_text;
use crate::name::Name;
use crate::placement::Spot;

/// Name of the plan's file in a node's state directory.
pub const PLAN_FILE: &str = "founding.toml";

const VERSION: u32 = 1;

/// What a cluster is founded as.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FoundingPlan {
    version: u32,
    /// The cluster.
    #[serde(with = "id_text")]
    pub cluster: ClusterId,
    /// What the operator calls it.
    pub name: String,
    /// The first replica id that the system group may give.
    #[serde(with = "number_text::replica")]
    pub next_replica: ReplicaId,
    /// The key of the cluster's CA, sealed under the recovery key, for the system group to keep.
    pub sealed_authority_key: String,
    /// All nodes.
    pub nodes: Vec<NodePlan>,
    /// All groups; group 0 is the system group.
    pub groups: Vec<GroupPlan>,
}

/// One node of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodePlan {
    /// Its id.
    #[serde(with = "id_text")]
    pub id: NodeId,
    /// Its name.
    pub name: String,
    /// Its shelves.
    pub shelves: Vec<ShelfPlan>,
}

/// One shelf of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShelfPlan {
    /// Its id.
    #[serde(with = "id_text")]
    pub id: ShelfId,
    /// Its name on its node.
    pub name: String,
    /// What it shares with other shelves.
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
}

/// One group of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupPlan {
    /// Its id.
    #[serde(with = "number_text::group")]
    pub id: GroupId,
    /// Its replicas, at least one voter; the first founds the group.
    pub replicas: Vec<ReplicaPlan>,
}

/// One replica of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplicaPlan {
    /// Its id.
    #[serde(with = "number_text::replica")]
    pub id: ReplicaId,
    /// The node that runs it.
    #[serde(with = "id_text")]
    pub node: NodeId,
    /// The shelf that holds it.
    #[serde(with = "id_text")]
    pub shelf: ShelfId,
    /// Whether it votes.
    pub role: Role,
}

/// What a replica is to its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// It counts for the majority.
    Voter,
    /// It follows.
    Learner,
}

/// A plan that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// It could not be read.
    #[error("read founding plan {file}: {detail}")]
    Read {
        /// The file.
        file: String,
        /// What the system said.
        detail: String,
    },
    /// It is not a plan.
    #[error("the founding plan is damaged: {0}")]
    Syntax(String),
    /// A later program wrote it.
    #[error("the founding plan has version {0}, this program knows {VERSION}")]
    Version(u32),
    /// Its parts do not fit together.
    #[error("the founding plan is not consistent: {0}")]
    Inconsistent(String),
}

#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

impl FoundingPlan {
    /// Puts a plan together.
    ///
    /// # Errors
    /// When its parts do not fit together.
    pub fn new(
        (cluster, name): (ClusterId, &Name),
        sealed_authority_key: String,
        nodes: Vec<NodePlan>,
        groups: Vec<GroupPlan>,
        next_replica: ReplicaId,
    ) -> Result<Self, PlanError> {
        let plan = Self {
            version: VERSION,
            cluster,
            name: name.to_string(),
            next_replica,
            sealed_authority_key,
            nodes,
            groups,
        };
        plan.check().map(|()| plan)
    }

    /// Reads the plan of the node whose state directory is given.
    ///
    /// # Errors
    /// When it is not there, damaged, later than this program, or not consistent.
    pub fn load(state_dir: &Path) -> Result<Self, PlanError> {
        let file = state_dir.join(PLAN_FILE);
        let text = fs::read_to_string(&file).map_err(|error| PlanError::Read {
            file: file.display().to_string(),
            detail: error.to_string(),
        })?;
        Self::from_toml(&text)
    }

    /// Reads a plan.
    ///
    /// # Errors
    /// When it is damaged, later than this program, or not consistent.
    pub fn from_toml(text: &str) -> Result<Self, PlanError> {
        let syntax = |error: toml::de::Error| PlanError::Syntax(error.to_string().trim_end().to_owned());
        // First, since a later version may have other keys.
        let Versioned { version } = toml::from_str(text).map_err(syntax)?;
        if version != VERSION {
            return Err(PlanError::Version(version));
        }
        let plan: Self = toml::from_str(text).map_err(syntax)?;
        plan.check().map(|()| plan)
    }

    /// The plan as text.
    ///
    /// # Errors
    /// When a number is too large for the format.
    pub fn to_toml(&self) -> Result<String, PlanError> {
        toml::to_string(self).map_err(|error| PlanError::Syntax(error.to_string()))
    }

    /// The node of that name.
    #[must_use]
    pub fn node(&self, name: &str) -> Option<&NodePlan> {
        self.nodes.iter().find(|node| node.name == name)
    }

    /// The shelves of `nodes` as placement sees them.
    #[must_use]
    pub fn spots(nodes: &[NodePlan]) -> Vec<Spot> {
        let of_node = |node: &NodePlan| {
            let id = node.id;
            let spot = move |shelf: &ShelfPlan| Spot {
                node: id,
                shelf: shelf.id,
                labels: shelf.labels.clone(),
            };
            node.shelves.iter().map(spot).collect::<Vec<_>>()
        };
        nodes.iter().flat_map(of_node).collect()
    }

    /// Where a cluster file says otherwise than the plan, one line each; empty when they agree.
    #[must_use]
    pub fn differences(&self, config: &ClusterConfig) -> Vec<String> {
        let mut lines = Vec::new();
        if config.id.is_some_and(|id| id != self.cluster) {
            lines.push(format!("the cluster was founded as {}", self.cluster));
        }
        for node in &config.nodes {
            match self.node(node.name.as_str()) {
                None => lines.push(format!("node {} is not in the plan", node.name)),
                Some(planned) => planned.differences(node, &mut lines),
            }
        }
        let gone = self.nodes.iter().filter(|planned| config.node(&planned.name).is_none());
        lines.extend(gone.map(|planned| format!("node {} is in the plan only", planned.name)));
        lines
    }

    fn check(&self) -> Result<(), PlanError> {
        let places = self.check_nodes()?;
        self.check_groups(&places)
    }

    /// Where replicas may be.
    fn check_nodes(&self) -> Result<BTreeSet<(NodeId, ShelfId)>, PlanError> {
        let (mut ids, mut names, mut shelves) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        let mut places = BTreeSet::new();
        for node in &self.nodes {
            if !ids.insert(node.id) || !names.insert(&node.name) {
                return inconsistent(format!("node {} is listed twice", node.name));
            }
            for shelf in &node.shelves {
                if !shelves.insert(shelf.id) {
                    return inconsistent(format!("shelf {} is listed twice", shelf.id));
                }
                places.insert((node.id, shelf.id));
            }
        }
        Ok(places)
    }

    fn check_groups(&self, places: &BTreeSet<(NodeId, ShelfId)>) -> Result<(), PlanError> {
        let (mut ids, mut replicas) = (BTreeSet::new(), BTreeSet::new());
        for group in &self.groups {
            if !ids.insert(group.id) {
                return inconsistent(format!("group {} is listed twice", group.id));
            }
            if group.replicas.first().is_none_or(|first| first.role != Role::Voter) {
                return inconsistent(format!("group {} does not start with a voter", group.id));
            }
            let mut shelves = BTreeSet::new();
            for replica in &group.replicas {
                if !replicas.insert(replica.id) || replica.id >= self.next_replica {
                    return inconsistent(format!("replica id {} is or will be given twice", replica.id));
                }
                if !places.contains(&(replica.node, replica.shelf)) {
                    return inconsistent(format!("replica {} is on no shelf of its node", replica.id));
                }
                if !shelves.insert(replica.shelf) {
                    return inconsistent(format!(
                        "group {} has two replicas on shelf {}",
                        group.id, replica.shelf
                    ));
                }
            }
        }
        if !ids.contains(&GroupId::SYSTEM) {
            return inconsistent("there is no system group".to_owned());
        }
        Ok(())
    }
}

fn inconsistent<T>(detail: String) -> Result<T, PlanError> {
    Err(PlanError::Inconsistent(detail))
}

impl NodePlan {
    fn differences(&self, config: &NodeConfig, lines: &mut Vec<String>) {
        if config.id.is_some_and(|id| id != self.id) {
            lines.push(format!("node {} was founded as {}", self.name, self.id));
        }
        let given: BTreeSet<&str> = config.shelves.iter().map(|shelf| shelf.name.as_str()).collect();
        let founded: BTreeSet<&str> = self.shelves.iter().map(|shelf| shelf.name.as_str()).collect();
        let new = given.difference(&founded);
        lines.extend(new.map(|shelf| format!("node {}: shelf {shelf} is not in the plan", self.name)));
        let gone = founded.difference(&given);
        lines.extend(gone.map(|shelf| format!("node {}: shelf {shelf} is in the plan only", self.name)));
    }
}

/// Numbers given once, as numbers.
mod number_text {
    macro_rules! number_text {
        ($name:ident, $id:ident) => {
            pub(super) mod $name {
                use mail_model::$id;
                use serde::{Deserialize, Deserializer, Serialize, Serializer};

                pub(crate) fn serialize<S: Serializer>(id: &$id, serializer: S) -> Result<S::Ok, S::Error> {
                    id.0.serialize(serializer)
                }

                pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<$id, D::Error> {
                    Deserialize::deserialize(deserializer).map($id)
                }
            }
        };
    }

    number_text!(group, GroupId);
    number_text!(replica, ReplicaId);
}
