//! Who is out of order, and how the groups that were led from there get a new leader fast (DESIGN D13).
//!
//! One small frame per node pair goes round every [`LIVENESS_MS`]. When a node stays silent, or says that a shelf of its
//! is bad, each group led from there is seen to by the node of its lowest voter that is in order: it asks the others how
//! far their logs reach, and sends every one of them a transfer of leadership to the one that is furthest.
//!
//! Invariants
//! - Elections decide, as always in Raft; a wrong verdict here costs an election and nothing else.
//! - A transfer names the vote that its receiver holds, so it ends no leadership but the one that was judged.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Weak;
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use mail_model::{GroupId, NodeId, ReplicaId, ShelfId};
use openraft::Instant;
use openraft::type_config::TypeConfigExt;

use crate::leading::ClockWatch;
use crate::limits::{CLOCK_ROUND_TRIP_MS, DEAD_AFTER_MS, HAND_OVER_RETRY_MS, LIVENESS_MS};
use crate::node::{Inner, Replicator, other_nodes};
use crate::record::VoteRow;
use crate::rpc::{self, ReplyRow, RequestRow};
use crate::transport::Class;
use crate::types::{GroupTypes, InstantOf, LogId, ReplicaPlace, Vote};

/// What this node knows to be out of order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Nodes that do not answer.
    pub dead: BTreeSet<NodeId>,
    /// Shelves that their nodes say are bad.
    pub bad_shelves: BTreeMap<NodeId, BTreeSet<ShelfId>>,
    /// Shelves of this node that have failed.
    pub own_bad_shelves: BTreeSet<ShelfId>,
    /// Shelves that their nodes, this one among them, say are full. What a dead node said last still counts.
    pub full_shelves: BTreeMap<NodeId, BTreeSet<ShelfId>>,
}

impl Health {
    /// Whether nothing at `place` can be relied on.
    #[must_use]
    pub fn is_bad(&self, place: ReplicaPlace) -> bool {
        self.dead.contains(&place.node)
            || self.own_bad_shelves.contains(&place.shelf)
            || self
                .bad_shelves
                .get(&place.node)
                .is_some_and(|shelves| shelves.contains(&place.shelf))
    }

    /// Whether nothing is bad.
    pub(crate) fn is_all_in_order(&self) -> bool {
        self.dead.is_empty() && self.own_bad_shelves.is_empty() && self.bad_shelves.is_empty()
    }

    /// Whether what is at `place` has no room for more.
    #[must_use]
    pub fn is_full(&self, place: ReplicaPlace) -> bool {
        let full = self.full_shelves.get(&place.node);
        full.is_some_and(|shelves| shelves.contains(&place.shelf))
    }

    /// Whether so many of a group's voters have room that they can commit what makes it grow (DESIGN D12).
    pub(crate) fn has_space(&self, voters: impl IntoIterator<Item = ReplicaPlace>) -> bool {
        let (mut all, mut roomy) = (0, 0);
        for place in voters {
            all += 1;
            roomy += usize::from(!self.is_full(place));
        }
        roomy * 2 > all
    }

    /// Takes note of which of a node's shelves are full. Returns whether that is news.
    pub(crate) fn set_full(&mut self, node: NodeId, full_shelves: Vec<ShelfId>) -> bool {
        replace(&mut self.full_shelves, node, full_shelves)
    }

    /// Takes note of what a node says of its shelves. Returns whether that is news.
    pub(crate) fn heard(&mut self, from: NodeId, bad_shelves: Vec<ShelfId>) -> bool {
        replace(&mut self.bad_shelves, from, bad_shelves)
    }

    /// Takes note of whether a node answers. Returns whether that is news.
    pub(crate) fn set_dead(&mut self, node: NodeId, is_dead: bool) -> bool {
        if is_dead {
            self.dead.insert(node)
        } else {
            self.dead.remove(&node)
        }
    }
}

/// Replaces what is known of a node's shelves. Returns whether that is news.
fn replace(known: &mut BTreeMap<NodeId, BTreeSet<ShelfId>>, node: NodeId, shelves: Vec<ShelfId>) -> bool {
    let shelves: BTreeSet<_> = shelves.into_iter().collect();
    if shelves.is_empty() {
        return known.remove(&node).is_some();
    }
    let before = known.insert(node, shelves);
    before.as_ref() != known.get(&node)
}

/// Chooses the voter to lead next among those that answered: the longest log, then one that is fit, then the lowest id.
/// `None` without a majority of `voters`.
fn choose(voters: usize, answers: &[(ReplicaId, Option<LogId>, bool)]) -> Option<ReplicaId> {
    if answers.len() * 2 <= voters {
        return None;
    }
    answers
        .iter()
        .max_by_key(|(id, last, is_fit)| (*last, *is_fit, Reverse(*id)))
        .map(|(id, ..)| *id)
}

