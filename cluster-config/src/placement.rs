//! Where the replicas of new groups go (DESIGN D2, D15).
//!
//! Invariants
//! - A pure function: the same shelves in the same order give the same places.
//! - The replicas of a group are on distinct shelves, and on distinct nodes when there are enough; with fewer nodes no
//!   node has more of them than it must.
//! - Among the choices that are left, racks, enclosures and links are shared as little as the search finds (it tries
//!   each shelf as the first and then goes for the best next one), then shelves and nodes are loaded evenly.
//! - Replica ids rise by one from the given counter and are never given twice.

use std::collections::{BTreeMap, BTreeSet};

use mail_model::{GroupId, NodeId, ReplicaId, ShelfId};

use crate::config::Labels;
use crate::founding::{GroupPlan, ReplicaPlan, Role};
use crate::limits::{REPLICATION_MAX, SYSTEM_VOTERS_MAX};

/// A shelf as placement sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spot {
    /// The node.
    pub node: NodeId,
    /// The shelf, unique in the cluster.
    pub shelf: ShelfId,
    /// What it shares with others.
    pub labels: Labels,
}

/// Voters of a mail group when nothing else is asked for: three when there are shelves enough, else one, since two
/// survive no more than one does.
#[must_use]
pub fn replication_default(shelves: usize) -> usize {
    if shelves >= REPLICATION_MAX { REPLICATION_MAX } else { 1 }
}

/// Voters of the system group: on up to five nodes, an odd number of them, never fewer than a mail group may have.
#[must_use]
pub fn system_voters(nodes: usize, shelves: usize) -> usize {
    let on_nodes = nodes.min(SYSTEM_VOTERS_MAX);
    let odd = if on_nodes % 2 == 1 {
        on_nodes
    } else {
        on_nodes.saturating_sub(1)
    };
    odd.max(replication_default(shelves))
}

/// Places the system group and `groups` mail groups of `replication` voters each. The first replica of a group is the
/// one that founds it; these are spread too. Replica ids go on from `next_replica`, which is moved past them.
///
/// With fewer shelves than `replication`, each shelf gets one replica of each group.
#[must_use]
pub fn place(spots: &[Spot], groups: u32, replication: usize, next_replica: &mut ReplicaId) -> Vec<GroupPlan> {
    let mut board = Board::new(spots);
    let voters = system_voters(board.nodes.len(), spots.len());
    let mut plans = vec![board.group(GroupId::SYSTEM, voters, true, next_replica)];
    for number in 1..=groups {
        plans.push(board.group(GroupId(number), replication, false, next_replica));
    }
    plans
}

/// The shelves with what they have been given so far.
struct Board<'a> {
    spots: &'a [Spot],
    /// Replicas on each shelf.
    load: Vec<u64>,
    /// Groups founded by each shelf.
    firsts: Vec<u64>,
    nodes: BTreeMap<NodeId, NodeLoad>,
}

#[derive(Default)]
struct NodeLoad {
    shelves: u64,
    replicas: u64,
    firsts: u64,
}

/// What the replicas of one group share with each other; less is better, the first first.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Shared {
    nodes: usize,
    racks: usize,
    enclosures: usize,
    links: usize,
}

impl<'a> Board<'a> {
    fn new(spots: &'a [Spot]) -> Self {
        let mut nodes: BTreeMap<NodeId, NodeLoad> = BTreeMap::new();
        for spot in spots {
            nodes.entry(spot.node).or_default().shelves += 1;
        }
        Self {
            spots,
            load: vec![0; spots.len()],
            firsts: vec![0; spots.len()],
            nodes,
        }
    }

    fn group(&mut self, id: GroupId, voters: usize, everywhere: bool, next_replica: &mut ReplicaId) -> GroupPlan {
        let mut chosen = self.choose(voters.min(self.spots.len()));
        chosen.sort_by_key(|at| (self.nodes[&self.spots[*at].node].firsts, self.firsts[*at], *at));
        if let Some(first) = chosen.first() {
            self.firsts[*first] += 1;
            self.node_load(*first).firsts += 1;
        }
        let learners = if everywhere { self.learners(&chosen) } else { Vec::new() };
        let roles = chosen.iter().map(|at| (*at, Role::Voter));
        let mut replicas = Vec::new();
        for (at, role) in roles.chain(learners.into_iter().map(|at| (at, Role::Learner))) {
            self.load[at] += 1;
            self.node_load(at).replicas += 1;
            let Spot { node, shelf, .. } = self.spots[at];
            replicas.push(ReplicaPlan {
                id: *next_replica,
                node,
                shelf,
                role,
            });
            next_replica.0 += 1;
        }
        GroupPlan { id, replicas }
    }

    /// Shelves for the voters of one group.
    fn choose(&self, voters: usize) -> Vec<usize> {
        let mut best: Option<(Shared, Vec<usize>)> = None;
        let mut firsts: Vec<usize> = (0..self.spots.len()).collect();
        firsts.sort_by_key(|at| self.burden(*at));
        for first in firsts {
            let mut chosen = vec![first];
            let mut shared = Shared::default();
            while chosen.len() < voters {
                let left = (0..self.spots.len()).filter(|at| !chosen.contains(at));
                let Some(next) = left.min_by_key(|at| (self.shared(*at, &chosen), self.burden(*at))) else {
                    break;
                };
                shared = shared.plus(self.shared(next, &chosen));
                chosen.push(next);
            }
            if shared == Shared::default() {
                return chosen;
            }
            if best.as_ref().is_none_or(|(least, _)| shared < *least) {
                best = Some((shared, chosen));
            }
        }
        best.map_or_else(Vec::new, |(_, chosen)| chosen)
    }

    /// One shelf, the least loaded, on each node that has none of `chosen`.
    fn learners(&self, chosen: &[usize]) -> Vec<usize> {
        let served: BTreeSet<NodeId> = chosen.iter().map(|at| self.spots[*at].node).collect();
        let others = self.nodes.keys().filter(|node| !served.contains(node));
        let on = |node: &NodeId| {
            (0..self.spots.len())
                .filter(|at| self.spots[*at].node == *node)
                .min_by_key(|at| self.load[*at])
        };
        others.filter_map(on).collect()
    }

    /// How much a shelf has to carry already: itself, then its node per shelf, then its place in the list.
    fn burden(&self, at: usize) -> (u64, u64, usize) {
        let node = &self.nodes[&self.spots[at].node];
        (self.load[at], node.replicas * 1_000 / node.shelves.max(1), at)
    }

    fn shared(&self, at: usize, chosen: &[usize]) -> Shared {
        let spot = &self.spots[at];
        let count = |same: &dyn Fn(&Spot) -> bool| chosen.iter().filter(|other| same(&self.spots[**other])).count();
        let label = |of: fn(&Labels) -> &Option<String>| {
            let own = of(&spot.labels);
            if own.is_none() {
                0
            } else {
                count(&|other| of(&other.labels) == own)
            }
        };
        Shared {
            nodes: count(&|other| other.node == spot.node),
            racks: label(|labels| &labels.rack),
            enclosures: label(|labels| &labels.enclosure),
            links: label(|labels| &labels.link),
        }
    }

    fn node_load(&mut self, at: usize) -> &mut NodeLoad {
        self.nodes.entry(self.spots[at].node).or_default()
    }
}

impl Shared {
    fn plus(self, more: Self) -> Self {
        Self {
            nodes: self.nodes + more.nodes,
            racks: self.racks + more.racks,
            enclosures: self.enclosures + more.enclosures,
            links: self.links + more.links,
        }
    }
}
