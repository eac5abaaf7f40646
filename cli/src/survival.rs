//! Which losses a cluster would survive now: a pure function of where the voters of its groups are and which of them
//! live.
//!
//! Invariant: what is said to be survived leaves every group a majority of its voters alive. A node takes all its
//! shelves with it.

use std::collections::{BTreeMap, BTreeSet};

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

/// The sentence after "survives now:". `groups` are the voters of each group, by its number.
#[must_use]
pub fn survives_now(groups: &BTreeMap<u32, Vec<Voter>>) -> String {
    let lost: Vec<String> = groups
        .iter()
        .filter(|(_, voters)| !keeps_majority(voters, &|_| false))
        .map(|(group, _)| group.to_string())
        .collect();
    if !lost.is_empty() {
        let what = if lost.len() == 1 { "group" } else { "groups" };
        return format!("nothing; without a majority already: {what} {}", lost.join(", "));
    }
    let live = groups.values().flatten().filter(|voter| voter.is_live);
    let shelves: BTreeSet<Place> = live.map(|voter| (voter.node.as_str(), voter.shelf.as_str())).collect();
    let nodes: BTreeSet<&str> = shelves.iter().map(|(node, _)| *node).collect();
    let survives = |is_lost: &dyn Fn(Place) -> bool| groups.values().all(|voters| keeps_majority(voters, is_lost));

    let two_nodes = all_pairs(&nodes, |one, two| survives(&|(node, _)| node == one || node == two));
    if two_nodes {
        return "the loss of any two nodes with all their shelves".to_owned();
    }
    let (good_nodes, bad_nodes): (Vec<&str>, Vec<&str>) =
        nodes.iter().partition(|lost| survives(&|(node, _)| node == **lost));
    let (good_shelves, bad_shelves): (Vec<Place>, Vec<Place>) =
        shelves.iter().partition(|lost| survives(&|shelf| shelf == **lost));
    let two_shelves = all_pairs(&shelves, |one, two| survives(&|shelf| shelf == one || shelf == two));

    let mut parts = Vec::new();
    match (good_nodes.as_slice(), bad_nodes.as_slice()) {
        ([], _) => {}
        (_, []) => parts.push("any one node with all its shelves".to_owned()),
        (good, bad) => parts.push(format!("one node of {} (not {})", good.join(", "), bad.join(", "))),
    }
    let named = |places: &[Place]| {
        let names = places.iter().map(|(node, shelf)| format!("{node}/{shelf}"));
        names.collect::<Vec<_>>().join(", ")
    };
    match (good_shelves.as_slice(), bad_shelves.as_slice()) {
        _ if two_shelves => parts.push("any two shelves".to_owned()),
        ([], _) => {}
        (_, []) if bad_nodes.is_empty() => {}
        (_, []) => parts.push("any one shelf".to_owned()),
        (good, bad) => parts.push(format!("one shelf of {} (not {})", named(good), named(bad))),
    }
    match parts.is_empty() {
        true => "no loss of a node or shelf".to_owned(),
        false => format!("the loss of {}", parts.join(", or of ")),
    }
}

/// Whether every pair of two different ones holds; not when there is no pair.
fn all_pairs<T: Copy + PartialEq>(all: &BTreeSet<T>, holds: impl Fn(T, T) -> bool) -> bool {
    let firsts = all.iter().enumerate();
    let mut pairs = firsts.flat_map(|(at, one)| all.iter().skip(at + 1).map(move |two| (*one, *two)));
    all.len() > 1 && pairs.all(|(one, two)| holds(one, two))
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
    fn sentence(groups: &[&str]) -> String {
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
        survives_now(&(1..).zip(voters).collect())
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