impl<C: GroupTypes> Replicator<C> {
    /// Says which shelves of this node have no room for more: groups of which most replicas are on such shelves take
    /// nothing that makes them grow until this is said anew (DESIGN D12).
    pub fn set_full_shelves(&self, full_shelves: Vec<ShelfId>) {
        let node = self.inner.node;
        self.inner.health.modify(|health| health.set_full(node, full_shelves));
    }

    /// A shelf of this node that had failed is in order again, and its replicas run.
    pub fn shelf_is_back(&self, shelf: ShelfId) {
        self.inner.health.modify(|health| health.own_bad_shelves.remove(&shelf));
    }

    /// Starts watching the other nodes of the cluster; ends with the last handle.
    pub fn watch_peers(&self) {
        for node in other_nodes(self.inner.node, self.inner.groups.values()) {
            drop(C::spawn(watch_peer(std::sync::Arc::downgrade(&self.inner), node)));
        }
        drop(C::spawn(mend_groups(std::sync::Arc::downgrade(&self.inner))));
    }
}

/// Asks one node for signs of life.
async fn watch_peer<C: GroupTypes>(inner: Weak<Inner<C>>, node: NodeId) {
    let dead_after = Duration::from_millis(DEAD_AFTER_MS);
    let mut heard = C::now();
    // What passes before the first answer is a start, not a silence.
    let mut silences: Option<metrics::Histogram> = None;
    loop {
        let Some(inner) = inner.upgrade() else { return };
        let frame = rpc::write_request(&inner.liveness(), &[]);
        let sent_ms = inner.mono_ms();
        if let Ok(reply) = inner.call(node, Class::Vote, frame, dead_after).await {
            match &silences {
                Some(silences) => silences.record(heard.elapsed().as_secs_f64()),
                None => {
                    silences = Some(metrics::histogram!("holdfast_node_silence_seconds", "node" => node.to_string()))
                }
            }
            heard = C::now();
            inner.compare_clocks(node, sent_ms, &reply);
        }
        let is_dead = heard.elapsed() >= dead_after;
        if inner.health.modify(|health| health.set_dead(node, is_dead)) {
            if is_dead {
                tracing::warn!(%node, "node does not answer");
            } else {
                tracing::info!(%node, "node answers again");
            }
        }
        drop(inner);
        C::sleep(Duration::from_millis(LIVENESS_MS)).await;
    }
}

/// Looks for groups whose leader is out of order, or sits on a node with a wrong clock.
async fn mend_groups<C: GroupTypes>(inner: Weak<Inner<C>>) {
    let retry = Duration::from_millis(HAND_OVER_RETRY_MS);
    let mut tried: HashMap<GroupId, InstantOf<C>> = HashMap::new();
    let mut clock = ClockWatch::default();
    loop {
        let Some(inner) = inner.upgrade() else { return };
        inner.keep_to_the_clock(&mut clock);
        for group in inner.orphans() {
            if tried.get(&group).is_some_and(|at| at.elapsed() < retry) {
                continue;
            }
            tried.insert(group, C::now());
            let inner = inner.clone();
            drop(C::spawn(async move { inner.lead_anew(group).await }));
        }
        drop(inner);
        C::sleep(Duration::from_millis(LIVENESS_MS)).await;
    }
}

impl<C: GroupTypes> Inner<C> {
    fn liveness(&self) -> RequestRow {
        let health = self.health.borrow();
        let full = health.full_shelves.get(&self.node);
        RequestRow::Liveness {
            bad_shelves: health.own_bad_shelves.iter().copied().collect(),
            full_shelves: full.into_iter().flatten().copied().collect(),
        }
    }

    /// Takes note of another node's time, read in the middle of a round trip that began at `sent_ms`.
    fn compare_clocks(&self, node: NodeId, sent_ms: u64, reply: &Bytes) {
        let round_trip_ms = self.mono_ms().saturating_sub(sent_ms);
        if let Ok((ReplyRow::Alive { clock_ms }, _)) = rpc::read_reply(reply)
            && round_trip_ms <= CLOCK_ROUND_TRIP_MS
        {
            self.judge().heard(node, sent_ms + round_trip_ms / 2, clock_ms);
        }
    }

    /// Groups that are led from a bad place and are this node's to see to.
    fn orphans(&self) -> BTreeSet<GroupId> {
        let health = self.health.borrow().clone();
        let mut orphans = BTreeSet::new();
        if health.is_all_in_order() {
            return orphans;
        }
        for replica in self.all() {
            let Some((_, leader)) = replica.leader() else { continue };
            if !health.is_bad(leader) {
                continue;
            }
            let in_order = replica
                .members()
                .into_iter()
                .filter(|(_, place, votes)| *votes && !health.is_bad(*place));
            if in_order.map(|(id, ..)| id).min() == Some(replica.id()) {
                orphans.insert(replica.group());
            }
        }
        orphans
    }

