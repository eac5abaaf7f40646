//! Found: the first command of a cluster. Says what it consists of, and where its numbers start.

use std::collections::BTreeSet;

use mail_model::{AccountId, ClusterId, GroupId, NodeId, ReplicaId, ShelfId};
use minicbor::{Decode, Encode};
use replication::{AppliedAt, StateTxn};

use super::Outcome;
use crate::directory::key;
use crate::directory::limits::{FOUND_REPLICAS_MAX, FOUND_ROWS_MAX, NAME_BYTES_MAX, SEALED_KEY_BYTES_MAX};
use crate::directory::record::{AuthorityKey, Cluster, Group, Node, Policy, Replica, Shelf};
use crate::directory::rejection::{Refused, Rejection};
use crate::directory::rows;

/// A node to found a cluster with.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct NewNode {
    /// Its identity.
    #[n(0)]
    pub id: NodeId,
    /// Its name in the cluster file.
    #[n(1)]
    pub name: String,
}

/// A shelf to found a cluster with.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct NewShelf {
    /// Its identity.
    #[n(0)]
    pub id: ShelfId,
    /// The node that has it.
    #[n(1)]
    pub node: NodeId,
    /// What the node calls it.
    #[n(2)]
    pub name: String,
}

/// A replica to found a cluster with.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct NewReplica {
    /// Its identity.
    #[n(0)]
    pub id: ReplicaId,
    /// What it is a copy of.
    #[n(1)]
    pub group: GroupId,
    /// Where it lies.
    #[n(2)]
    pub shelf: ShelfId,
}

/// Founds the cluster. Repeating it for the same cluster changes nothing, so every node may propose it at its start.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Found {
    /// The cluster's identity, made at `init`.
    #[n(0)]
    pub cluster: ClusterId,
    /// Which commands and records all its nodes know.
    #[n(1)]
    pub version: u32,
    /// Its nodes.
    #[n(2)]
    pub nodes: Vec<NewNode>,
    /// Their shelves.
    #[n(3)]
    pub shelves: Vec<NewShelf>,
    /// Its groups, the system group among them; each has replicas.
    #[n(4)]
    pub groups: Vec<GroupId>,
    /// Where the groups lie at first.
    #[n(5)]
    pub replicas: Vec<NewReplica>,
    /// The key of its CA, sealed under the recovery key.
    #[n(6)]
    pub sealed_authority_key: Option<String>,
}

impl Found {
    pub(super) fn apply(&self, txn: &mut StateTxn<'_>, at: &AppliedAt) -> Result<Outcome, Refused> {
        if let Some(Cluster { id: cluster, .. }) = rows::cluster(txn)? {
            return if cluster == self.cluster {
                Ok(Outcome::Done)
            } else {
                Err(Rejection::FoundedAlready { cluster }.into())
            };
        }
        self.check().map_err(|reason| Rejection::BadFounding { reason })?;
        self.write(txn, at);
        Ok(Outcome::Done)
    }

    fn check(&self) -> Result<(), String> {
        let counts = [self.nodes.len(), self.shelves.len(), self.groups.len()];
        if counts.iter().any(|count| *count > FOUND_ROWS_MAX) || self.replicas.len() > FOUND_REPLICAS_MAX {
            return Err(format!(
                "at most {FOUND_ROWS_MAX} nodes, shelves and groups each, and {FOUND_REPLICAS_MAX} replicas"
            ));
        }
        let key_bytes = self.sealed_authority_key.as_ref().map_or(0, String::len);
        if key_bytes > SEALED_KEY_BYTES_MAX {
            return Err(format!(
                "the sealed key of the CA has {key_bytes} octets, more than {SEALED_KEY_BYTES_MAX}"
            ));
        }
        let nodes = distinct("node", self.nodes.iter().map(|node| node.id))?;
        let shelves = distinct("shelf", self.shelves.iter().map(|shelf| shelf.id))?;
        let groups = distinct("group", self.groups.iter().copied())?;
        distinct("replica", self.replicas.iter().map(|replica| replica.id))?;
        distinct("node name", self.nodes.iter().map(|node| node.name.as_str()))?;
        let places = self.replicas.iter().map(|replica| (replica.group, replica.shelf));
        let places: BTreeSet<_> = places.collect();
        if places.len() < self.replicas.len() {
            return Err("a group has two replicas on one shelf".to_owned());
        }
        let names = self.nodes.iter().map(|node| &node.name);
        for name in names.chain(self.shelves.iter().map(|shelf| &shelf.name)) {
            if name.is_empty() || name.len() > NAME_BYTES_MAX {
                return Err(format!("the name {name:?} has not 1 to {NAME_BYTES_MAX} octets"));
            }
        }
        if let Some(shelf) = self.shelves.iter().find(|shelf| !nodes.contains(&shelf.node)) {
            return Err(format!("shelf {} belongs to an unknown node", shelf.name));
        }
        let at_home = |replica: &&NewReplica| shelves.contains(&replica.shelf) && groups.contains(&replica.group);
        if let Some(replica) = self.replicas.iter().find(|replica| !at_home(replica)) {
            return Err(format!(
                "replica {} is of an unknown group or on an unknown shelf",
                replica.id
            ));
        }
        let placed: BTreeSet<_> = self.replicas.iter().map(|replica| replica.group).collect();
        if let Some(group) = groups.iter().find(|group| !placed.contains(group)) {
            return Err(format!("group {group} has no replica"));
        }
        if !groups.contains(&GroupId::SYSTEM) {
            return Err("the system group is missing".to_owned());
        }
        let used_up = groups.contains(&GroupId(u32::MAX))
            || self.replicas.iter().any(|replica| replica.id == ReplicaId(u64::MAX));
        if used_up {
            return Err("no number is left for a next group or replica".to_owned());
        }
        Ok(())
    }

