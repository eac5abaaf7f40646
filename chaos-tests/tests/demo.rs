//! The demo as people meet it: real processes on real disks. Mail goes in at one node and is read at another, a node is
//! killed and started again by the command that the demo shows, and the next demo on the same directory finds all mail.

use std::process::Command;

use chaos_tests::process::client::{Dialect, Pop3, Smtp};
use chaos_tests::process::{Cluster, Shape};
use serde_json::Value;

fn deliver(cluster: &Cluster, node: u16, to: &str, message: &str) {
    let mut session = Smtp::connect(cluster.port(node, 25), Dialect::Smtp).expect("the node listens");
    let outcomes = session.deliver("sender@example.org", &[to.to_owned()], message.as_bytes());
    assert!(outcomes[0].is_ok(), "{outcomes:?}");
    session.quit().expect("an orderly end");
}

/// Unique id and text of the only message of the first account, as a node shows it.
fn only_message(cluster: &Cluster, node: u16) -> (String, String) {
    let mut session = Pop3::log_in_patiently(cluster.port(node, 110), "user1@demo.test", "demo");
    let rows = session.uidl().expect("a list");
    let [(number, id)] = rows.as_slice() else {
        panic!("not one message: {rows:?}")
    };
    let message = session.retrieve(*number).expect("the message");
    session.quit().expect("an orderly end");
    (id.clone(), String::from_utf8(message).expect("ASCII"))
}

#[test]
fn mail_outlives_the_kill_of_a_node_and_the_end_of_the_demo() {
    let mut demo = Cluster::start(Shape::SMALL);
    let (status, code) = demo.status();
    assert_eq!(code, Some(0), "{status:#}");
    assert_eq!(status["survives_now"], "the loss of any one node with all its shelves");

    // The system group keeps what certificates are issued with, and the recovery key opens it.
    let (_, recovery_key) = demo.said("recovery key of this cluster").rsplit_once(' ').unwrap();
    let out = demo.dir().join("new-n2");
    let arguments = ["ca", "issue", "--node", "n2", "--out", out.to_str().unwrap()];
    let issued = demo.tool_reading(recovery_key, &arguments);
    assert!(issued.status.success(), "{}", String::from_utf8_lossy(&issued.stderr));
    assert!(out.join("node.key").is_file());

    // In at one node, out at another, byte for byte.
    let text = "Subject: kept\r\nMessage-ID: <kept@example.org>\r\n\r\nHello.\r\n.. and a dot\r\n";
    deliver(&demo, 1, "user1@demo.test", text);
    let (uidl, message) = only_message(&demo, 2);
    assert!(message.ends_with(text), "{message}");

    // The node where it came in is killed: it stays down, and the mail is there.
    demo.kill(1);
    let again = only_message(&demo, 2);
    assert_eq!(again, (uidl.clone(), message.clone()));
    let down = demo.line("n1 is down; start it: ");
    let (status, code) = demo.status();
    assert_eq!(
        (code, &status["nodes"][0]["state"]),
        (Some(3), &Value::from("down")),
        "{status:#}"
    );
    deliver(&demo, 3, "user2@demo.test", "Subject: meanwhile\r\n\r\n");

    // The command that the demo shows brings it back, with everything.
    let (_, command) = down.split_once("start it: ").unwrap();
    let mut by_hand = Command::new("sh")
        .args(["-c", &format!("exec {command} 2>/dev/null")])
        .spawn()
        .unwrap();
    demo.line("n1 is up");
    assert_eq!(only_message(&demo, 1), (uidl.clone(), message.clone()));
    let check = demo.tool(&["check"]);
    let checked = String::from_utf8(check.stdout).unwrap();
    assert!(check.status.success() && checked.contains("group 3\tok"), "{checked}");
    let trace = demo.tool(&["trace", "kept@example.org"]);
    let trace = String::from_utf8(trace.stdout).unwrap();
    assert!(
        trace.contains("accepted") && trace.contains("<user1@demo.test>"),
        "{trace}"
    );

    // The end is orderly, for the node that was started by hand, too.
    assert!(demo.stop().iter().all(|status| status.success()));
    assert!(by_hand.wait().unwrap().success());
    assert!(demo.nodes().all(|node| !demo.node_dir(node).join("pid").exists()));

    // Another demo on the same directory is the same cluster.
    let ready = demo.start_demo();
    assert!(
        ready.starts_with("ready: 3 nodes, 6 shelves, 4 groups, 2 accounts in "),
        "{ready}"
    );
    assert_eq!(only_message(&demo, 3), (uidl, message));
    assert!(demo.stop().iter().all(|status| status.success()));
}
