//! What a node is started with and cannot use: it says so, with file, key and remedy, and ends; the others serve.

use std::ffi::OsStr;
use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::path::Path;

use chaos_tests::process::{Cluster, Shape};
use rcgen::{CertificateParams, KeyPair, date_time_ymd};

use crate::support::Beside;

const THREE: Shape = Shape {
    nodes: 3,
    shelves: 1,
    groups: 1,
    accounts: 3,
};
/// Runs a program for which the directory in `$0` can only be read, whatever the rights of the user.
const READ_ONLY: &str = r#"mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@""#;

/// A cluster of which the third node is down.
struct Rig {
    cluster: Cluster,
}

impl Rig {
    fn start_says(&mut self, file: &str, parts: &[&str]) {
        self.start_under_says(file, &[], parts);
    }

    fn start_under_says(&mut self, file: &str, wrapper: &[&OsStr], parts: &[&str]) {
        let file = self.cluster.dir().join(file);
        let said = self.cluster.run_failing_node(3, &file, wrapper);
        for part in parts {
            assert!(said.contains(part), "{part:?} is not said:\n{said}");
        }
    }

    /// Has another file in the place of one of the third node's, for as long as `test` takes.
    fn with_file(&mut self, name: &str, contents: &[u8], test: impl FnOnce(&mut Self)) {
        let path = self.cluster.node_dir(3).join(name);
        let right = fs::read(&path).expect("it was founded");
        fs::write(&path, contents).expect("writes");
        test(self);
        fs::write(&path, right).expect("writes");
    }

    fn file_of(&self, node: u16, name: &str) -> Vec<u8> {
        fs::read(self.cluster.node_dir(node).join(name)).expect("it was founded")
    }
}

#[test]
fn a_node_that_cannot_start_says_why_and_the_others_serve() {
    let mut rig = Rig {
        cluster: Cluster::start(THREE),
    };
    rig.cluster.kill(3);
    let beside = Beside::start(&rig.cluster, 1);
    cluster_files(&mut rig);
    taken_ports(&mut rig);
    shelves(&mut rig);
    certificates(&mut rig);
    rig.cluster.start_node(3);
    rig.cluster.wait_until_up(3);
    beside.was_served();
}

fn cluster_files(rig: &mut Rig) {
    rig.start_says("none.toml", &["none.toml", "No such file"]);
    let odd = rig.cluster.dir().join("odd.toml");
    fs::write(&odd, "[[node]\nname =").expect("writes");
    rig.start_says("odd.toml", &["odd.toml:1", "docs/cluster-file.md"]);
    fs::write(&odd, b"[cluster]\nname = \"\xff\"").expect("writes");
    rig.start_says("odd.toml", &["odd.toml"]);
    let file = fs::read_to_string(rig.cluster.dir().join("cluster.toml")).expect("it is there");
    let (base, other) = (rig.cluster.port(3, 0), rig.cluster.port(2, 0));
    let clash = file.replace(&format!("base_port = {base}"), &format!("base_port = {other}"));
    fs::write(&odd, clash).expect("writes");
    let imap = format!("port {} is also that of imap on node n2", other + 143);
    rig.start_says("odd.toml", &[&imap, "choose another port"]);
}

fn taken_ports(rig: &mut Rig) {
    let at = ("127.0.0.1", rig.cluster.port(3, 143));
    let other = TcpListener::bind(at).expect("n3 is down");
    let taken = format!("take the imap port 127.0.0.1:{}", at.1);
    rig.start_says("cluster.toml", &[&taken, "another port"]);
    drop(other);
    let other = UdpSocket::bind(("127.0.0.1", rig.cluster.port(3, 900))).expect("n3 is down");
    let port = rig.cluster.port(3, 900).to_string();
    rig.start_says("cluster.toml", &[&port, "in use"]);
    drop(other);
}

fn shelves(rig: &mut Rig) {
    const NONE: &str = "none of the shelves of node n3 can be used";
    let shelf = rig.cluster.node_dir(3).join("shelf1");
    let aside = shelf.with_extension("aside");
    fs::rename(&shelf, &aside).expect("moves");
    rig.start_says("cluster.toml", &["n3/shelf1", "is its disk mounted?", NONE]);
    fs::create_dir(&shelf).expect("makes");
    rig.start_says("cluster.toml", &["n3/shelf1", "is its disk mounted?", NONE]);
    assert_eq!(
        fs::read_dir(&shelf).expect("lists").count(),
        0,
        "nothing is written there"
    );
    let identity = fs::read_dir(rig.cluster.node_dir(2).join("shelf1")).expect("lists");
    for entry in identity.filter_map(Result::ok).filter(|entry| entry.path().is_file()) {
        fs::copy(entry.path(), shelf.join(entry.file_name())).expect("copies");
    }
    rig.start_says("cluster.toml", &["n3/shelf1", "belongs to another node", NONE]);
    fs::remove_dir_all(&shelf).expect("removes");
    fs::rename(&aside, &shelf).expect("moves");
    let wrapper = ["unshare", "--mount", "--map-root-user", "sh", "-c", READ_ONLY].map(OsStr::new);
    let wrapper = [&wrapper[..], &[shelf.as_os_str()]].concat();
    rig.start_under_says("cluster.toml", &wrapper, &["n3/shelf1", "Read-only file system", NONE]);
}

fn certificates(rig: &mut Rig) {
    let (other_node, authority) = (rig.file_of(2, "node.pem"), rig.file_of(3, "ca.pem"));
    rig.with_file("node.pem", &other_node, |rig| {
        rig.start_says("cluster.toml", &["the certificate of node n3 is for node"]);
    });
    rig.with_file("service.pem", &authority, |rig| {
        let parts = ["service.key", "is not that of the certificate", "service.pem"];
        rig.start_says("cluster.toml", &parts);
    });
    rig.with_file("service.pem", b"garbage", |rig| {
        rig.start_says("cluster.toml", &["service.pem", "there is none in it"]);
    });
    // Users see a warning; mail goes on.
    let key = KeyPair::generate().expect("random bytes");
    let mut expired = CertificateParams::new(["localhost".to_owned()]).expect("a name");
    expired.not_before = date_time_ymd(2020, 1, 1);
    expired.not_after = date_time_ymd(2021, 1, 1);
    let expired = expired.self_signed(&key).expect("signs").pem();
    rig.with_file("service.pem", expired.as_bytes(), |rig| {
        rig.with_file("service.key", key.serialize_pem().as_bytes(), |rig| {
            rig.cluster.start_node(3);
            rig.cluster.wait_until_up(3);
            Beside::start(&rig.cluster, 3).was_served();
            rig.cluster.kill(3);
        });
    });
    assert_said(
        &rig.cluster.node_dir(3).join("log"),
        &["will not trust this node", "expired"],
    );
}

fn assert_said(log: &Path, parts: &[&str]) {
    let log = fs::read_to_string(log).expect("there is a log");
    let is_said = log.lines().any(|line| parts.iter().all(|part| line.contains(part)));
    assert!(is_said, "{parts:?} is not said:\n{log}");
}
