//! The rounds of kills that every run of the suite includes; `make kill-rounds` has more of them.

use chaos_tests::kill::{self, Harm};

const SEED: u64 = 1;
const ROUNDS: u32 = 20;

#[test]
fn nothing_acknowledged_is_lost_or_doubled_when_nodes_are_killed() {
    println!("seed {SEED}, {ROUNDS} rounds");
    let report = kill::run(SEED, ROUNDS, Harm::Kill).unwrap_or_else(|violation| panic!("{violation}"));
    println!("{report}");
    let counts = &report.counts;
    let least = [
        counts.smtp,
        counts.lmtp,
        counts.appended,
        counts.moved,
        counts.expunged,
        counts.deleted,
        counts.flagged,
        counts.unanswered,
    ];
    assert!(
        least.into_iter().all(|count| count > 10),
        "next to nothing was done: {report}"
    );
}
