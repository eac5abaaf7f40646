//! A message of 50 MB goes in and out at any node of a cluster, by every way there is, and no node ever holds it: what a
//! node's memory grows by stays below a third of it, and its heartbeats go on.
//!
//! What counts is the anonymous memory of each process (`RssAnon`), looked at all the time, over its highest value during a
//! warm-up with messages of less than one piece, so that large ones have nothing to hide behind. Write buffers and caches are not counted:
//! the warm-up fills them, and what they grow by all the same is known from the node's metrics.

mod large;

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use chaos_tests::process::client::{Dialect, Imap, Pop3, Smtp};
use chaos_tests::process::{Cluster, Shape};
use large::message::{LARGE_BYTES, SMALL_BYTES, message};
use large::watch::Watch;

const PASSWORD: &str = "demo";
/// What a node may need for a message, of whatever size, beyond write buffers and caches.
const GROWTH_MAX: i64 = 16 << 20;
/// Clients of the warm-up at a time, and the messages of each in one part of it.
const CLIENTS: usize = 4;
const SMALL_MESSAGES: u64 = 25;
/// Parts of the warm-up after which write buffers have to have been full.
const WARM_UPS_MAX: u64 = 20;

const SHAPE: Shape = Shape {
    nodes: 3,
    shelves: 1,
    groups: 3,
    accounts: 3,
};

/// Client sessions of one account at all nodes. They log in once: to check a password takes 19 MiB by itself.
struct Sessions {
    imap: Vec<Imap>,
    account: String,
}

impl Sessions {
    fn open(cluster: &Cluster, account: u32) -> Self {
        let account = format!("user{account}@demo.test");
        let imap = cluster
            .nodes()
            .map(|node| Imap::log_in(cluster.port(node, 143), &account, PASSWORD).expect("lets us in"));
        Self {
            imap: imap.collect(),
            account,
        }
    }

    /// Reads the newest message at every node, whole and in parts, and whole over POP3.
    fn read_newest_everywhere(&mut self, cluster: &Cluster, sent: &str) {
        for (imap, node) in self.imap.iter_mut().zip(cluster.nodes()) {
            let newest = imap.select("INBOX").expect("selects").uid_next - 1;
            let fetched = fetch(imap, newest, "BODY.PEEK[]");
            assert!(fetched.ends_with(sent.as_bytes()), "n{node}: {} bytes", fetched.len());
            for tenth in 0..10 {
                let (from, len) = (fetched.len() / 10 * tenth, 300_000);
                let part = fetch(imap, newest, &format!("BODY.PEEK[]<{from}.{len}>"));
                assert!(
                    !part.is_empty() && fetched[from..].starts_with(&part),
                    "n{node} from {from}"
                );
            }
            let mut pop3 = Pop3::log_in(cluster.port(node, 110), &self.account, PASSWORD).expect("lets us in");
            let newest = u32::try_from(pop3.uidl().expect("a list").len()).expect("few");
            let retrieved = pop3.retrieve(newest).expect("the message");
            assert!(retrieved == fetched, "n{node}: POP3 has other bytes");
            pop3.quit().expect("an orderly end");
        }
    }
}

/// A section of one message.
fn fetch(imap: &mut Imap, uid: u32, section: &str) -> Vec<u8> {
    let mut fetched = imap.fetch(&uid.to_string(), section).expect("fetches");
    fetched.pop().expect("the message is there").octets
}

fn append(imap: &mut Imap, text: &str) {
    imap.append("INBOX", "", text.as_bytes(), true).expect("appends");
}

/// Delivers one message over SMTP or LMTP.
fn deliver(port: u16, dialect: Dialect, to: &str, text: &str) {
    let mut session = Smtp::connect(port, dialect).expect("the node listens");
    let taken = session.deliver("sender@example.org", &[to.to_owned()], text.as_bytes());
    assert!(taken.iter().all(Result::is_ok), "{taken:?}");
    session.quit().expect("an orderly end");
}

/// Fills write buffers and caches with small messages, over the same ways as large ones. As many come at a time as a large
/// message has pieces on their way, so that write buffers fill up at the same pace.
fn warm_up(cluster: &Cluster, watch: &Watch, sessions: &mut [Sessions]) {
    let numbers = AtomicU64::new(0);
    let next = || message(numbers.fetch_add(1, Ordering::Relaxed), SMALL_BYTES);
    for part in 1.. {
        for (of_account, node) in sessions.iter_mut().zip(cluster.nodes()) {
            thread::scope(|scope| {
                for client in 0..CLIENTS {
                    let (account, next) = (&of_account.account, &next);
                    let (port, dialect) = [(25, Dialect::Smtp), (24, Dialect::Lmtp)][client % 2];
                    let port = cluster.port(node, port);
                    scope.spawn(move || {
                        (0..SMALL_MESSAGES).for_each(|_| deliver(port, dialect, account, &next()));
                    });
                }
            });
            let newest = next();
            append(&mut of_account.imap[usize::from(node) - 1], &newest);
            of_account.read_newest_everywhere(cluster, &newest);
        }
        if watch.have_write_buffers_been_full() {
            return;
        }
        assert!(part < WARM_UPS_MAX, "write buffers are never written out: {watch}");
    }
}

#[test]
fn a_message_of_50_mb_goes_in_and_out_at_any_node_in_little_memory() {
    let cluster = Cluster::start(SHAPE);
    let mut sessions: Vec<_> = (1..=3).map(|account| Sessions::open(&cluster, account)).collect();
    let watch = Watch::start(&cluster);
    warm_up(&cluster, &watch, &mut sessions);
    let leaders = watch.leaders(&cluster);
    watch.begin();

    for (step, node) in cluster.nodes().enumerate() {
        let text = message(1_000_000 + step as u64, LARGE_BYTES);
        let of_account = &mut sessions[step];
        match step {
            0 => deliver(cluster.port(node, 25), Dialect::Smtp, &of_account.account, &text),
            1 => deliver(cluster.port(node, 24), Dialect::Lmtp, &of_account.account, &text),
            _ => append(&mut of_account.imap[step], &text),
        }
        of_account.read_newest_everywhere(&cluster, &text);
    }

    let growths = watch.growths();
    eprintln!("{watch}");
    assert!(growths.iter().all(|growth| *growth < GROWTH_MAX), "{watch}");
    watch.assert_heartbeats_were_on_time(&cluster, &leaders);
    let check = cluster.tool(&["check"]);
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stdout));
}
