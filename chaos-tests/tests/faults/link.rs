//! The link of a shelf is cut and comes back: nothing is lost, and everybody is served meanwhile.

use chaos_tests::fault_fs::may_mount;
use chaos_tests::kill::{self, Harm};

const SEED: u64 = 1;
const ROUNDS: u32 = 4;

#[test]
fn nothing_acknowledged_is_lost_and_nobody_is_put_off_when_the_link_of_a_shelf_is_cut() {
    if !may_mount() {
        return;
    }
    let report = kill::run_in_suite(SEED, ROUNDS, Harm::LinkCut);
    let counts = &report.counts;
    report.must_have_done(&[counts.smtp, counts.lmtp, counts.appended, counts.flagged]);
}
