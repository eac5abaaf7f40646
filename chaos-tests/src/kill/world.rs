//! What all clients of a run share: where the nodes are, which of them were killed when, the ledger, and whether to go on.
//!
//! Invariant: a node's life ends before the signal is sent. So a session that was begun in a life that still goes on had
//! no reason to break.

use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Instant;

use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

use super::ledger::Ledger;
use super::limits::{ACCOUNTS, ALL_KILLED_EVERY, ALL_WITHOUT_POWER_EVERY, DRAIN_WITHIN};
use super::{Harm, Violation};
use crate::process::Cluster;
use crate::process::client::{Dialect, Imap, Pop3, Smtp, Trouble};

/// What POP3 says of a maildrop that another session has open (RFC 2449).
const MAILDROP_LOCKED: &str = "[IN-USE]";

/// Why a client's visit ended early.
pub(super) enum Fault {
    /// Something that a server may do when nodes die.
    Trouble(Trouble),
    /// Something that must not be.
    Violation(Violation),
}

impl From<Trouble> for Fault {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

impl From<Violation> for Fault {
    fn from(violation: Violation) -> Self {
        Self::Violation(violation)
    }
}

/// What clients did and met.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Messages taken over SMTP, each recipient counted.
    pub smtp: u32,
    /// Messages taken over LMTP, each recipient counted.
    pub lmtp: u32,
    /// Messages appended.
    pub appended: u32,
    /// Messages moved.
    pub moved: u32,
    /// Messages removed over IMAP.
    pub expunged: u32,
    /// Messages removed over POP3.
    pub deleted: u32,
    /// Flags changed.
    pub flagged: u32,
    /// Messages sent again, and found to be there already.
    pub suppressed: u32,
    /// Commands whose outcome nobody knew.
    pub unanswered: u32,
    /// Commands that a server asked to try again later.
    pub put_off: u32,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} by SMTP, {} by LMTP, {} appended; {} moved, {} expunged, {} deleted by POP3, {} flags; \
             {} unanswered, {} found there when sent again, {} put off",
            self.smtp,
            self.lmtp,
            self.appended,
            self.moved,
            self.expunged,
            self.deleted,
            self.flagged,
            self.unanswered,
            self.suppressed,
            self.put_off
        )
    }
}

/// A node as clients see it.
struct Node {
    smtp: u16,
    lmtp: u16,
    imap: u16,
    pop3: u16,
    /// How often it was killed.
    deaths: AtomicU32,
    is_up: AtomicBool,
}

impl Node {
    fn with_ports(port: impl Fn(u16) -> u16) -> Self {
        Self {
            smtp: port(25),
            lmtp: port(24),
            imap: port(143),
            pop3: port(110),
            deaths: AtomicU32::new(0),
            is_up: AtomicBool::new(true),
        }
    }
}

/// See the module.
pub(super) struct World {
    pub(super) seed: u64,
    pub(super) harm: Harm,
    pub(super) ledger: Ledger,
    nodes: Vec<Node>,
    round: AtomicU32,
    last_number: AtomicU32,
    stopped_at: Mutex<Option<Instant>>,
    violation: Mutex<Option<Violation>>,
    counts: Mutex<Counts>,
}

/// A client's time at a node, in one life of the node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Visit {
    pub(super) node: u16,
    deaths: u32,
}

/// Log-in name of an account, from 1.
pub(super) fn user(account: u32) -> String {
    format!("user{account}@demo.test")
}

impl World {
    pub(super) fn new(cluster: &Cluster, seed: u64, harm: Harm) -> Self {
        let node = |node| Node::with_ports(|standard_port| cluster.port(node, standard_port));
        Self::of_nodes(cluster.nodes().map(node).collect(), seed, harm)
    }

    /// With one node, where nobody listens.
    #[cfg(test)]
    pub(super) fn nowhere() -> Self {
        Self::of_nodes(vec![Node::with_ports(|_| 0)], 1, Harm::Kill)
    }

    fn of_nodes(nodes: Vec<Node>, seed: u64, harm: Harm) -> Self {
        Self {
            seed,
            harm,
            ledger: Ledger::new(ACCOUNTS),
            nodes,
            round: AtomicU32::new(0),
            last_number: AtomicU32::new(0),
            stopped_at: Mutex::default(),
            violation: Mutex::default(),
            counts: Mutex::default(),
        }
    }

    fn node(&self, node: u16) -> &Node {
        &self.nodes[usize::from(node) - 1]
    }

    pub(super) fn begin_round(&self, round: u32) {
        self.round.store(round, Ordering::SeqCst);
    }

    pub(super) fn round(&self) -> u32 {
        self.round.load(Ordering::SeqCst)
    }

    /// A node is about to be killed.
    pub(super) fn falls(&self, node: u16) {
        self.node(node).is_up.store(false, Ordering::SeqCst);
        self.node(node).deaths.fetch_add(1, Ordering::SeqCst);
    }

    /// A node serves again.
    pub(super) fn rises(&self, node: u16) {
        self.node(node).is_up.store(true, Ordering::SeqCst);
    }

