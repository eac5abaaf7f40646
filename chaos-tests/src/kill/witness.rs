//! Sessions that stay at one node and do nothing, until another node is killed: then they must still be served, after a
//! pause at worst (DESIGN P5).

use std::time::{Duration, Instant};

use rand::rngs::StdRng;

use super::Violation;
use super::ledger::Place;
use super::look::{self, patiently};
use super::message;
use super::world::{Fault, Visit, World, user};
use crate::process::client::Imap;

/// A mailbox in which nothing happens but what witnesses do.
const QUIET: &str = "Drafts";

/// See the module.
pub(super) struct Witness {
    visit: Visit,
    account: u32,
    session: Imap,
    task: Task,
}

enum Task {
    /// Has the INBOX open.
    Selected,
    /// Waits for news of the quiet mailbox, which had so many messages.
    Idles(u32),
}

impl Witness {
    /// Those of one node. The account of the one that idles is nobody else's.
    pub(super) fn of_node(world: &World, node: u16, rng: &mut StdRng) -> Result<[Self; 2], Violation> {
        let visit = Visit::at(world, node);
        let open = |account: u32, idles: bool| {
            patiently(visit, &format!("opening a session of {}", user(account)), || {
                let mut session = visit.imap(world, account)?;
                let task = if idles {
                    let exists = session.select(QUIET)?.exists;
                    session.idle()?;
                    Task::Idles(exists)
                } else {
                    session.select(Place::Inbox.name())?;
                    Task::Selected
                };
                Ok(Self {
                    visit,
                    account,
                    session,
                    task,
                })
            })
        };
        Ok([open(World::any_account(rng), false)?, open(u32::from(node), true)?])
    }

    pub(super) fn node(&self) -> u16 {
        self.visit.node
    }

    /// Goes on after another node was killed; says how long that took.
    pub(super) fn look(&mut self, world: &World, rng: &mut StdRng) -> Result<Duration, Violation> {
        let started = Instant::now();
        let outcome = match self.task {
            Task::Selected => self.read(world),
            Task::Idles(exists) => self.hear(world, exists, rng),
        };
        match outcome {
            Ok(()) => Ok(started.elapsed()),
            Err(Fault::Violation(violation)) => Err(violation),
            Err(Fault::Trouble(trouble)) => Err(Violation(format!(
                "the session of {} at n{}, which nobody killed: {trouble}",
                user(self.account),
                self.visit.node
            ))),
        }
    }

    fn read(&mut self, world: &World) -> Result<(), Fault> {
        self.session.noop()?;
        look::open(
            world,
            &mut self.session,
            self.account,
            Place::Inbox,
            message::SECTION,
            0,
        )?;
        Ok(())
    }

    /// A message that is appended at any node is told to the session that idles at this one.
    fn hear(&mut self, world: &World, exists: u32, rng: &mut StdRng) -> Result<(), Fault> {
        let elsewhere = world.choose(None, rng).unwrap_or(self.visit);
        patiently(elsewhere, "appending what a witness waits for", || {
            let mut session = elsewhere.imap(world, self.account)?;
            session.append(QUIET, "", b"Subject: news\r\n\r\n", true)?;
            Ok(session.log_out()?)
        })?;
        self.session.wait_for_exists(exists + 1)?;
        self.session.done()?;
        self.session.idle()?;
        self.task = Task::Idles(exists + 1);
        Ok(())
    }
}
