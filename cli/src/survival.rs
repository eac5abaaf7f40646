//! Which losses a cluster would survive now: a pure function of where the voters of its groups are and which of them
//! live.
//!
//! Invariants
//! - Service: what is said to be survived leaves every group a majority of its voters alive, so that every account goes
//!   on being served.
//! - Mail: what is said to be survived destroys a minority of the voters of every group, and what is acknowledged is on
//!   a majority (DESIGN P1, P2). What is down counts as there, since its disks are; without any down, both are the same.
//! - A node takes all its shelves with it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

/// One voter of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Voter {
    /// Name of its node.
    pub node: String,
    /// Name of its shelf there.
    pub shelf: String,
    /// Whether it runs.
    pub is_live: bool,
}

/// A shelf by the names of its node and itself.
type Place<'a> = (&'a str, &'a str);

/// What may be lost, in one sense of being lost.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Survived {
    /// Groups for which nothing may be lost, since they are without a majority already.
    pub without_majority: Vec<u32>,
    /// The loss of any so many nodes at once is survived, whichever they are.
    pub nodes_any: usize,
    /// Nodes each of which may be lost by itself, among those with voters that live.
    pub nodes: Vec<String>,
    /// Those of which none may be lost.
    pub nodes_not: Vec<String>,
    /// The loss of any so many shelves at once is survived, whichever they are.
    pub shelves_any: usize,
    /// Shelves each of which may be lost by itself, as `node/shelf`, among those with voters that live.
    pub shelves: Vec<String>,
    /// Those of which none may be lost.
    pub shelves_not: Vec<String>,
}

/// What would be survived now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Survival {
    /// Without a break in service: every group keeps a majority that runs.
    pub service: Survived,
    /// Without losing acknowledged mail, once what is down is back with what it has.
    pub mail: Survived,
}

impl Survival {
    /// From the voters of each group, by its number.
    #[must_use]
    pub fn of(groups: &BTreeMap<u32, Vec<Voter>>) -> Self {
        let all_back = |voters: &Vec<Voter>| {
            let back = voters.iter().cloned().map(|voter| Voter { is_live: true, ..voter });
            back.collect()
        };
        let back = groups
            .iter()
            .map(|(group, voters)| (*group, all_back(voters)))
            .collect();
        Self {
            service: Survived::of(groups),
            mail: Survived::of(&back),
        }
    }
}

impl Survived {
    fn of(groups: &BTreeMap<u32, Vec<Voter>>) -> Self {
        let without_majority: Vec<u32> = groups
            .iter()
            .filter(|(_, voters)| !keeps_majority(voters, &|_| false))
            .map(|(group, _)| *group)
            .collect();
        if !without_majority.is_empty() {
            return Self {
                without_majority,
                ..Self::default()
            };
        }
        let live = groups.values().flatten().filter(|voter| voter.is_live);
        let shelves: BTreeSet<Place> = live.map(|voter| (voter.node.as_str(), voter.shelf.as_str())).collect();
        let nodes: BTreeSet<&str> = shelves.iter().map(|(node, _)| *node).collect();
        let survives = |is_lost: &dyn Fn(Place) -> bool| groups.values().all(|voters| keeps_majority(voters, is_lost));
        let (good_nodes, bad_nodes): (Vec<&str>, Vec<&str>) =
            nodes.iter().partition(|lost| survives(&|(node, _)| node == **lost));
        let (good_shelves, bad_shelves): (Vec<Place>, Vec<Place>) =
            shelves.iter().partition(|lost| survives(&|shelf| shelf == **lost));
        let named = |places: Vec<Place>| places.iter().map(|(node, shelf)| format!("{node}/{shelf}")).collect();
        let owned = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect();
        let any = |part_of: fn(&Voter) -> Place| groups.values().map(|voters| any_lost(voters, part_of)).min();
        Self {
            without_majority,
            nodes_any: any(|voter| (&voter.node, "")).unwrap_or(0),
            nodes: owned(good_nodes),
            nodes_not: owned(bad_nodes),
            shelves_any: any(|voter| (&voter.node, &voter.shelf)).unwrap_or(0),
            shelves: named(good_shelves),
            shelves_not: named(bad_shelves),
        }
    }
}

