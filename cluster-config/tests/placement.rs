//! Placement over many topologies.

use std::collections::{BTreeMap, BTreeSet};

use cluster_config::{GroupPlan, Labels, Role, Spot, place, replication_default, system_voters};
use mail_model::{GroupId, NodeId, ReplicaId, ShelfId};
use proptest::prelude::*;

fn spot(node: usize, shelf: usize, labels: Labels) -> Spot {
    let id = |kind: u8, low: usize| {
        let mut bytes = [kind; 16];
        bytes[8..].copy_from_slice(&u64::try_from(low).unwrap().to_be_bytes());
        bytes
    };
    Spot {
        node: NodeId(id(1, node)),
        shelf: ShelfId(id(2, node * 1_000 + shelf)),
        labels,
    }
}

/// Nodes with so many shelves each.
fn plain(shelves: &[usize]) -> Vec<Spot> {
    let on = |(node, count): (usize, &usize)| (0..*count).map(move |shelf| spot(node, shelf, Labels::default()));
    shelves.iter().enumerate().flat_map(on).collect()
}

fn rack(name: usize) -> Labels {
    Labels {
        rack: Some(format!("r{name}")),
        ..Labels::default()
    }
}

fn placed(spots: &[Spot], groups: u32, replication: usize) -> Vec<GroupPlan> {
    place(spots, groups, replication, &mut ReplicaId(1))
}

fn voters(group: &GroupPlan) -> impl Iterator<Item = &cluster_config::ReplicaPlan> {
    group.replicas.iter().filter(|replica| replica.role == Role::Voter)
}

/// How many replicas each shelf of `spots` has.
fn loads(spots: &[Spot], plans: &[GroupPlan]) -> Vec<usize> {
    let all: Vec<ShelfId> = plans
        .iter()
        .flat_map(|group| &group.replicas)
        .map(|replica| replica.shelf)
        .collect();
    spots
        .iter()
        .map(|spot| all.iter().filter(|shelf| **shelf == spot.shelf).count())
        .collect()
}

proptest! {
    #[test]
    fn replicas_are_apart_and_their_ids_given_once(
        shelves in prop::collection::vec(1_usize..5, 1..9),
        racks in prop::collection::vec(0_usize..4, 40),
        groups in 1_u32..40,
    ) {
        let mut spots = plain(&shelves);
        for (spot, name) in spots.iter_mut().zip(&racks) {
            spot.labels = if *name == 0 { Labels::default() } else { rack(*name) };
        }
        let replication = replication_default(spots.len());
        let mut next = ReplicaId(7);
        let plans = place(&spots, groups, replication, &mut next);
        prop_assert_eq!(plans.len(), groups as usize + 1);
        let mut ids = Vec::new();
        for (number, group) in plans.iter().enumerate() {
            prop_assert_eq!(group.id, GroupId(u32::try_from(number).unwrap()));
            let wanted = if number == 0 { system_voters(shelves.len(), spots.len()) } else { replication };
            prop_assert_eq!(voters(group).count(), wanted);
            let on: BTreeSet<ShelfId> = group.replicas.iter().map(|replica| replica.shelf).collect();
            prop_assert_eq!(on.len(), group.replicas.len());
            let mut by_node: BTreeMap<NodeId, usize> = BTreeMap::new();
            for voter in voters(group) {
                *by_node.entry(voter.node).or_default() += 1;
                prop_assert!(spots.iter().any(|spot| spot.node == voter.node && spot.shelf == voter.shelf));
            }
            if shelves.len() >= wanted {
                prop_assert_eq!(by_node.len(), wanted);
            } else {
                prop_assert_eq!(by_node.len(), shelves.len());
            }
            ids.extend(group.replicas.iter().map(|replica| replica.id.0));
        }
        prop_assert_eq!(ids, (7..next.0).collect::<Vec<_>>());
        prop_assert_eq!(place(&spots, groups, replication, &mut ReplicaId(7)), plans);
    }

    #[test]
    fn equal_nodes_carry_equal_loads(nodes in 1_usize..9, each in 1_usize..5, groups in 1_u32..60) {
        let spots = plain(&vec![each; nodes]);
        let plans = placed(&spots, groups, replication_default(spots.len()));
        let loads = loads(&spots, &plans);
        let (least, most) = (loads.iter().min().unwrap(), loads.iter().max().unwrap());
        prop_assert!(most - least <= 1, "{:?}", loads);
        let mut firsts: BTreeMap<NodeId, usize> = spots.iter().map(|spot| (spot.node, 0)).collect();
        for group in &plans {
            *firsts.entry(group.replicas[0].node).or_default() += 1;
        }
        let (least, most) = (firsts.values().min().unwrap(), firsts.values().max().unwrap());
        // A choice among three at a time; leaders move later anyway.
        prop_assert!(most - least <= 2, "{:?}", firsts);
    }

    #[test]
    fn racks_are_not_shared_when_there_are_three(
        nodes in prop::collection::vec(0_usize..4, 0..9)
            .prop_map(|more| [vec![0, 1, 2], more].concat())
            .prop_shuffle(),
        groups in 1_u32..30,
    ) {
        let spots: Vec<Spot> = nodes.iter().enumerate().map(|(node, name)| spot(node, 0, rack(*name))).collect();
        for group in placed(&spots, groups, 3).iter().skip(1) {
            let used: BTreeSet<&Option<String>> = voters(group)
                .filter_map(|voter| spots.iter().find(|spot| spot.shelf == voter.shelf))
                .map(|spot| &spot.labels.rack)
                .collect();
            prop_assert_eq!(used.len(), 3);
        }
    }
}

