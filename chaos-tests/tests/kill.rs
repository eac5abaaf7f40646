//! The rounds of kills that every run of the suite includes; `make kill-rounds` has more of them.

use chaos_tests::kill::{self, Harm};

const SEED: u64 = 1;
const ROUNDS: u32 = 20;

#[test]
fn nothing_acknowledged_is_lost_or_doubled_when_nodes_are_killed() {
    let report = kill::run_in_suite(SEED, ROUNDS, Harm::Kill);
    let counts = &report.counts;
    report.must_have_done(&[
        counts.smtp,
        counts.lmtp,
        counts.appended,
        counts.moved,
        counts.expunged,
        counts.deleted,
        counts.flagged,
        counts.unanswered,
    ]);
}