/// The sentence after "survives now:".
impl fmt::Display for Survived {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.without_majority.is_empty() {
            let lost: Vec<String> = self.without_majority.iter().map(u32::to_string).collect();
            let what = if lost.len() == 1 { "group" } else { "groups" };
            return write!(f, "nothing; without a majority already: {what} {}", lost.join(", "));
        }
        let parts = [self.node_part(), self.shelf_part()];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        if parts.is_empty() {
            return f.write_str("no loss of a node or shelf");
        }
        write!(f, "the loss of {}", parts.join(", or of "))
    }
}

impl Survived {
    fn node_part(&self) -> Option<String> {
        match (self.nodes.as_slice(), self.nodes_not.as_slice()) {
            _ if self.nodes_any > 1 => Some(format!("any {} nodes with all their shelves", in_words(self.nodes_any))),
            ([], _) => None,
            (_, []) => Some("any one node with all its shelves".to_owned()),
            (good, bad) => Some(format!("one node of {} (not {})", good.join(", "), bad.join(", "))),
        }
    }

    fn shelf_part(&self) -> Option<String> {
        match (self.shelves.as_slice(), self.shelves_not.as_slice()) {
            // Nodes say it already: a shelf is less than a node.
            _ if self.shelves_any <= self.nodes_any && self.nodes_any > 0 => None,
            _ if self.shelves_any > 1 => Some(format!("any {} shelves", in_words(self.shelves_any))),
            ([], _) => None,
            (_, []) => Some("any one shelf".to_owned()),
            (good, bad) => Some(format!("one shelf of {} (not {})", good.join(", "), bad.join(", "))),
        }
    }
}

fn in_words(number: usize) -> String {
    let words = ["no", "one", "two", "three", "four", "five"];
    words
        .get(number)
        .map_or_else(|| number.to_string(), |word| (*word).to_owned())
}

/// How many places, whichever they are, may be lost without this group losing its majority. The worst are those with
/// most of its voters.
fn any_lost(voters: &[Voter], place_of: fn(&Voter) -> Place) -> usize {
    let mut at: BTreeMap<Place, usize> = BTreeMap::new();
    for voter in voters.iter().filter(|voter| voter.is_live) {
        *at.entry(place_of(voter)).or_default() += 1;
    }
    let mut counts: Vec<usize> = at.into_values().collect();
    counts.sort_unstable_by(|one, other| other.cmp(one));
    let mut left: usize = counts.iter().sum();
    let mut lost = 0;
    for count in counts {
        left -= count;
        if left * 2 <= voters.len() {
            break;
        }
        lost += 1;
    }
    lost
}

