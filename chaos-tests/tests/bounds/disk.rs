//! Disks that fill up: growth is refused while most replicas have no room, deleting and reading go on, and all is well
//! again once there is room (DESIGN D12).

use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use chaos_tests::process::client::{Dialect, Smtp, Trouble};
use chaos_tests::process::limits::{LOOK_EVERY, PATIENCE};
use chaos_tests::process::{Cluster, Shape};

use crate::support::{Beside, RawImap};

const THREE: Shape = Shape {
    nodes: 3,
    shelves: 1,
    groups: 1,
    accounts: 3,
};
/// Runs a program for which the directory in `$0` is a small file system of its own, with the same files.
const SMALL: &str = r#"was="$0.was" && mkdir "$was" && mount --bind "$0" "$was" &&
    mount -t tmpfs -o size=512m small "$0" && cp -a "$was/." "$0" && exec "$@""#;

struct Rig {
    cluster: Cluster,
}

impl Rig {
    /// A cluster whose nodes, once they are started again, take shelves for full as nodes do that are not of a demo.
    fn new() -> Self {
        let cluster = Cluster::start(THREE);
        let path = cluster.dir().join("cluster.toml");
        let file = fs::read_to_string(&path).expect("it is there");
        let usual = file.replace("shelf_full_percent = 99", "shelf_full_percent = 95");
        assert_ne!(usual, file);
        fs::write(&path, usual).expect("writes");
        Self { cluster }
    }

    /// Starts a node again with its shelf on a small file system.
    fn shrink(&mut self, node: u16) {
        let shelf = self.cluster.node_dir(node).join("shelf1");
        self.cluster.kill(node);
        let wrapper = ["unshare", "--mount", "--map-root-user", "sh", "-c", SMALL].map(OsStr::new);
        let wrapper = [&wrapper[..], &[shelf.as_os_str()]].concat();
        self.cluster.start_node_under(node, &wrapper);
        self.cluster.wait_until_up(node);
    }

    /// What fills a node's shelf: nothing of ours, as when backups land on the wrong disk. The node sees another file
    /// system there than this process does.
    fn filler(&self, node: u16) -> PathBuf {
        let shelf = self.cluster.node_dir(node).join("shelf1/backup.tar");
        let root = PathBuf::from(format!("/proc/{}/root", self.cluster.pid(node)));
        root.join(shelf.strip_prefix("/").expect("it is absolute"))
    }

    /// Fills a node's shelf up to so many percent.
    fn fill(&self, node: u16, percent: u64) {
        let filler = self.filler(node);
        let dir = filler.parent().expect("it is in a directory");
        let room = nix::sys::statvfs::statvfs(dir).expect("it is mounted");
        let (all, free) = (room.blocks(), room.blocks_free());
        let bytes = (free - all * (100 - percent) / 100) * room.fragment_size();
        fs::write(&filler, vec![0; usize::try_from(bytes).expect("a few hundred MB")]).expect("there is room");
    }

    fn empty(&self, node: u16) {
        fs::remove_file(self.filler(node)).expect("it is there");
    }

    /// Waits until the operator's tool says of a node's shelf that it is so.
    fn wait_for_shelf(&self, node: u16, state: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (status, _) = self.cluster.status();
            let shelf = &status["nodes"][usize::from(node) - 1]["shelves"][0];
            if shelf["state"] == state {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "the shelf of n{node} is not {state}: {shelf}"
            );
            thread::sleep(LOOK_EVERY);
        }
    }

    fn deliver(&self) -> Result<(), Trouble> {
        let mut sender = Smtp::connect(self.cluster.port(1, 24), Dialect::Lmtp)?;
        let to = ["user1@demo.test".to_owned()];
        let outcomes = sender.deliver("somebody@client.example", &to, b"Subject: x\r\n\r\nx\r\n");
        outcomes.into_iter().try_for_each(|outcome| outcome.map(drop))
    }

    /// Delivers until it is done, or not, as wanted: shelves are looked at every few seconds.
    fn deliver_until(&self, what: &str, is_wanted: impl Fn(&Result<(), Trouble>) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let outcome = self.deliver();
            if is_wanted(&outcome) {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "{what}: the last delivery came to {outcome:?}"
            );
            thread::sleep(LOOK_EVERY);
        }
    }
}

#[test]
fn a_shelf_without_any_room_stops_and_comes_back_with_what_it_has_once_there_is_room() {
    let mut rig = Rig::new();
    rig.shrink(2);
    rig.cluster.wait_until_led();
    let beside = Beside::start(&rig.cluster, 1);
    rig.fill(2, 100);
    rig.wait_for_shelf(2, "failed");
    beside.was_served();
    rig.empty(2);
    rig.wait_for_shelf(2, "ok");
    // From here on nothing is committed without it.
    rig.cluster.kill(3);
    rig.deliver_until("what came back is one of two", Result::is_ok);
    Beside::start(&rig.cluster, 1).was_served();
}

#[test]
fn full_shelves_take_no_more_mail_and_still_let_it_go_until_there_is_room() {
    let mut rig = Rig::new();
    for node in [2, 3] {
        rig.shrink(node);
    }
    rig.cluster.wait_until_led();
    rig.deliver_until("at first there is room", Result::is_ok);
    rig.deliver_until("and for two", Result::is_ok);

    // One of three: the others are a majority.
    rig.fill(2, 96);
    thread::sleep(Duration::from_secs(5));
    Beside::start(&rig.cluster, 1).was_served();

    rig.fill(3, 96);
    let no_space =
        |outcome: &Result<(), Trouble>| matches!(outcome, Err(Trouble::Refused(text)) if text.starts_with("452 4.3.1"));
    rig.deliver_until("two of three shelves are full", no_space);
    let (status, code) = rig.cluster.status();
    let reason = status["nodes"][2]["shelves"][0]["reason"].as_str().unwrap_or_default();
    assert!(reason.starts_with("full: ") && code != Some(0), "{status:#}");
    let mut session = RawImap::log_in(&rig.cluster, 1, "user1@demo.test");
    let end = session.ask("APPEND INBOX {6+}\r\na: b\r\n");
    assert!(end.starts_with("NO [UNAVAILABLE] there is no space"), "{end}");
    let end = session.ask(&format!("APPEND INBOX {{3000000+}}\r\n{}", "a: b\r\n".repeat(500_000)));
    assert!(
        end.starts_with("NO [UNAVAILABLE] there is no space"),
        "a large one: {end}"
    );
    for command in [
        "SELECT INBOX",
        "FETCH 1:* (FLAGS BODY.PEEK[HEADER])",
        "STORE 1 +FLAGS.SILENT (\\Deleted)",
        "EXPUNGE",
    ] {
        session
            .send(format!("t {command}\r\n").as_bytes())
            .expect("it is taken");
        let end = loop {
            let line = session.line();
            if let Some(end) = line.strip_prefix("t ") {
                break end.to_owned();
            }
        };
        assert!(end.starts_with("OK"), "{command}: {end}");
    }

    rig.empty(3);
    rig.deliver_until("there is room again", Result::is_ok);
    Beside::start(&rig.cluster, 1).was_served();
    let (status, _) = rig.cluster.status();
    assert!(
        status["groups"]
            .as_array()
            .expect("a list")
            .iter()
            .all(|group| group["leader"].is_string())
    );
}
