//! The founding plan of a cluster file: ids are given, replicas placed.
//!
//! Invariants: ids are random (version 4 of RFC 9562) unless the file names them; nodes and shelves stand in the order
//! of the file.

use aws_lc_rs::rand;
use cluster_config::{ClusterConfig, FoundingPlan, Name, NodePlan, ShelfPlan, place};
use mail_model::{ClusterId, NodeId, ReplicaId, ShelfId};

use super::{FoundError, RecoveryError};

/// Replica ids start at 1, so that 0 in a record is a mistake.
const FIRST_REPLICA: ReplicaId = ReplicaId(1);

pub(super) fn cluster_id(config: &ClusterConfig) -> Result<ClusterId, FoundError> {
    config.id.map_or_else(|| random_id().map(ClusterId), Ok)
}

pub(super) fn nodes(config: &ClusterConfig) -> Result<Vec<NodePlan>, FoundError> {
    let node = |node: &cluster_config::NodeConfig| {
        let shelf = |shelf: &cluster_config::ShelfDir| {
            Ok(ShelfPlan {
                id: ShelfId(random_id()?),
                name: shelf.name.to_string(),
                labels: shelf.labels.clone(),
            })
        };
        Ok(NodePlan {
            id: node.id.map_or_else(|| random_id().map(NodeId), Ok)?,
            name: node.name.to_string(),
            shelves: node.shelves.iter().map(shelf).collect::<Result<_, FoundError>>()?,
        })
    };
    config.nodes.iter().map(node).collect()
}

pub(super) fn assemble(
    config: &ClusterConfig,
    cluster: ClusterId,
    nodes: Vec<NodePlan>,
    sealed_authority_key: String,
) -> Result<FoundingPlan, FoundError> {
    let mut next_replica = FIRST_REPLICA;
    let spots = FoundingPlan::spots(&nodes);
    let groups = place(&spots, config.groups, config.replication, &mut next_replica);
    let cluster = (cluster, &config.name);
    Ok(FoundingPlan::new(
        cluster,
        sealed_authority_key,
        nodes,
        groups,
        next_replica,
    )?)
}

/// The name of the administrator that a cluster is founded with.
pub(super) fn admin() -> Name {
    "founder".parse().expect("a legal name")
}

fn random_id() -> Result<[u8; 16], FoundError> {
    let mut id = [0; 16];
    rand::fill(&mut id).map_err(|_| RecoveryError::Random)?;
    id[6] = id[6] & 0x0f | 0x40;
    id[8] = id[8] & 0x3f | 0x80;
    Ok(id)
}