#[test]
fn one_machine_with_three_shelves_has_its_replicas_on_all_of_them() {
    let spots = plain(&[3]);
    for group in placed(&spots, 4, 3) {
        assert_eq!(group.replicas.len(), 3);
    }
}

#[test]
fn a_shared_enclosure_is_avoided_where_the_first_choice_would_run_into_it() {
    let box_of = |name: &str| Labels {
        enclosure: Some(name.to_owned()),
        ..Labels::default()
    };
    // Only n1/a, n2/b, n3/c are all apart; whoever starts with n1/b or n2/a cannot get there.
    let spots = [
        spot(1, 0, box_of("b")),
        spot(1, 1, box_of("a")),
        spot(2, 0, box_of("b")),
        spot(3, 0, box_of("c")),
        spot(3, 1, box_of("a")),
    ];
    for group in placed(&spots, 3, 3).iter().skip(1) {
        let boxes: BTreeSet<_> = group
            .replicas
            .iter()
            .filter_map(|replica| spots.iter().find(|spot| spot.shelf == replica.shelf))
            .map(|spot| spot.labels.enclosure.clone())
            .collect();
        assert_eq!(boxes.len(), 3, "{group:?}");
    }
}

#[test]
fn the_system_group_votes_on_up_to_five_nodes_and_is_on_all() {
    for (nodes, voting, everywhere) in [(1, 1, 1), (2, 1, 2), (3, 3, 3), (4, 3, 4), (5, 5, 5), (9, 5, 9)] {
        let plans = placed(&plain(&vec![1; nodes]), 1, replication_default(nodes));
        assert_eq!(voters(&plans[0]).count(), voting, "{nodes} nodes");
        let on: BTreeSet<NodeId> = plans[0].replicas.iter().map(|replica| replica.node).collect();
        assert_eq!(on.len(), everywhere, "{nodes} nodes");
        assert!(plans[0].replicas.len() == everywhere && plans[0].replicas[0].role == Role::Voter);
    }
    assert_eq!(
        (system_voters(1, 3), system_voters(2, 4), system_voters(1, 2)),
        (3, 3, 1)
    );
}