    /// A number for a new message.
    pub(super) fn next_number(&self) -> u32 {
        self.last_number.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// Tells all clients to come to an end.
    pub(super) fn stop(&self) {
        *self.stopped_at.lock().expect("no client panics") = Some(Instant::now());
    }

    /// Whether clients may begin something new.
    pub(super) fn goes_on(&self) -> bool {
        self.stopped_at.lock().expect("no client panics").is_none() && self.verdict().is_ok()
    }

    /// Whether clients that have to finish something still have time.
    pub(super) fn has_time(&self) -> bool {
        let stopped_at = *self.stopped_at.lock().expect("no client panics");
        stopped_at.is_none_or(|at| at.elapsed() < DRAIN_WITHIN) && self.verdict().is_ok()
    }

    /// Takes note of something that must not be; the first counts.
    pub(super) fn violate(&self, violation: Violation) {
        self.violation
            .lock()
            .expect("no client panics")
            .get_or_insert(violation);
    }

    pub(super) fn verdict(&self) -> Result<(), Violation> {
        self.violation
            .lock()
            .expect("no client panics")
            .clone()
            .map_or(Ok(()), Err)
    }

    pub(super) fn counts(&self) -> Counts {
        self.counts.lock().expect("no client panics").clone()
    }

    pub(super) fn count(&self, count: impl FnOnce(&mut Counts)) {
        count(&mut self.counts.lock().expect("no client panics"));
    }

    /// The preferred node if it is up, else another one; `None` when none is.
    pub(super) fn choose(&self, preferred: Option<u16>, rng: &mut StdRng) -> Option<Visit> {
        let is_up = |node: &u16| self.node(*node).is_up.load(Ordering::SeqCst);
        let up: Vec<u16> = (1..).zip(&self.nodes).map(|(number, _)| number).filter(is_up).collect();
        let node = preferred.filter(is_up).or_else(|| up.choose(rng).copied())?;
        Some(Visit::at(self, node))
    }

    /// An account at random.
    pub(super) fn any_account(rng: &mut StdRng) -> u32 {
        rng.random_range(1..=ACCOUNTS)
    }

    /// Whether what happened to a client is what a death of its node may do, or a round in which all nodes died. `what` it
    /// did is for the text.
    pub(super) fn excuse(&self, visit: Visit, what: &str, trouble: &Trouble) -> Result<(), Violation> {
        let is_excused = match trouble {
            Trouble::Gone(_) | Trouble::Bye(_) => self.node(visit.node).deaths.load(Ordering::SeqCst) != visit.deaths,
            // The lock of a session whose node died runs out after a while.
            Trouble::Refused(text) if text.contains(MAILDROP_LOCKED) => true,
            Trouble::Refused(_) => trouble.is_temporary() && self.may_be_put_off(),
            Trouble::Nonsense(_) => false,
        };
        if !is_excused {
            return Err(Violation(format!(
                "{what} at n{}, which nobody killed: {trouble}",
                visit.node
            )));
        }
        self.count(|counts| match trouble {
            Trouble::Refused(_) => counts.put_off += 1,
            _ => counts.unanswered += 1,
        });
        Ok(())
    }

    /// Whether all nodes are killed at once in a round.
    pub(super) fn kills_all(&self, round: u32) -> bool {
        let every = match self.harm {
            Harm::Kill => ALL_KILLED_EVERY,
            Harm::PowerCut => ALL_WITHOUT_POWER_EVERY,
            Harm::LinkCut => return false,
        };
        round > 0 && round.is_multiple_of(every)
    }

    /// Whether groups may have been without a majority when a command began that ends now.
    fn may_be_put_off(&self) -> bool {
        let round = self.round();
        self.kills_all(round) || self.kills_all(round.saturating_sub(1))
    }
}

impl Visit {
    pub(super) fn at(world: &World, node: u16) -> Self {
        let deaths = world.node(node).deaths.load(Ordering::SeqCst);
        Self { node, deaths }
    }

    pub(super) fn smtp(self, world: &World, dialect: Dialect) -> Result<Smtp, Trouble> {
        let node = world.node(self.node);
        match dialect {
            Dialect::Smtp => Smtp::connect(node.smtp, dialect),
            Dialect::Lmtp => Smtp::connect(node.lmtp, dialect),
        }
    }

    pub(super) fn imap(self, world: &World, account: u32) -> Result<Imap, Trouble> {
        Imap::log_in(world.node(self.node).imap, &user(account), "demo")
    }

    pub(super) fn pop3(self, world: &World, account: u32) -> Result<Pop3, Trouble> {
        Pop3::log_in(world.node(self.node).pop3, &user(account), "demo")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_may_break_when_its_node_was_killed_and_not_otherwise() {
        let world = World::nowhere();
        let gone = Trouble::Gone("reset".to_owned());
        let bye = Trouble::Bye("* BYE [UNAVAILABLE]".to_owned());
        let visit = Visit::at(&world, 1);
        assert!(world.excuse(visit, "test", &gone).is_err() && world.excuse(visit, "test", &bye).is_err());
        world.falls(1);
        assert!(world.excuse(visit, "test", &gone).is_ok() && world.excuse(visit, "test", &bye).is_ok());
        world.rises(1);
        assert!(world.excuse(Visit::at(&world, 1), "test", &gone).is_err());
    }

    #[test]
    fn a_client_is_put_off_only_when_all_nodes_were_killed() {
        let world = World::nowhere();
        let refused = |text: &str| world.excuse(Visit::at(&world, 1), "test", &Trouble::Refused(text.to_owned()));
        for (round, is_excused) in [
            (0, false),
            (1, false),
            (4, false),
            (5, true),
            (6, true),
            (7, false),
            (10, true),
        ] {
            world.begin_round(round);
            assert_eq!(refused("451 4.3.0 later").is_ok(), is_excused, "{round}");
            assert!(refused("550 5.1.1 nobody").is_err() && refused("-ERR [IN-USE] locked").is_ok());
        }
    }
}
