//! Each fault by itself: what plain file operations see of it, and that all is well when it has ended.

use std::time::{Duration, Instant};

use chaos_tests::fault_fs::{Call, Calls, Fault, FileKind, Files, LinkError, Listing, may_mount};
use chaos_tests::process::limits::PATIENCE;
use serde_json::{Value, json};

use crate::support::{Rig, User};

const LOG: &str = "begin of the log";
const MORE: &str = ", and more of it";
const SORTED: &str = "what the sorted table holds";
const NAMES: [&str; 6] = ["000001.log", "000002.sst", "CURRENT", "gone", "old", "open"];

/// What the operations come to in order, each in one word: `ok`, an errno, or what is wrong with the answer.
const OPERATIONS: [&str; 10] = [
    "size", "list", "open", "read", "write", "sync", "create", "rename", "remove", "space",
];
const FINE: [&str; 10] = ["ok"; 10];

fn everything(word: &'static str) -> [&'static str; 10] {
    [word; 10]
}

/// All is well but for those operations.
fn but(exceptions: &[(&str, &'static str)]) -> [&'static str; 10] {
    OPERATIONS.map(|operation| {
        let found = exceptions.iter().find(|(name, _)| *name == operation);
        found.map_or("ok", |(_, word)| word)
    })
}

struct Row {
    fault: Fault,
    sees: [&'static str; 10],
    /// Whether the log holds in the end what was written to it, as it was written.
    log_is_right: bool,
}

fn table() -> Vec<Row> {
    let row = |fault, sees| Row {
        fault,
        sees,
        log_is_right: true,
    };
    let by_name = ["size", "list", "open", "create", "rename", "remove"];
    let by_name = |word: &'static str| by_name.map(|operation| (operation, word));
    let (wal, sst) = (Files::Of(FileKind::Wal), Files::Of(FileKind::Sst));
    let one_in = 1;
    vec![
        row(Fault::LinkCut(LinkError::NotConnected), everything("ENOTCONN")),
        row(Fault::LinkCut(LinkError::Io), everything("EIO")),
        row(Fault::LinkCut(LinkError::Stale), everything("ESTALE")),
        row(Fault::Listings(Listing::Empty), but(&[("list", "empty")])),
        row(Fault::Listings(Listing::Garbled), but(&[("list", "garbled")])),
        row(
            Fault::Missing { one_in },
            but(&[
                ("size", "ENOENT"),
                ("list", "ENOENT"),
                ("open", "ENOENT"),
                ("create", "ENOENT"),
                ("rename", "ENOENT"),
                ("remove", "ENOENT"),
            ]),
        ),
        row(Fault::FlippedReads { files: sst, one_in }, but(&[("read", "flipped")])),
        row(Fault::FlippedReads { files: wal, one_in }, FINE),
        Row {
            fault: Fault::FlippedWrites { files: wal, one_in },
            sees: FINE,
            log_is_right: false,
        },
        row(Fault::FlippedWrites { files: sst, one_in }, FINE),
        row(
            Fault::ShortReads { one_in },
            but(&[("open", "short"), ("read", "short")]),
        ),
        row(
            Fault::Full,
            but(&[("write", "ENOSPC"), ("create", "ENOSPC"), ("space", "none")]),
        ),
        row(
            Fault::ReadOnly,
            but(&[
                ("open", "EROFS"),
                ("write", "EROFS"),
                ("create", "EROFS"),
                ("rename", "EROFS"),
                ("remove", "EROFS"),
            ]),
        ),
        row(Fault::NoPermission, but(&by_name("EACCES"))),
        row(Fault::LyingSyncs, FINE),
        row(
            Fault::Slow {
                calls: Calls::All,
                by: Duration::from_millis(1),
            },
            FINE,
        ),
        row(
            Fault::Hang {
                calls: Calls::All,
                lasting: Some(Duration::from_millis(100)),
            },
            FINE,
        ),
    ]
}

fn prepare(user: &mut User) {
    user.does(json!(["make-directory", "db"]));
    user.put("log", "db/000001.log", LOG);
    user.put("sst", "db/000002.sst", SORTED);
    user.put("current", "db/CURRENT", "MANIFEST-000003");
    for name in ["gone", "old", "open"] {
        user.put(name, &format!("db/{name}"), name);
    }
    user.does(json!(["sync-directory", "."]));
}

/// What became of an answer on its way.
fn compared(outcome: Result<Value, String>, expected: &Value) -> String {
    let found = match outcome {
        Ok(found) if found == *expected => return "ok".to_owned(),
        Ok(found) => found,
        Err(errno) => return errno,
    };
    match (found.as_str(), expected.as_str()) {
        (Some(found), Some(expected)) if found.len() == expected.len() => "flipped".to_owned(),
        (Some(found), Some(expected)) if expected.starts_with(found) => "short".to_owned(),
        _ => match found.as_array() {
            Some(names) if names.is_empty() => "empty".to_owned(),
            Some(_) => "garbled".to_owned(),
            None => found.to_string(),
        },
    }
}

/// Everything that a node does with files, in the order of [`OPERATIONS`].
fn operate(user: &mut User) -> Vec<String> {
    let nothing = Value::Null;
    let mut come_to = |operation: Value, expected: &Value| compared(user.ask(&operation), expected);
    let size = come_to(json!(["size", "db/000002.sst"]), &json!(SORTED.len()));
    let list = come_to(json!(["list", "db"]), &json!(NAMES));
    let mut open = come_to(json!(["open", "new handle", "db/open", "w"]), &nothing);
    if open == "ok" {
        open = come_to(json!(["read", "new handle", 0, 100]), &json!("open"));
    }
    let read = come_to(json!(["read", "sst", 0, 100]), &json!(SORTED));
    let write = come_to(json!(["write", "log", LOG.len(), MORE]), &json!(MORE.len()));
    let sync = come_to(json!(["sync", "log"]), &nothing);
    let create = come_to(json!(["open", "created", "db/created", "c"]), &nothing);
    let rename = come_to(json!(["rename", "db/old", "db/renamed"]), &nothing);
    let remove = come_to(json!(["remove", "db/gone"]), &nothing);
    let space = match user.ask(&json!(["space", "."])) {
        Ok(blocks) if blocks == 0 => "none".to_owned(),
        Ok(_) => "ok".to_owned(),
        Err(errno) => errno,
    };
    vec![size, list, open, read, write, sync, create, rename, remove, space]
}

#[test]
fn each_fault_is_seen_as_the_table_says_and_is_gone_when_it_has_ended() {
    if !may_mount() {
        return;
    }
    for Row {
        fault,
        sees,
        log_is_right,
    } in table()
    {
        let rig = Rig::new(1);
        let mut user = rig.user();
        prepare(&mut user);
        rig.mount.inject(fault);
        let seen = operate(&mut user);
        assert_eq!(seen, sees, "{fault:?}: {OPERATIONS:?}");
        rig.mount.heal();

        let mut expected = [LOG, MORE].concat();
        if sees[4] != "ok" {
            expected.truncate(LOG.len());
        }
        let log = user.does(json!(["read", "log", 0, 1_000]));
        assert_eq!(log == expected, log_is_right, "{fault:?}: {log}");
        assert_eq!(user.does(json!(["read", "sst", 0, 1_000])), SORTED, "{fault:?}");
        let mut names = NAMES.to_vec();
        for (at, gone, new) in [
            (6, None, Some("created")),
            (7, Some("old"), Some("renamed")),
            (8, Some("gone"), None),
        ] {
            if sees[at] == "ok" {
                names.retain(|name| Some(*name) != gone);
                names.extend(new);
            }
        }
        names.sort_unstable();
        assert_eq!(user.does(json!(["list", "db"])), json!(names), "{fault:?}");
    }
}

#[test]
fn a_link_that_flaps_is_up_and_down_and_up() {
    if !may_mount() {
        return;
    }
    let rig = Rig::new(1);
    let mut user = rig.user();
    prepare(&mut user);
    let error = LinkError::Stale;
    let [up, down] = [Duration::from_millis(200); 2];
    rig.mount.inject(Fault::Flapping { up, down, error });
    let deadline = Instant::now() + PATIENCE;
    for wanted in ["ok", "ESTALE", "ok", "ESTALE"] {
        while compared(user.ask(&json!(["read", "sst", 0, 100])), &json!(SORTED)) != wanted {
            assert!(Instant::now() < deadline, "it is never {wanted}");
        }
    }
}

#[test]
fn a_call_that_hangs_holds_up_no_other_and_is_done_when_the_hang_ends() {
    if !may_mount() {
        return;
    }
    let rig = Rig::new(1);
    let (mut user, mut other) = (rig.user(), rig.user());
    prepare(&mut user);
    let calls = Calls::Syncs;
    rig.mount.inject(Fault::Hang { calls, lasting: None });
    user.does(json!(["write", "log", 0, "B"]));
    user.begin(&json!(["sync", "log"]));
    rig.see_held_up();
    for number in 0..50 {
        other.does(json!(["open", "x", format!("db/{number}"), "c"]));
        other.does(json!(["write", "x", 0, "x"]));
    }
    assert!(user.is_waiting());
    rig.mount.heal();
    assert_eq!(user.end(), Ok(Value::Null));
}

#[test]
fn a_hang_for_ever_ends_with_the_connection_and_the_mount_comes_back_with_all_files() {
    if !may_mount() {
        return;
    }
    let mut rig = Rig::new(1);
    let mut user = rig.user();
    prepare(&mut user);
    let calls = Calls::All;
    rig.mount.inject(Fault::Hang { calls, lasting: None });
    user.begin(&json!(["read", "log", 0, 1]));
    rig.see_held_up();
    rig.mount.abort().expect("it can be aborted");
    assert_eq!(user.end(), Err("ECONNABORTED".to_owned()));
    assert_eq!(user.ask(&json!(["size", "db/CURRENT"])), Err("ENOTCONN".to_owned()));
    rig.mount.heal();
    rig.mount.remount().expect("it can be mounted again");
    assert_eq!(user.ask(&json!(["read", "log", 0, 1])), Err("ENOTCONN".to_owned()));
    let mut next = rig.user();
    assert_eq!(next.does(json!(["list", "db"])), json!(NAMES));
}

#[test]
fn a_process_that_hangs_can_be_killed_and_its_server_does_not_wait_for_itself() {
    if !may_mount() {
        return;
    }
    let rig = Rig::new(1);
    let mut user = rig.user();
    prepare(&mut user);
    let calls = Calls::All;
    rig.mount.inject(Fault::Hang { calls, lasting: None });
    let own = std::fs::metadata(rig.mount.at().join("db")).map(drop);
    assert_eq!(own.map_err(|error| error.raw_os_error()), Err(Some(nix::libc::EDEADLK)));
    user.begin(&json!(["write", "log", 0, "B"]));
    rig.see_held_up();
    user.kill(&rig.mount);
    assert_eq!(rig.behind("db/000001.log"), LOG, "what hung has no effect");
}

#[test]
fn bits_rot_in_files_of_the_kind_that_was_named() {
    if !may_mount() {
        return;
    }
    let rig = Rig::new(1);
    let mut user = rig.user();
    prepare(&mut user);
    user.put("manifest", "db/MANIFEST-000003", "the manifest");
    user.put("blob", "db/000004.blob", "a body");
    user.put("identity", "holdfast-shelf", "which shelf");
    for (kind, label, text) in [
        (FileKind::Wal, "log", LOG),
        (FileKind::Sst, "sst", SORTED),
        (FileKind::Blob, "blob", "a body"),
        (FileKind::Manifest, "manifest", "the manifest"),
        (FileKind::Current, "current", "MANIFEST-000003"),
        (FileKind::Identity, "identity", "which shelf"),
    ] {
        assert_eq!(user.does(json!(["read", label, 0, 100])), text, "{kind:?} before");
        let rotten = rig.mount.rot(Files::Of(kind), 5, 3).expect("files can be changed");
        assert_eq!(rotten.len(), 1, "{kind:?}: {rotten:?}");
        let read = user.does(json!(["read", label, 0, 100]));
        let read: Vec<u8> = read
            .as_str()
            .expect("a text")
            .chars()
            .map(|letter| letter as u8)
            .collect();
        let wrong: u32 = read
            .iter()
            .zip(text.as_bytes())
            .map(|(a, b)| (a ^ b).count_ones())
            .sum();
        assert_eq!((read.len(), wrong), (text.len(), 1), "{kind:?}");
    }
}

#[test]
fn calls_and_bytes_are_counted_by_kind() {
    if !may_mount() {
        return;
    }
    let rig = Rig::new(1);
    let mut user = rig.user();
    prepare(&mut user);
    user.does(json!(["read", "log", 0, 5]));
    rig.mount.inject(Fault::Full);
    user.ask(&json!(["write", "log", 0, "refused"]))
        .expect_err("it is full");
    let counts = rig.mount.counts();
    let written = counts.of(Call::Write, FileKind::Wal);
    assert_eq!((written.calls, written.failed, written.bytes), (2, 1, LOG.len() as u64));
    let read = counts.of(Call::Read, FileKind::Wal);
    assert_eq!((read.calls, read.failed, read.bytes), (1, 0, 5));
    assert_eq!(counts.of(Call::Read, FileKind::Sst).calls, 0);
    assert!(counts.of_call(Call::Sync).calls >= 12);
}
