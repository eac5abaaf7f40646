//! Clients that flag, move and remove messages that they find, over IMAP and over POP3.

use std::thread::{self, Scope, ScopedJoinHandle};

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

use super::ledger::{Act, Place};
use super::limits::{ACTS_OF_A_VISIT, CURATORS, DELETIONS_MAX, NEWEST};
use super::look;
use super::message;
use super::world::{Fault, Visit, World};
use crate::process::client::Imap;
use crate::process::limits::LOOK_EVERY;

/// Starts all of them.
pub(super) fn start<'scope>(
    scope: &'scope Scope<'scope, '_>,
    world: &'scope World,
) -> Vec<ScopedJoinHandle<'scope, ()>> {
    let rng = |client: u64| StdRng::seed_from_u64(world.seed ^ (client << 48));
    let mut popper = rng(CURATORS + 1);
    let start = |mut rng| scope.spawn(move || live(world, "IMAP", &mut rng, curate));
    let mut all: Vec<_> = (1..=CURATORS).map(rng).map(start).collect();
    all.push(scope.spawn(move || live(world, "POP3", &mut popper, delete)));
    all
}

/// One visit to a node and an account.
type Work = fn(&World, Visit, u32, &mut StdRng) -> Result<(), Fault>;

fn live(world: &World, what: &str, rng: &mut StdRng, work: Work) {
    while world.goes_on() {
        thread::sleep(LOOK_EVERY);
        let account = World::any_account(rng);
        let (Some(_desk), Some(visit)) = (world.ledger.desk(account), world.choose(None, rng)) else {
            continue;
        };
        let outcome = match work(world, visit, account, rng) {
            Ok(()) => Ok(()),
            Err(Fault::Violation(violation)) => Err(violation),
            Err(Fault::Trouble(trouble)) => world.excuse(visit, what, &trouble),
        };
        if let Err(violation) = outcome {
            return world.violate(violation);
        }
    }
}

/// Changes some of the newest messages of an account.
fn curate(world: &World, visit: Visit, account: u32, rng: &mut StdRng) -> Result<(), Fault> {
    let mut session = visit.imap(world, account)?;
    let found = look::open(world, &mut session, account, Place::Inbox, message::SECTION, 0)?;
    for _ in 0..ACTS_OF_A_VISIT {
        let Some((seen, _)) = found.choose(rng) else { break };
        let (uid, number) = (seen.uid, seen.number);
        match rng.random_range(0..5) {
            0 => archive(world, &mut session, account, uid, number)?,
            1 => expunge(world, &mut session, account, uid, number)?,
            _ => flag(world, &mut session, account, uid, number)?,
        }
        thread::sleep(LOOK_EVERY);
    }
    Ok(session.log_out()?)
}

fn flag(world: &World, session: &mut Imap, account: u32, uid: u32, number: u32) -> Result<(), Fault> {
    if let Some(is_set) = world.ledger.flags(account, number) {
        let sign = if is_set { '+' } else { '-' };
        session.store(uid, &format!("{sign}FLAGS (\\Flagged)"))?;
        world.ledger.flagged(account, number, is_set);
        world.count(|counts| counts.flagged += 1);
    }
    Ok(())
}

fn archive(world: &World, session: &mut Imap, account: u32, uid: u32, number: u32) -> Result<(), Fault> {
    if world.ledger.claim(account, number, Act::Move) {
        let put = session.move_to(uid, Place::Archive.name())?;
        world
            .ledger
            .saw(account, Place::Archive, put.uid_validity, put.uid, number)?;
        world.ledger.did(account, number);
        world.count(|counts| counts.moved += 1);
    }
    Ok(())
}

fn expunge(world: &World, session: &mut Imap, account: u32, uid: u32, number: u32) -> Result<(), Fault> {
    if world.ledger.claim(account, number, Act::Remove) {
        session.expunge(uid)?;
        world.ledger.did(account, number);
        world.count(|counts| counts.expunged += 1);
    }
    Ok(())
}

/// Deletes some of the newest messages of an account.
fn delete(world: &World, visit: Visit, account: u32, rng: &mut StdRng) -> Result<(), Fault> {
    let mut session = visit.pop3(world, account)?;
    let rows = session.uidl()?;
    let newest = &rows[rows.len().saturating_sub(NEWEST as usize)..];
    let mut deleted = Vec::new();
    for (row, _) in newest.sample(rng, DELETIONS_MAX) {
        let number = message::number(&session.header(*row)?);
        let Some(number) = number.filter(|number| world.ledger.claim(account, *number, Act::Remove)) else {
            continue;
        };
        session.delete(*row)?;
        deleted.push(number);
    }
    session.quit()?;
    for number in deleted {
        world.ledger.did(account, number);
        world.count(|counts| counts.deleted += 1);
    }
    Ok(())
}
