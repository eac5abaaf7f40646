//! The unit file for systemd says what the program takes, grants what it asks for, and confines it as far as it goes.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use cluster_config::limits::CONNECTIONS_HIGH;
use node::limits::{STALLED_AFTER, STOP_WITHIN, descriptors_wanted};

/// Where the unit puts the programs, in these tests.
const BINDIR: &str = "/usr/local/bin";
/// Of 10, by `systemd-analyze security`; below 2 is what it calls OK. A node needs the network and a low port.
const EXPOSURE_MAX: f64 = 1.9;

fn packaging() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging")
}

/// The unit as it is installed.
fn unit_text() -> String {
    let text = fs::read_to_string(packaging().join("holdfast-node@.service")).expect("the unit file is there");
    text.replace("@BINDIR@", BINDIR)
        .replace("@DOCDIR@", "/usr/local/share/doc/holdfast")
}

/// Keys and their values, in the order of the file.
fn unit() -> BTreeMap<String, Vec<String>> {
    let mut unit: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in unit_text().lines().filter(|line| !line.starts_with('#')) {
        if let Some((key, value)) = line.split_once('=') {
            unit.entry(key.to_owned()).or_default().push(value.to_owned());
        }
    }
    unit
}

fn one(key: &str) -> String {
    let unit = unit();
    let values = unit.get(key).unwrap_or_else(|| panic!("the unit has no {key}"));
    assert_eq!(values.len(), 1, "{key}");
    values[0].clone()
}

/// A span as systemd writes it: seconds, or with a unit.
fn seconds(key: &str) -> u64 {
    let text = one(key);
    let (number, factor) = match text.strip_suffix("min") {
        Some(number) => (number, 60),
        None => (text.as_str(), 1),
    };
    number.parse::<u64>().expect("a number") * factor
}

fn run_as_the_unit_says(config: &Path) -> Output {
    let line = one("ExecStart").replace("%i", "n1");
    let mut words = line.split_whitespace();
    assert_eq!(words.next(), Some("/usr/local/bin/holdfast-node"));
    let arguments = words.map(|word| match word {
        "/etc/holdfast/cluster.toml" => config.as_os_str().to_owned(),
        word => word.into(),
    });
    let mut node = Command::new(env!("CARGO_BIN_EXE_holdfast-node"));
    node.args(arguments).output().expect("the program runs")
}

#[test]
fn the_program_takes_the_command_line_of_the_unit() {
    let dir = tempfile::tempdir().expect("a directory");
    let missing = dir.path().join("cluster.toml");
    let output = run_as_the_unit_says(&missing);
    let said = String::from_utf8_lossy(&output.stderr);
    // It gets as far as the file; a wrong option would end it with 2 before that.
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(&missing.display().to_string()), "{said}");
}

#[test]
fn the_unit_grants_what_a_node_asks_for_and_waits_for_it() {
    let descriptors: u64 = one("LimitNOFILE").parse().expect("a number");
    assert!(descriptors >= descriptors_wanted(CONNECTIONS_HIGH), "{descriptors}");
    assert!(Duration::from_secs(seconds("TimeoutStopSec")) > STOP_WITHIN);
    assert!(
        Duration::from_secs(seconds("WatchdogSec")) > 4 * STALLED_AFTER,
        "a disk that hangs is a shelf's end, not the node's"
    );
    assert_eq!(one("AmbientCapabilities"), "CAP_NET_BIND_SERVICE");
    assert_eq!(one("CapabilityBoundingSet"), "CAP_NET_BIND_SERVICE");
    for family in ["AF_INET", "AF_INET6", "AF_UNIX"] {
        assert!(one("RestrictAddressFamilies").contains(family));
    }
}

#[test]
fn user_and_directories_of_the_unit_are_those_that_are_made() {
    let read = |name: &str| fs::read_to_string(packaging().join(name)).expect("is there");
    let (users, files) = (read("holdfast.sysusers.conf"), read("holdfast.tmpfiles.conf"));
    let user = one("User");
    assert!(users.contains(&format!("\nu {user} ")), "{users}");
    let state = format!("d /var/lib/{} 0700 {user} {user}", one("StateDirectory"));
    assert!(files.contains(&state), "{files}");
    let shelves = one("ReadWritePaths");
    let shelves = shelves.trim_start_matches('-');
    assert!(files.contains(&format!("d {shelves} ")), "{files}");
}

#[test]
fn systemd_takes_the_unit_and_finds_the_node_confined() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("holdfast-node@n1.service");
    // What it verifies includes that the programs are there.
    let own = Path::new(env!("CARGO_BIN_EXE_holdfast-node"));
    let bindir = own.parent().expect("it is in a directory");
    let docs = dir.path().join("quickstart.md");
    fs::write(&docs, "").expect("writes");
    let text = unit_text()
        .replace(BINDIR, &bindir.display().to_string())
        .replace("/usr/local/share/doc/holdfast", &dir.path().display().to_string());
    fs::write(&path, text).expect("writes");
    let analyze = |arguments: &[&str]| {
        let mut analyze = Command::new("systemd-analyze");
        let output = analyze.args(arguments).arg(&path).output();
        let output = output.expect("systemd-analyze is there, as .ci/packages wants it");
        let both = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&both).into_owned())
    };
    let (is_right, said) = analyze(&["verify", "--man=no"]);
    let of_ours: Vec<&str> = said.lines().filter(|line| line.contains("holdfast")).collect();
    assert!(is_right && of_ours.is_empty(), "{said}");
    let (_, said) = analyze(&["security", "--offline=yes", "--no-pager"]);
    let (_, exposure) = said.rsplit_once("Overall exposure level for ").expect("a last line");
    let number = exposure.split_whitespace().nth(1).expect("a number");
    let number: f64 = number.parse().unwrap_or_else(|_| panic!("{exposure}"));
    assert!(number <= EXPOSURE_MAX, "{said}");
}

/// `Type=notify` needs it. What a node says once it serves is seen in `chaos-tests/tests/quickstart.rs`.
#[test]
fn a_node_that_cannot_start_does_not_say_that_it_is_ready() {
    assert_eq!(one("Type"), "notify");
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("notify");
    let socket = UnixDatagram::bind(&path).expect("binds");
    socket.set_nonblocking(true).expect("is set");
    let output = Command::new(env!("CARGO_BIN_EXE_holdfast-node"))
        .args(["--config", "/dev/null", "--node", "n1"])
        .env("NOTIFY_SOCKET", &path)
        .output();
    assert!(!output.expect("the program runs").status.success());
    assert!(socket.recv(&mut [0; 64]).is_err(), "it said something");
}
