//! What the cluster consists of, whole: bounded by what a cluster is founded with.

use mail_model::{GroupId, NodeId, ReplicaId, ShelfId};
use minicbor::{Decode, Encode};
use replication::{KeyRange, ShelfError};

use crate::directory::key;
use crate::directory::limits::{FOUND_REPLICAS_MAX, FOUND_ROWS_MAX};
use crate::directory::record::{self, Cluster, Group, Node, Replica, Shelf};
use crate::directory::rows::{self, Rows};

/// A node with its id.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct NodeInfo {
    /// Which node.
    #[n(0)]
    pub id: NodeId,
    /// What is known of it.
    #[n(1)]
    pub record: Node,
}

/// A shelf with its id.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ShelfInfo {
    /// Which shelf.
    #[n(0)]
    pub id: ShelfId,
    /// What is known of it.
    #[n(1)]
    pub record: Shelf,
}

/// A group with its id.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct GroupInfo {
    /// Which group.
    #[n(0)]
    pub id: GroupId,
    /// What is known of it.
    #[n(1)]
    pub record: Group,
}

/// A replica with its id.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ReplicaInfo {
    /// Which replica.
    #[n(0)]
    pub id: ReplicaId,
    /// What is known of it.
    #[n(1)]
    pub record: Replica,
}

/// The cluster and its parts, each kind in the order of its ids.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Topology {
    /// Identity, version and the next numbers.
    #[n(0)]
    pub cluster: Cluster,
    /// Its nodes.
    #[n(1)]
    pub nodes: Vec<NodeInfo>,
    /// Their shelves.
    #[n(2)]
    pub shelves: Vec<ShelfInfo>,
    /// Its groups, the system group first.
    #[n(3)]
    pub groups: Vec<GroupInfo>,
    /// Their replicas, those retired among them.
    #[n(4)]
    pub replicas: Vec<ReplicaInfo>,
}

/// `None` before the cluster is founded.
pub(super) fn topology(rows: &dyn Rows) -> Result<Option<Topology>, ShelfError> {
    let Some(cluster) = rows::cluster(rows)? else {
        return Ok(None);
    };
    let nodes = table(rows, key::NODES, FOUND_ROWS_MAX, |row, record| {
        let id = NodeId(key::last_id(row)?);
        Some(NodeInfo { id, record })
    })?;
    let shelves = table(rows, key::SHELVES, FOUND_ROWS_MAX, |row, record| {
        let id = ShelfId(key::last_id(row)?);
        Some(ShelfInfo { id, record })
    })?;
    let groups = table(rows, key::GROUPS, FOUND_ROWS_MAX, |row, record| {
        let id = GroupId(key::last_u32(row)?);
        Some(GroupInfo { id, record })
    })?;
    let replicas = table(rows, key::REPLICAS, FOUND_REPLICAS_MAX, |row, record| {
        let id = ReplicaId(key::last_u64(row)?);
        Some(ReplicaInfo { id, record })
    })?;
    Ok(Some(Topology {
        cluster,
        nodes,
        shelves,
        groups,
        replicas,
    }))
}

fn table<T, S>(
    rows: &dyn Rows,
    table: &[u8],
    limit: usize,
    info: impl Fn(&[u8], T) -> Option<S>,
) -> Result<Vec<S>, ShelfError>
where
    T: for<'b> Decode<'b, ()>,
{
    let found = rows::list(rows, &KeyRange::prefix(table), limit)?;
    let infos = found.into_iter().map(|(row, record)| {
        let info = info(&row, record);
        info.ok_or_else(|| record::damaged(&row, "key of another shape"))
    });
    infos.collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Reply, Request};
    use crate::directory::testing::{Replica, founding};

    #[test]
    fn what_a_cluster_was_founded_with_is_readable() {
        assert_eq!(Replica::new().ask(&Request::Topology), Reply::Topology(None));
        let topology = Replica::founded().topology();
        let found = founding();
        assert_eq!(topology.cluster.id, found.cluster);
        assert_eq!(topology.cluster.version, found.version);
        let nodes: Vec<_> = topology
            .nodes
            .iter()
            .map(|node| (node.id, node.record.name.clone()))
            .collect();
        assert_eq!(
            nodes,
            found
                .nodes
                .iter()
                .map(|node| (node.id, node.name.clone()))
                .collect::<Vec<_>>()
        );
        let places: Vec<_> = topology
            .replicas
            .iter()
            .map(|info| (info.id, info.record.group, info.record.shelf))
            .collect();
        let given: Vec<_> = found
            .replicas
            .iter()
            .map(|new| (new.id, new.group, new.shelf))
            .collect();
        assert_eq!(places, given);
        assert!(topology.groups.iter().all(|group| group.record.accounts == 0));
    }
}