    fn write(&self, txn: &mut StateTxn<'_>, at: &AppliedAt) {
        let last_group = self.groups.iter().map(|group| group.0).max().unwrap_or(0);
        let last_replica = self.replicas.iter().map(|replica| replica.id.0).max().unwrap_or(0);
        let cluster = Cluster {
            id: self.cluster,
            version: self.version,
            next_account: AccountId(1),
            next_group: GroupId(last_group.saturating_add(1)),
            next_replica: ReplicaId(last_replica.saturating_add(1)),
            founded_ms: at.log_time_ms,
        };
        rows::write(txn, key::CLUSTER.to_vec(), &cluster);
        rows::write(txn, key::POLICY.to_vec(), &Policy::default());
        if let Some(sealed) = self.sealed_authority_key.clone() {
            rows::write(txn, key::AUTHORITY.to_vec(), &AuthorityKey { sealed });
        }
        for NewNode { id, name } in &self.nodes {
            rows::write(txn, key::node(*id), &Node { name: name.clone() });
        }
        for NewShelf { id, node, name } in &self.shelves {
            let (node, name) = (*node, name.clone());
            rows::write(txn, key::shelf(*id), &Shelf { node, name });
        }
        for group in &self.groups {
            rows::write(txn, key::group(*group), &Group { accounts: 0 });
        }
        for NewReplica { id, group, shelf } in &self.replicas {
            let replica = Replica {
                group: *group,
                shelf: *shelf,
                retired: false,
            };
            rows::write(txn, key::replica(*id), &replica);
        }
    }
}

fn distinct<T: Ord>(what: &str, ids: impl Iterator<Item = T>) -> Result<BTreeSet<T>, String> {
    let mut seen = BTreeSet::new();
    for id in ids {
        if !seen.insert(id) {
            return Err(format!("a {what} appears twice"));
        }
    }
    Ok(seen)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::testing::{Replica as TestReplica, founding};

    #[test]
    fn founding_is_done_once_and_may_be_repeated() {
        let mut replica = TestReplica::new();
        assert_eq!(replica.apply(founding()), Outcome::Done);
        let before = replica.rows();
        assert_eq!(replica.apply(founding()), Outcome::Done);
        let other = Found {
            cluster: ClusterId([9; 16]),
            ..founding()
        };
        let cluster = founding().cluster;
        assert_eq!(replica.refusal(other), Rejection::FoundedAlready { cluster });
        assert_eq!(replica.rows(), before);
    }

    #[test]
    fn next_numbers_lie_above_all_given_ones() {
        let mut replica = TestReplica::new();
        let mut found = founding();
        found.groups.push(GroupId(40));
        let shelf = found.shelves[0].id;
        found.replicas.push(NewReplica {
            id: ReplicaId(900),
            group: GroupId(40),
            shelf,
        });
        replica.done(found);
        let topology = replica.topology();
        assert_eq!(topology.cluster.next_group, GroupId(41));
        assert_eq!(topology.cluster.next_replica, ReplicaId(901));
        assert_eq!(topology.groups.len(), 4);
    }

    #[test]
    fn a_cluster_that_contradicts_itself_is_refused() {
        type Spoil = fn(&mut Found);
        let spoils: [(Spoil, &str); 9] = [
            (
                |found| found.sealed_authority_key = Some("x".repeat(SEALED_KEY_BYTES_MAX + 1)),
                "the sealed key of the CA",
            ),
            (|found| found.nodes[1].id = found.nodes[0].id, "twice"),
            (|found| found.nodes[1].name = found.nodes[0].name.clone(), "twice"),
            (|found| found.shelves[0].node = NodeId([77; 16]), "unknown node"),
            (|found| found.replicas[0].shelf = ShelfId([77; 16]), "unknown shelf"),
            (
                |found| found.replicas[1].shelf = found.replicas[0].shelf,
                "two replicas on one shelf",
            ),
            (|found| found.groups.push(GroupId(99)), "no replica"),
            (|found| found.shelves[0].name.clear(), "name"),
            (|found| found.replicas[0].id = ReplicaId(u64::MAX), "no number is left"),
        ];
        for (spoil, expected) in spoils {
            let mut replica = TestReplica::new();
            let mut found = founding();
            spoil(&mut found);
            let Rejection::BadFounding { reason } = replica.refusal(found) else {
                panic!("another rejection")
            };
            assert!(reason.contains(expected), "{reason}");
        }
    }

    #[test]
    fn a_cluster_without_a_system_group_is_refused() {
        let mut found = founding();
        found.groups.retain(|group| *group != GroupId::SYSTEM);
        found.replicas.retain(|replica| replica.group != GroupId::SYSTEM);
        let Rejection::BadFounding { reason } = TestReplica::new().refusal(found) else {
            panic!("another rejection")
        };
        assert!(reason.contains("system group"), "{reason}");
    }
}
