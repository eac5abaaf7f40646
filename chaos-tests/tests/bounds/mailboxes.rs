//! More mailboxes and flags than anybody has.

use std::fmt::Write as _;

use chaos_tests::process::Cluster;

use crate::support::{ALONE, Beside, Memory, RawImap};

/// What a node may take meanwhile, in bytes.
const BESIDE_BYTES_MAX: u64 = 256 << 20;
/// Mailboxes that somebody asks for, and how many an account may have.
const MAILBOXES: usize = 100_000;
const MAILBOXES_MAX: usize = 5_000;
/// Commands that are on their way at a time.
const PIPELINED: usize = 250;
/// Keywords that one message may have, and one mailbox.
const PER_MESSAGE: usize = 100;
const PER_MAILBOX: usize = 1_000;

#[test]
fn mailboxes_and_names_beyond_the_limit_are_refused_and_those_that_are_there_work() {
    let cluster = Cluster::start(ALONE);
    let beside = Beside::start(&cluster, 1);
    let memory = Memory::of(&cluster, 1);
    let mut session = RawImap::log_in(&cluster, 1, "user1@demo.test");
    let long = format!("CREATE {}", "x".repeat(10_000));
    let end = session.ask(&long);
    assert!(end.starts_with("NO ") || end.starts_with("BAD "), "{end}");
    let end = session.ask(&format!("CREATE {{10000+}}\r\n{}", "x".repeat(10_000)));
    assert!(end.starts_with("NO ") || end.starts_with("BAD "), "{end}");
    let mut created = 0;
    let refusal = (0..MAILBOXES / PIPELINED).find_map(|batch| {
        let mut commands = String::new();
        for number in 0..PIPELINED {
            // Writing to a string cannot fail.
            let _ = write!(commands, "t CREATE m{}\r\n", batch * PIPELINED + number);
        }
        session.send(commands.as_bytes()).expect("it is taken");
        let ends: Vec<_> = (0..PIPELINED).map(|_| session.end()).collect();
        created += ends.iter().filter(|end| end.starts_with("OK")).count();
        ends.into_iter().find(|end| !end.starts_with("OK"))
    });
    let refusal = refusal.expect("not everything is taken");
    assert!(refusal.starts_with("NO [LIMIT]"), "{refusal}");
    assert!(
        created <= MAILBOXES_MAX && created > MAILBOXES_MAX - 20,
        "{created} were made"
    );
    for command in ["SELECT m0", "DELETE m1", "CREATE another"] {
        let end = session.ask(command);
        assert!(end.starts_with("OK"), "{command}: {end}");
    }
    assert!(session.ask("CREATE more").starts_with("NO [LIMIT]"));
    beside.was_served();
    memory.has_grown_by_less_than(BESIDE_BYTES_MAX);
}

#[test]
fn ten_thousand_flags_are_too_many_for_a_message_and_for_a_mailbox() {
    let cluster = Cluster::start(ALONE);
    let beside = Beside::start(&cluster, 1);
    let mut session = RawImap::log_in(&cluster, 1, "user1@demo.test");
    for _ in 0..=PER_MAILBOX / PER_MESSAGE {
        assert!(session.ask("APPEND INBOX {6+}\r\na: b\r\n").starts_with("OK"));
    }
    assert!(session.ask("SELECT INBOX").starts_with("OK"));
    let keywords = |from: usize, count: usize| {
        let names: Vec<_> = (from..from + count).map(|number| format!("k{number}")).collect();
        names.join(" ")
    };
    for message in 0..PER_MAILBOX / PER_MESSAGE {
        let names = keywords(message * PER_MESSAGE, PER_MESSAGE);
        let end = session.ask(&format!("STORE {} +FLAGS.SILENT ({names})", message + 1));
        assert!(end.starts_with("OK"), "message {}: {end}", message + 1);
    }
    let end = session.ask("STORE 1 +FLAGS.SILENT (k999)");
    assert!(end.starts_with("NO [LIMIT]"), "one more for the message: {end}");
    let end = session.ask(&format!("STORE {} +FLAGS.SILENT (new)", PER_MAILBOX / PER_MESSAGE + 1));
    assert!(end.starts_with("NO [LIMIT]"), "one more for the mailbox: {end}");
    let end = session.ask("STORE 1 +FLAGS.SILENT (\\Seen)");
    assert!(end.starts_with("OK"), "{end}");
    let end = session.ask(&format!("STORE 1 +FLAGS ({})", keywords(0, 10_000)));
    assert!(end.starts_with("NO [LIMIT]"), "ten thousand at once: {end}");
    beside.was_served();
}
