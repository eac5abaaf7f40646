//! Clients that put messages in.
//!
//! Invariants
//! - Over SMTP and LMTP a message without a reply is sent again, with the same envelope, until it is taken: over LMTP to
//!   those alone that have not taken it.
//! - A message that was appended without a reply is never sent again.

use std::thread::{self, Scope, ScopedJoinHandle};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::Violation;
use super::ledger::{Form, Place, is_answered};
use super::limits::{ACCOUNTS, MESSAGES_OF_A_VISIT, PACE_MS_MAX, RECIPIENTS_MAX, SENDERS};
use super::message;
use super::world::{Fault, Visit, World, user};
use crate::process::client::{Dialect, Trouble};
use crate::process::limits::LOOK_EVERY;

/// The reply to a message that is there already (docs/delivery-states.md).
const SUPPRESSED: &str = "delivered before as";
const SMTP_NODE: u16 = 1;
const LMTP_NODE: u16 = 2;
const APPEND_NODE: u16 = 3;

/// Starts all of them.
pub(super) fn start<'scope>(
    scope: &'scope Scope<'scope, '_>,
    world: &'scope World,
) -> Vec<ScopedJoinHandle<'scope, ()>> {
    let rng = |client: u64| StdRng::seed_from_u64(world.seed ^ (client << 32));
    let of_one = |number: u64| {
        let number = number * 3;
        let (mut one, mut two, mut three) = (rng(number), rng(number + 1), rng(number + 2));
        [
            scope.spawn(move || deliver(world, Dialect::Smtp, SMTP_NODE, &mut one)),
            scope.spawn(move || deliver(world, Dialect::Lmtp, LMTP_NODE, &mut two)),
            scope.spawn(move || append(world, &mut three)),
        ]
    };
    (1..=SENDERS).flat_map(of_one).collect()
}

/// A message on its way.
struct Outgoing {
    number: u32,
    /// Those that have not taken it.
    accounts: Vec<u32>,
}

impl Outgoing {
    fn new(world: &World, rng: &mut StdRng) -> Self {
        let number = world.next_number();
        let count = rng.random_range(1..=RECIPIENTS_MAX);
        let chosen = rand::seq::index::sample(rng, ACCOUNTS as usize, count);
        let accounts: Vec<u32> = (1..=ACCOUNTS)
            .filter(|account| chosen.iter().any(|at| at + 1 == *account as usize))
            .collect();
        for account in &accounts {
            world.ledger.sends(*account, number, Form::Delivered);
        }
        Self { number, accounts }
    }
}

/// The life of a client that delivers.
fn deliver(world: &World, dialect: Dialect, preferred: u16, rng: &mut StdRng) {
    let mut outgoing = None;
    while world.has_time() && (world.goes_on() || outgoing.is_some()) {
        let Some(visit) = world.choose(Some(preferred), rng) else {
            thread::sleep(LOOK_EVERY);
            continue;
        };
        match deliver_some(world, visit, dialect, &mut outgoing, rng) {
            Ok(()) => {}
            Err(trouble) => {
                if let Err(violation) = world.excuse(visit, &format!("{dialect:?}"), &trouble) {
                    return world.violate(violation);
                }
                thread::sleep(LOOK_EVERY);
            }
        }
    }
    if let Some(Outgoing { number, accounts }) = outgoing {
        let text = format!("message {number} was not taken in the end by accounts {accounts:?}");
        world.violate(Violation(text));
    }
}

/// One visit to a node.
fn deliver_some(
    world: &World,
    visit: Visit,
    dialect: Dialect,
    outgoing: &mut Option<Outgoing>,
    rng: &mut StdRng,
) -> Result<(), Trouble> {
    let mut session = visit.smtp(world, dialect)?;
    for _ in 0..MESSAGES_OF_A_VISIT {
        if outgoing.is_none() && !world.goes_on() {
            break;
        }
        let Outgoing { number, accounts } = outgoing.take().unwrap_or_else(|| Outgoing::new(world, rng));
        let recipients: Vec<String> = accounts.iter().map(|account| user(*account)).collect();
        let bytes = message::bytes(world.seed, number);
        let outcomes = session.deliver("sender@kill.example", &recipients, &bytes);
        let (mut left, mut trouble) = (Vec::new(), None);
        for (account, outcome) in accounts.into_iter().zip(outcomes) {
            match outcome {
                Ok(words) => taken(world, dialect, account, number, &words),
                Err(why) => {
                    left.push(account);
                    trouble.get_or_insert(why);
                }
            }
        }
        if let Some(trouble) = trouble {
            *outgoing = Some(Outgoing { number, accounts: left });
            return Err(trouble);
        }
        pace(rng);
    }
    session.quit()
}

fn taken(world: &World, dialect: Dialect, account: u32, number: u32, words: &str) {
    world.ledger.acknowledged(account, number);
    world.count(|counts| {
        match dialect {
            Dialect::Smtp => counts.smtp += 1,
            Dialect::Lmtp => counts.lmtp += 1,
        }
        counts.suppressed += u32::from(words.contains(SUPPRESSED));
    });
}

/// The life of a client that appends.
fn append(world: &World, rng: &mut StdRng) {
    while world.goes_on() {
        let Some(visit) = world.choose(Some(APPEND_NODE), rng) else {
            thread::sleep(LOOK_EVERY);
            continue;
        };
        let outcome = match append_some(world, visit, rng) {
            Ok(()) => Ok(()),
            Err(Fault::Violation(violation)) => Err(violation),
            Err(Fault::Trouble(trouble)) => world.excuse(visit, "APPEND", &trouble),
        };
        if let Err(violation) = outcome {
            return world.violate(violation);
        }
    }
}

/// One visit to a node and one account.
fn append_some(world: &World, visit: Visit, rng: &mut StdRng) -> Result<(), Fault> {
    let account = World::any_account(rng);
    let mut session = visit.imap(world, account)?;
    for _ in 0..MESSAGES_OF_A_VISIT {
        if !world.goes_on() {
            break;
        }
        let number = world.next_number();
        let flags = if is_answered(number) { "\\Answered" } else { "" };
        world.ledger.sends(account, number, Form::Appended);
        let bytes = message::bytes(world.seed, number);
        let put = session.append(Place::Inbox.name(), flags, &bytes, rng.random())?;
        world
            .ledger
            .saw(account, Place::Inbox, put.uid_validity, put.uid, number)?;
        world.count(|counts| counts.appended += 1);
        pace(rng);
    }
    Ok(session.log_out()?)
}

fn pace(rng: &mut StdRng) {
    thread::sleep(Duration::from_millis(rng.random_range(0..PACE_MS_MAX)));
}
