//! The cluster itself: nodes, shelves, groups, replicas, and the numbers that are handed out (DESIGN D2, D21).

use mail_model::{AccountId, ClusterId, GroupId, NodeId, ReplicaId, ShelfId};
use minicbor::{Decode, Encode};

/// The cluster and its counters, which only grow: no id is given twice.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Cluster {
    /// Which cluster this is.
    #[n(0)]
    pub id: ClusterId,
    /// Which commands and records every node knows (DESIGN D21).
    #[n(1)]
    pub version: u32,
    /// The next account to be made.
    #[n(2)]
    pub next_account: AccountId,
    /// The next group to be made.
    #[n(3)]
    pub next_group: GroupId,
    /// The next replica to be placed.
    #[n(4)]
    pub next_replica: ReplicaId,
    /// Log time of the founding, in milliseconds since 1970.
    #[n(5)]
    pub founded_ms: u64,
}

/// What the CA of the cluster signs with, sealed under the recovery key, which the cluster does not have (DESIGN D22).
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(in crate::directory) struct AuthorityKey {
    /// As the founding plan has it.
    #[n(0)]
    pub(in crate::directory) sealed: String,
}

/// One node.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Node {
    /// What the cluster file calls it.
    #[n(0)]
    pub name: String,
}

/// One shelf.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Shelf {
    /// The node that it belongs to.
    #[n(0)]
    pub node: NodeId,
    /// What its node calls it.
    #[n(1)]
    pub name: String,
}

/// One group.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Group {
    /// Accounts that live in it, those being created among them; 0 for the system group.
    #[n(0)]
    pub accounts: u64,
}

/// One replica. Its row stays for ever, since its id does.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Replica {
    /// The group that it is a copy of.
    #[n(0)]
    pub group: GroupId,
    /// Where it lies.
    #[n(1)]
    pub shelf: ShelfId,
    /// Retired: nobody talks to it again.
    #[n(2)]
    pub retired: bool,
}

#[cfg(test)]
mod tests {
    use super::super::golden;
    use super::*;

    #[test]
    fn topology_of_version_1_stays_readable() {
        let cluster = Cluster {
            id: ClusterId([1; 16]),
            version: 1,
            next_account: AccountId(2),
            next_group: GroupId(3),
            next_replica: ReplicaId(4),
            founded_ms: 5,
        };
        golden::check(&cluster, "018650010101010101010101010101010101010102030405");
        let sealed = "s".to_owned();
        golden::check(&AuthorityKey { sealed }, "01816173");
        let name = "n".to_owned();
        golden::check(&Node { name: name.clone() }, "0181616e");
        let node = NodeId([2; 16]);
        golden::check(&Shelf { node, name }, "01825002020202020202020202020202020202616e");
        golden::check(&Group { accounts: 24 }, "01811818");
        let replica = Replica {
            group: GroupId(1),
            shelf: ShelfId([3; 16]),
            retired: false,
        };
        golden::check(&replica, "0183015003030303030303030303030303030303f4");
    }
}