fn keeps_majority(voters: &[Voter], is_lost: &dyn Fn(Place) -> bool) -> bool {
    let left = voters
        .iter()
        .filter(|voter| voter.is_live && !is_lost((&voter.node, &voter.shelf)));
    left.count() * 2 > voters.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Groups written as `n1/a n2/a !n3/b`; an exclamation mark stands before a voter that is down.
    fn survival(groups: &[&str]) -> Survival {
        let voter = |text: &str| {
            let (is_live, place) = match text.strip_prefix('!') {
                Some(place) => (false, place),
                None => (true, text),
            };
            let (node, shelf) = place.split_once('/').unwrap();
            Voter {
                node: node.to_owned(),
                shelf: shelf.to_owned(),
                is_live,
            }
        };
        let voters = groups.iter().map(|group| group.split(' ').map(voter).collect());
        Survival::of(&(1..).zip(voters).collect())
    }

    fn sentence(groups: &[&str]) -> String {
        survival(groups).service.to_string()
    }

    #[test]
    fn with_nothing_down_service_and_mail_survive_the_same() {
        let all_up = survival(&["n1/a n2/a n3/a", "n1/b n2/a n3/b"]);
        assert_eq!(all_up.service, all_up.mail);
        assert_eq!((all_up.mail.nodes_any, all_up.mail.shelves_any), (1, 1));
        assert_eq!(all_up.mail.nodes, ["n1", "n2", "n3"]);
    }

    #[test]
    fn with_a_node_down_a_further_loss_stops_accounts_and_loses_no_mail() {
        let down = survival(&["n1/a n2/a !n3/a"]);
        assert_eq!((down.service.nodes_any, down.service.shelves_any), (0, 0));
        assert_eq!(down.service.nodes_not, ["n1", "n2"]);
        assert_eq!(down.mail.to_string(), "the loss of any one node with all its shelves");
    }

    #[test]
    fn without_a_majority_mail_is_still_there() {
        let down = survival(&["n1/a !n2/a !n3/a"]);
        assert_eq!(down.service.without_majority, [1]);
        assert_eq!(down.mail.nodes_any, 1);
    }

    #[test]
    fn what_any_so_many_losses_do_is_what_the_worst_of_them_does() {
        // Every set of nodes is tried, and what is said is the largest number of which none does harm.
        let nodes = ["n1", "n2", "n3", "n4", "n5"];
        for groups in [
            &["n1/a n2/a n3/a n4/a n5/a"][..],
            &["n1/a n1/b n2/a n3/a n4/a", "n5/a n2/b n3/b"],
            &["n1/a n2/a n3/a !n4/a n5/a", "n1/b n2/b n3/b n4/b n5/b"],
            &["n1/a"],
        ] {
            let said = survival(groups).service.nodes_any;
            let harmless = |lost: u32| {
                let is_lost = |node: &str| {
                    nodes
                        .iter()
                        .position(|at| *at == node)
                        .is_some_and(|at| lost >> at & 1 == 1)
                };
                groups.iter().all(|group| {
                    let voters: Vec<&str> = group.split(' ').collect();
                    let left = voters
                        .iter()
                        .filter(|voter| !voter.starts_with('!') && !is_lost(&voter[..2]));
                    left.count() * 2 > voters.len()
                })
            };
            let of_size = |size: usize| (0..1_u32 << 5).filter(move |lost| lost.count_ones() as usize == size);
            assert!(of_size(said).all(harmless), "{groups:?}: {said}");
            assert!(!of_size(said + 1).all(harmless), "{groups:?}: more than {said}");
        }
    }

    #[test]
    fn three_nodes_survive_the_loss_of_any_one() {
        let groups = ["n1/a n2/a n3/a", "n1/b n2/a n3/b"];
        assert_eq!(sentence(&groups), "the loss of any one node with all its shelves");
    }

    #[test]
    fn with_a_node_down_nothing_more_may_go() {
        assert_eq!(sentence(&["n1/a n2/a !n3/a"]), "no loss of a node or shelf");
    }

    #[test]
    fn one_node_with_three_shelves_survives_the_loss_of_a_shelf() {
        assert_eq!(sentence(&["n1/a n1/b n1/c"]), "the loss of any one shelf");
    }

    #[test]
    fn five_voters_on_five_nodes_survive_the_loss_of_two() {
        let sentence = sentence(&["n1/a n2/a n3/a n4/a n5/a"]);
        assert_eq!(sentence, "the loss of any two nodes with all their shelves");
    }

    #[test]
    fn two_shelves_may_go_where_no_group_has_both() {
        // Four nodes, groups on disjoint shelves of n1: two shelves of n1 share no group, but n1/a and n2/a do.
        assert_eq!(
            sentence(&["n1/a n1/b n1/c n2/a n2/b", "n1/a n1/b n1/c n2/a n2/b"]),
            "the loss of one node of n2 (not n1), or of any two shelves"
        );
    }

    #[test]
    fn what_must_not_go_is_named() {
        assert_eq!(
            sentence(&["n1/a n2/a n3/a", "n1/b !n2/b n3/b"]),
            "the loss of one node of n2 (not n1, n3), or of one shelf of n1/a, n2/a, n3/a (not n1/b, n3/b)"
        );
    }

    #[test]
    fn a_group_without_a_majority_is_said_first() {
        assert_eq!(
            sentence(&["n1/a !n2/a !n3/a", "n1/a n2/a n3/a"]),
            "nothing; without a majority already: group 1"
        );
    }

    #[test]
    fn a_single_shelf_survives_nothing() {
        assert_eq!(sentence(&["n1/a"]), "no loss of a node or shelf");
    }
}
