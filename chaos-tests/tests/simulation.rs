//! The short, seeded part of the simulation that every run of the suite includes; `make chaos` has the long one.

use chaos_tests::sim::{self, Report, Shape, Violation, nemesis::Sabotage};

fn run(seed: u64, shape: Shape) -> Result<Report, Violation> {
    sim::run(seed, shape, Sabotage::default())
}

fn holds(seeds: std::ops::Range<u64>, shape: Shape) {
    for seed in seeds {
        match run(seed, shape) {
            Ok(report) => assert!(report.acknowledged > 20, "seed {seed} did next to nothing: {report:?}"),
            Err(violation) => panic!("seed {seed}: {violation}"),
        }
    }
}

#[test]
fn three_nodes_lose_and_double_nothing() {
    holds(1..13, Shape::THREE_NODES);
}

#[test]
fn one_machine_with_three_shelves_loses_and_doubles_nothing() {
    holds(100..108, Shape::ONE_NODE);
}

#[test]
fn groups_of_three_among_five_nodes_lose_and_double_nothing() {
    holds(200..206, Shape::FIVE_NODES);
}

#[test]
fn wrong_clocks_do_not_lead_and_do_not_move_log_time() {
    for seed in 300..306 {
        match sim::run_clocks(seed) {
            Ok(report) => assert!(report.acknowledged > 20, "seed {seed} did next to nothing: {report:?}"),
            Err(violation) => panic!("seed {seed}: {violation}"),
        }
    }
}

#[test]
fn p4_a_disk_that_hangs_holds_up_no_group() {
    for (seed, shape) in (400..403).flat_map(|seed| [(seed, Shape::ONE_NODE), (seed, Shape::THREE_NODES)]) {
        match sim::run_hanging_disks(seed, shape) {
            Ok(report) => assert!(report.faults["hang"] >= 3 && report.acknowledged > 100, "{report:?}"),
            Err(violation) => panic!("seed {seed}: {violation}"),
        }
    }
}

#[test]
fn a_seed_makes_a_run() {
    let once = run(7, Shape::THREE_NODES).expect("holds");
    let again = run(7, Shape::THREE_NODES).expect("holds");
    assert_eq!(once, again);
    assert_ne!(once.digest, run(8, Shape::THREE_NODES).expect("holds").digest);
}

#[test]
fn acknowledging_before_the_sync_shows() {
    let sabotage = Sabotage {
        acknowledge_before_sync: true,
    };
    let caught = (1..10).any(|seed| sim::run(seed, Shape::THREE_NODES, sabotage).is_err());
    assert!(caught, "nobody noticed that disks lost what they had acknowledged");
}