    async fn lead_anew(&self, group: GroupId) {
        let health = self.health.borrow().clone();
        let Some(replica) = self.of_group(group).into_iter().next() else {
            return;
        };
        let judged = replica.vote_held();
        let voters: Vec<_> = replica.members().into_iter().filter(|(_, _, votes)| *votes).collect();
        let in_order = voters.iter().filter(|(_, place, _)| !health.is_bad(*place));
        let asked = join_all(in_order.map(|(id, place, _)| self.ask_log_end(*id, *place))).await;
        let asked: Vec<_> = asked.into_iter().flatten().collect();
        let unfit = self.unfit_to_lead();
        let ends: Vec<_> = asked
            .iter()
            .map(|(id, place, last, _)| (*id, *last, !unfit(*place)))
            .collect();
        let Some(leader) = choose(voters.len(), &ends) else {
            tracing::warn!(%group, "its leader is out of order, and too few voters answer to choose another");
            return;
        };
        tracing::info!(%group, %leader, "its leader is out of order, asking another replica to lead");
        // The next leader comes last, when the others no longer hold to the old one.
        let (next, others): (Vec<_>, Vec<_>) = asked.into_iter().partition(|(id, ..)| *id == leader);
        for wave in [others, next] {
            let transfers = wave
                .into_iter()
                .filter(|(_, _, _, vote)| vote.leader_id == judged.leader_id);
            join_all(transfers.map(|(to, place, _, vote)| self.send_transfer(to, place, vote, leader))).await;
        }
    }

    async fn ask_log_end(
        &self,
        id: ReplicaId,
        place: ReplicaPlace,
    ) -> Option<(ReplicaId, ReplicaPlace, Option<LogId>, Vote)> {
        let frame = rpc::write_request(&RequestRow::LogEnd { of: id }, &[]);
        let within = Duration::from_millis(HAND_OVER_RETRY_MS);
        let reply = self.call(place.node, Class::Vote, frame, within).await.ok()?;
        match rpc::read_reply(&reply) {
            Ok((ReplyRow::LogEnd { last, vote }, _)) => Some((id, place, last.map(Into::into), vote.into())),
            _ => None,
        }
    }

    async fn send_transfer(&self, to: ReplicaId, place: ReplicaPlace, held: Vote, leader: ReplicaId) {
        let row = RequestRow::Transfer {
            to,
            from: VoteRow::from(&held),
            leader,
        };
        let within = Duration::from_millis(HAND_OVER_RETRY_MS);
        // Whoever does not answer keeps to the old leader until its own timer; the others may be a majority.
        let _ = self
            .call(place.node, Class::Vote, rpc::write_request(&row, &[]), within)
            .await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::LeaderId;

    fn at(term: u64, index: u64) -> Option<LogId> {
        let leader_id = LeaderId {
            term,
            node_id: ReplicaId(1),
        };
        Some(LogId { leader_id, index })
    }

    #[test]
    fn the_longest_log_leads_next_and_only_with_a_majority() {
        let (one, two, three) = (ReplicaId(1), ReplicaId(2), ReplicaId(3));
        let fit = true;
        assert_eq!(choose(3, &[(one, at(1, 9), fit)]), None);
        assert_eq!(choose(3, &[(one, at(1, 9), fit), (two, at(2, 3), fit)]), Some(two));
        assert_eq!(choose(3, &[(three, at(2, 3), fit), (two, at(2, 3), fit)]), Some(two));
        assert_eq!(choose(5, &[(one, at(1, 1), fit), (two, at(1, 2), fit)]), None);
    }

    #[test]
    fn a_wrong_clock_leads_only_what_nobody_else_can() {
        let (one, two) = (ReplicaId(1), ReplicaId(2));
        assert_eq!(choose(3, &[(one, at(2, 3), false), (two, at(2, 3), true)]), Some(two));
        assert_eq!(choose(3, &[(one, at(2, 3), false), (two, at(2, 2), true)]), Some(one));
    }

    #[test]
    fn what_a_node_says_of_its_shelves_replaces_what_it_said_before() {
        let (node, shelf) = (NodeId([1; 16]), ShelfId([2; 16]));
        let place = ReplicaPlace { node, shelf };
        let mut health = Health::default();
        assert!(health.heard(node, vec![shelf]));
        assert!(!health.heard(node, vec![shelf]));
        assert!(health.is_bad(place));
        assert!(health.heard(node, Vec::new()));
        assert!(!health.is_bad(place));
        assert!(health.set_dead(node, true) && health.is_bad(place));
    }

    #[test]
    fn a_group_has_space_while_most_of_its_voters_have() {
        let at = |number: u8| ReplicaPlace {
            node: NodeId([number; 16]),
            shelf: ShelfId([number; 16]),
        };
        let voters = || [at(1), at(2), at(3)];
        let mut health = Health::default();
        assert!(health.has_space(voters()));
        assert!(health.set_full(at(1).node, vec![at(1).shelf]) && health.has_space(voters()));
        assert!(!health.has_space([at(1)]) && !health.is_bad(at(1)));
        assert!(health.set_full(at(2).node, vec![at(2).shelf]) && !health.has_space(voters()));
        assert!(health.set_full(at(1).node, Vec::new()) && health.has_space(voters()));
    }
}
