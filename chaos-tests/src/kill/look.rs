//! Looking at an account: at what nodes show in the middle of it all, and at everything when it is over.

use std::collections::BTreeMap;
use std::thread;
use std::time::Instant;

use super::Violation;
use super::ledger::{Form, Place, Seen, View};
use super::message;
use super::world::{Fault, Visit, World, user};
use crate::process::client::{Fetched, Imap};
use crate::process::limits::{LOOK_EVERY, PATIENCE};

/// Looks at an account while clients work on it: what was certain before is there.
pub(super) fn look(world: &World, visit: Visit, account: u32) -> Result<(), Violation> {
    patiently(visit, &format!("looking at {}", user(account)), || {
        let before = world.ledger.certain(account);
        let mut session = visit.imap(world, account)?;
        let view = view(world, &mut session, account, message::SECTION, |_, _| Ok(()))?;
        world.ledger.compare(account, &before, &view)?;
        Ok(session.log_out()?)
    })
    .map_err(|violation| at_node(visit, &violation))
}

/// Looks at every byte of an account, when no client works on it any more.
pub(super) fn scan(world: &World, visit: Visit, account: u32) -> Result<(), Violation> {
    patiently(visit, &format!("reading all of {}", user(account)), || {
        let mut session = visit.imap(world, account)?;
        let view = view(world, &mut session, account, "BODY.PEEK[]", |number, stored| {
            intact(world, account, number, stored)
        })?;
        session.log_out()?;
        let unique_ids = unique_ids(world, visit, account)?;
        let inbox = view.get(&Place::Inbox).map_or(0, Vec::len);
        if unique_ids != inbox {
            let user = user(account);
            return Err(Violation(format!("{user}: POP3 has {unique_ids} messages, IMAP {inbox}")).into());
        }
        Ok(world.ledger.settle(account, view)?)
    })
    .map_err(|violation| at_node(visit, &violation))
}

fn at_node(visit: Visit, violation: &Violation) -> Violation {
    Violation(format!("at n{}: {violation}", visit.node))
}

/// Tries until the server no longer asks to try later; nobody kills the node meanwhile.
pub(super) fn patiently<T>(
    visit: Visit,
    what: &str,
    mut attempt: impl FnMut() -> Result<T, Fault>,
) -> Result<T, Violation> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match attempt() {
            Ok(done) => return Ok(done),
            Err(Fault::Violation(violation)) => return Err(violation),
            Err(Fault::Trouble(trouble)) if trouble.is_temporary() && Instant::now() < deadline => {}
            Err(Fault::Trouble(trouble)) => {
                return Err(Violation(format!("{what} at n{}, which is up: {trouble}", visit.node)));
            }
        }
        thread::sleep(LOOK_EVERY);
    }
}

/// Everything that a session shows of an account; `inspect` gets each message's number and section.
fn view(
    world: &World,
    session: &mut Imap,
    account: u32,
    section: &str,
    inspect: impl Fn(u32, &[u8]) -> Result<(), Violation>,
) -> Result<View, Fault> {
    let mut view = BTreeMap::new();
    for place in Place::ALL {
        let rows = open(world, session, account, place, section, 1)?;
        for (seen, row) in &rows {
            inspect(seen.number, &row.octets)?;
        }
        view.insert(place, rows.into_iter().map(|(seen, _)| seen).collect());
    }
    Ok(view)
}

/// Selects a mailbox and fetches a section of its messages from a UID on, with all that the ledger has to say of it.
/// `first` of 0 stands for the newest few.
pub(super) fn open(
    world: &World,
    session: &mut Imap,
    account: u32,
    place: Place,
    section: &str,
    first: u32,
) -> Result<Vec<(Seen, Fetched)>, Fault> {
    let floor = world.ledger.floor(account, place);
    let selected = session.select(place.name())?;
    world.ledger.selected(account, place, floor, selected)?;
    let first = match first {
        0 => selected.uid_next.saturating_sub(super::limits::NEWEST).max(1),
        first => first,
    };
    let rows = session.fetch(&format!("{first}:*"), section)?;
    let wrong = |what: String| Violation(format!("{} {}: {what}", user(account), place.name()));
    if let Some(pair) = rows.windows(2).find(|pair| pair[0].uid >= pair[1].uid) {
        let (uid, next) = (pair[0].uid, pair[1].uid);
        return Err(wrong(format!("UID {next} comes after UID {uid}")).into());
    }
    let mut seen = Vec::new();
    for mut row in rows {
        let uid = row.uid;
        let Some(number) = message::number(&row.octets) else {
            return Err(wrong(format!("UID {uid} has no number")).into());
        };
        world.ledger.saw(account, place, selected.uid_validity, uid, number)?;
        row.flags.retain(|flag| flag != "\\Recent");
        let flags = row.flags.clone();
        seen.push((Seen { uid, number, flags }, row));
    }
    Ok(seen)
}

/// Fails unless a message is stored as it was sent.
fn intact(world: &World, account: u32, number: u32, stored: &[u8]) -> Result<(), Violation> {
    let sent = message::bytes(world.seed, number);
    let user = user(account);
    let delivered_to = match world.ledger.form(account, number) {
        Some(Form::Delivered) => Some(user.as_str()),
        _ => None,
    };
    match message::fault(stored, &sent, delivered_to) {
        None => Ok(()),
        Some(fault) => Err(Violation(format!("{user}: message {number}: {fault}"))),
    }
}

/// How many messages POP3 shows, each with an id of its own.
fn unique_ids(world: &World, visit: Visit, account: u32) -> Result<usize, Fault> {
    let mut session = visit.pop3(world, account)?;
    let rows = session.uidl()?;
    session.quit()?;
    let mut ids: Vec<&String> = rows.iter().map(|(_, id)| id).collect();
    ids.sort();
    ids.dedup();
    if ids.len() != rows.len() {
        let user = user(account);
        return Err(Violation(format!("{user}: two messages have one UIDL: {rows:?}")).into());
    }
    Ok(ids.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::client::Trouble;

    #[test]
    fn only_what_is_temporary_is_tried_again() {
        let mut attempts = 0;
        let outcome = patiently(Visit::at(&World::nowhere(), 1), "asking", || {
            attempts += 1;
            match attempts {
                1 => Err(Trouble::Refused("NO [UNAVAILABLE] later".to_owned()).into()),
                _ => Err::<(), Fault>(Trouble::Bye("* BYE".to_owned()).into()),
            }
        });
        assert!(outcome.is_err());
        assert_eq!(attempts, 2);
    }
}
