//! What a power cut takes: all that was not synced, and nothing that was.

use chaos_tests::fault_fs::{Fault, Loss, Lost, may_mount};
use chaos_tests::kill::{self, Harm};
use serde_json::json;

use crate::support::Rig;

const SEED: u64 = 1;
const ROUNDS: u32 = 6;

#[test]
fn a_power_cut_takes_what_was_not_synced_and_nothing_else() {
    if !may_mount() {
        return;
    }
    let rig = Rig::new(1);
    let mut user = rig.user();
    user.does(json!(["make-directory", "db"]));
    user.does(json!(["sync-directory", "."]));
    for name in ["log", "kept", "target", "removed", "linked"] {
        user.put(name, &format!("db/{name}"), name);
    }
    // Bytes: of a file, before and after its sync; a file that is cut short.
    user.does(json!(["write", "log", 3, ", synced"]));
    user.does(json!(["sync", "log"]));
    user.does(json!(["write", "log", 0, "LOG"]));
    user.does(json!(["write", "log", 11, ", not synced"]));
    user.does(json!(["truncate", "kept", 0]));
    user.does(json!(["allocate", "kept", 0, 100_000]));
    // Names: whatever has happened in the directory since its sync.
    user.does(json!(["open", "new", "db/new", "c"]));
    user.does(json!(["write", "new", 0, "its bytes are durable, its name is not"]));
    user.does(json!(["sync", "new"]));
    user.does(json!(["rename", "db/new", "db/target"]));
    user.does(json!(["remove", "db/removed"]));
    user.does(json!(["link", "db/linked", "db/link"]));
    user.does(json!(["make-directory", "db/directory"]));
    user.kill(&rig.mount);

    let lost = rig.mount.lose_unsynced(Loss::Everything).expect("it can be lost");
    assert_eq!((lost.files, lost.names), (2, 5), "{lost:?}");
    for (name, holds) in [
        ("log", "log, synced"),
        ("kept", "kept"),
        ("target", "target"),
        ("removed", "removed"),
    ] {
        assert_eq!(rig.behind(&format!("db/{name}")), holds, "{name}");
    }
    let mut next = rig.user();
    let names = json!(["kept", "linked", "log", "removed", "target"]);
    assert_eq!(next.does(json!(["list", "db"])), names);
    next.kill(&rig.mount);
    let again = rig.mount.lose_unsynced(Loss::Everything).expect("it can be lost");
    assert_eq!(again, Lost::default());
}

#[test]
fn names_are_durable_once_their_directory_is_synced() {
    if !may_mount() {
        return;
    }
    let rig = Rig::new(1);
    let mut user = rig.user();
    for name in ["old", "removed"] {
        user.put(name, name, name);
    }
    user.put("new", "unfinished", "new");
    user.does(json!(["rename", "unfinished", "old"]));
    user.does(json!(["remove", "removed"]));
    user.does(json!(["sync-directory", "."]));
    user.kill(&rig.mount);
    rig.mount.lose_unsynced(Loss::Everything).expect("it can be lost");
    assert_eq!(rig.user().does(json!(["list", "."])), json!(["old"]));
    assert_eq!(rig.behind("old"), "new");
}

#[test]
fn what_a_lying_disk_said_to_be_synced_is_lost() {
    if !may_mount() {
        return;
    }
    let rig = Rig::new(1);
    let mut user = rig.user();
    user.put("log", "log", "first");
    let lie = rig.mount.inject(Fault::LyingSyncs);
    user.does(json!(["write", "log", 5, ", second"]));
    user.does(json!(["sync", "log"]));
    user.put("new", "new", "new");
    rig.mount.end(lie);
    user.kill(&rig.mount);
    rig.mount.lose_unsynced(Loss::Everything).expect("it can be lost");
    assert_eq!(rig.behind("log"), "first");
    assert_eq!(rig.behind("new"), "entity not found");
}

#[test]
fn nothing_acknowledged_is_lost_or_doubled_when_the_power_is_cut() {
    if !may_mount() {
        return;
    }
    let report = kill::run_in_suite(SEED, ROUNDS, Harm::PowerCut);
    let counts = &report.counts;
    report.must_have_done(&[
        counts.smtp,
        counts.lmtp,
        counts.appended,
        counts.flagged,
        counts.unanswered,
    ]);
    assert!(report.lost.blocks > 10, "next to nothing was lost: {report}");
}
