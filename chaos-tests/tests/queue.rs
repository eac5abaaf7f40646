//! A message for people of whom some are out of reach (DESIGN M13): the groups of a cluster do not all live on the same
//! nodes, so two nodes that are down take the majority from some groups and not from others.

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use chaos_tests::process::client::{Dialect, Pop3, Smtp};
use chaos_tests::process::{Cluster, Shape};
use serde_json::Value;

const SHAPE: Shape = Shape {
    nodes: 5,
    shelves: 1,
    groups: 5,
    accounts: 10,
};

/// For how long a queued message may take to arrive; a delivery is tried every five minutes at least.
const ARRIVES_WITHIN: Duration = Duration::from_secs(420);

/// The nodes that hold replicas of each group, the system group first.
fn placement(status: &Value) -> Vec<BTreeSet<u16>> {
    let number = |replica: &Value| replica["node"].as_str().unwrap()[1..].parse().unwrap();
    let groups = status["groups"].as_array().unwrap().iter();
    groups
        .map(|group| group["replicas"].as_array().unwrap().iter().map(number).collect())
        .collect()
}

/// Two nodes without which the system group and some mail group work, and another one does not.
fn two_to_kill(placement: &[BTreeSet<u16>]) -> [u16; 2] {
    let works = |group: &BTreeSet<u16>, down: [u16; 2]| {
        let left = group.iter().filter(|node| !down.contains(node)).count();
        2 * left > group.len()
    };
    let pairs = (1..=SHAPE.nodes).flat_map(|one| (one + 1..=SHAPE.nodes).map(move |other| [one, other]));
    let splits = |down: &[u16; 2]| {
        let mail: Vec<_> = placement[1..].iter().map(|group| works(group, *down)).collect();
        works(&placement[0], *down) && mail.contains(&true) && mail.contains(&false)
    };
    pairs
        .into_iter()
        .find(splits)
        .expect("groups are spread over the nodes")
}

/// How many messages an account has, at a node that knows.
fn count(cluster: &Cluster, node: u16, account: usize) -> usize {
    let mut session = Pop3::log_in_patiently(cluster.port(node, 110), &format!("user{account}@demo.test"), "demo");
    let count = session.uidl().expect("a list").len();
    session.quit().expect("an orderly end");
    count
}

/// What `holdfast queue` lists.
fn waiting(cluster: &Cluster) -> Vec<Value> {
    let listed = cluster.tool(&["queue", "--json"]);
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    serde_json::from_slice(&listed.stdout).expect("JSON")
}

/// The same, once the nodes that list have heard of what was done just now.
fn waiting_at_last(cluster: &Cluster) -> Vec<Value> {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let waiting = waiting(cluster);
        if waiting.is_empty() || Instant::now() > deadline {
            return waiting;
        }
        thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn m13_who_is_out_of_reach_gets_the_message_later_and_once() {
    let mut cluster = Cluster::start(SHAPE);
    let placement = placement(&cluster.status().0);
    let down = two_to_kill(&placement);
    let front = cluster.nodes().find(|node| !down.contains(node)).unwrap();
    cluster.kill_all(&down);

    let everybody: Vec<_> = (1..=SHAPE.accounts)
        .map(|account| format!("user{account}@demo.test"))
        .collect();
    let large = format!("Subject: large\r\n\r\n{}", "a line of text\r\n".repeat(40_000));
    let messages = ["Subject: small\r\n\r\nx\r\n", large.as_str()];
    let mut session = Smtp::connect(cluster.port(front, 25), Dialect::Smtp).expect("the node listens");
    for message in messages {
        // While groups are led anew the reply is 451, and the client tries again.
        let deadline = Instant::now() + ARRIVES_WITHIN;
        let taken = loop {
            match session
                .deliver("sender@example.org", &everybody, message.as_bytes())
                .swap_remove(0)
            {
                Ok(taken) => break taken,
                Err(trouble) if trouble.is_temporary() && Instant::now() < deadline => {}
                Err(trouble) => panic!("{trouble}"),
            }
        };
        assert!(taken.contains("queued as "), "{taken}");
    }
    session.quit().expect("an orderly end");
    let waiting = waiting(&cluster);
    assert!(
        !waiting.is_empty() && waiting.len() < messages.len() * everybody.len(),
        "{waiting:#?}"
    );
    assert!(
        waiting.iter().all(|row| row["sender"] == "sender@example.org"),
        "{waiting:#?}"
    );

    // The whole cluster falls and rises: what was taken is there.
    let all: Vec<_> = cluster.nodes().collect();
    let rest: Vec<_> = all.iter().copied().filter(|node| !down.contains(node)).collect();
    cluster.kill_all(&rest);
    for node in &all {
        cluster.start_node(*node);
    }
    for node in &all {
        cluster.wait_until_up(*node);
    }
    cluster.wait_until_led();
    let deadline = Instant::now() + ARRIVES_WITHIN;
    for account in 1..=everybody.len() {
        while count(&cluster, front, account) < messages.len() {
            assert!(
                Instant::now() < deadline,
                "user{account} does not get a message that was taken"
            );
            thread::sleep(Duration::from_millis(500));
        }
    }
    for account in 1..=everybody.len() {
        assert_eq!(count(&cluster, down[0], account), messages.len(), "user{account}");
    }
    assert_eq!(waiting_at_last(&cluster), Vec::<Value>::new());
    let check = cluster.tool(&["check"]);
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stdout));
    let trace = cluster.tool(&["trace", "sender@example.org"]);
    let trace = String::from_utf8(trace.stdout).unwrap();
    assert!(trace.contains("queued"), "{trace}");
}
