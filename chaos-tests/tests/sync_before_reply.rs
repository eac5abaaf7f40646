//! An acknowledgement is durable on a majority: the calls to the kernel that lie between the end of a message and its
//! `250`, over SMTP and LMTP.

use std::path::PathBuf;

use chaos_tests::process::client::{Dialect, Smtp};
use chaos_tests::process::{Cluster, Shape};
use chaos_tests::trace::{Call, Tracer, acknowledgements, may_trace, shelves_with};

/// Set on a machine on which no process may look at another, this leaves the test out.
const EXCEPTION: &str = "HOLDFAST_WITHOUT_PTRACE";
/// A majority of three replicas.
const SHELVES_AT_LEAST: usize = 2;
/// Messages of each protocol; the last one takes several pieces of 256 KiB.
const MESSAGES: usize = 6;
const LARGE_BYTES: usize = 600_000;

#[test]
fn a_message_is_synced_on_two_shelves_between_its_end_and_the_reply() {
    if let Err(reason) = may_trace() {
        assert!(
            std::env::var_os(EXCEPTION).is_some(),
            "strace does not work here: {reason}\nOn a machine that forbids ptrace, set {EXCEPTION}=1 to leave this test out."
        );
        eprintln!("left out, as {EXCEPTION} says: {reason}");
        return;
    }
    let mut cluster = Cluster::start(Shape::SMALL);
    let tracer = Tracer::restart(&mut cluster);
    let smtp = send(&cluster, Dialect::Smtp, 1, 25);
    let lmtp = send(&cluster, Dialect::Lmtp, 2, 24);
    assert!(cluster.stop().iter().all(|status| status.success()));

    let calls = tracer.calls();
    let shelves = shelves(&cluster);
    ensure_synced(&calls, cluster.port(1, 25), &smtp, &shelves);
    ensure_synced(&calls, cluster.port(2, 24), &lmtp, &shelves);
}

/// Delivers messages one after the other; gives what is in each of them and in nothing else.
fn send(cluster: &Cluster, dialect: Dialect, node: u16, standard_port: u16) -> Vec<String> {
    let mut session = Smtp::connect(cluster.port(node, standard_port), dialect).expect("the node listens");
    let markers: Vec<String> = (1..=MESSAGES)
        .map(|number| format!("marker-{dialect:?}-{number}-end"))
        .collect();
    for (number, marker) in markers.iter().enumerate() {
        let line = "All work and no play makes Jack a dull boy.\r\n";
        let lines = if number + 1 == MESSAGES {
            LARGE_BYTES / line.len()
        } else {
            number
        };
        let message = format!("Subject: {marker}\r\n\r\n{}", line.repeat(lines));
        let to = format!("user{}@demo.test", number % 2 + 1);
        let outcomes = session.deliver("sender@example.org", &[to], message.as_bytes());
        assert!(outcomes[0].is_ok(), "{outcomes:?}");
    }
    session.quit().expect("an orderly end");
    markers
}

/// Directories of all shelves, as the kernel names them.
fn shelves(cluster: &Cluster) -> Vec<PathBuf> {
    let of_node = |node: u16| (1..=Shape::SMALL.shelves).map(move |shelf| (node, shelf));
    let dir = |(node, shelf)| cluster.node_dir(node).join(format!("shelf{shelf}"));
    let dirs = cluster.nodes().flat_map(of_node).map(dir);
    dirs.map(|dir| dir.canonicalize().expect("the shelf is there"))
        .collect()
}

fn ensure_synced(calls: &[Call], port: u16, markers: &[String], shelves: &[PathBuf]) {
    let acknowledgements = acknowledgements(calls, port);
    assert_eq!(
        acknowledgements.len(),
        markers.len(),
        "ends of data in the trace: {acknowledgements:#?}"
    );
    for (acknowledgement, marker) in acknowledgements.iter().zip(markers) {
        let reply = &acknowledgement.reply.arguments;
        assert!(reply.contains("\"250 2.0.0 "), "{marker}: {reply}");
        let took_us = acknowledgement.reply.began_us - acknowledgement.end_of_data.ended_us;
        let synced = shelves_with(calls, acknowledgement, marker, shelves);
        assert!(
            synced.len() >= SHELVES_AT_LEAST,
            "{marker} was acknowledged after {took_us} us, durable on {synced:?} alone"
        );
    }
}
