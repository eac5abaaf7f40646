//! One client of the mixed load.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use crate::imap::{Answer, Client, How};
use crate::limits::{MIXED_MESSAGES, MIXED_STEPS};
use crate::message::Stock;

/// What a client can do, by name.
pub(super) const KINDS: [&str; 13] = [
    "LOGIN",
    "SELECT",
    "FETCH all FLAGS",
    "FETCH 10 headers",
    "FETCH BODY[]",
    "STORE",
    "APPEND",
    "SEARCH UNSEEN",
    "STORE \\Deleted",
    "EXPUNGE",
    "IDLE and DONE",
    "NOOP",
    "LOGOUT",
];

/// The steps between SELECT and LOGOUT, with how many of a hundred they are.
const STEPS: [(Step, u32); 8] = [
    (Step::Headers, 26),
    (Step::Body, 26),
    (Step::Store, 14),
    (Step::Append, 8),
    (Step::Search, 6),
    (Step::Expunge, 4),
    (Step::Idle, 6),
    (Step::Noop, 10),
];

#[derive(Clone, Copy)]
enum Step {
    Headers,
    Body,
    Store,
    Append,
    Search,
    Expunge,
    Idle,
    Noop,
}

/// Seconds that each command took, by its place in [`KINDS`].
#[derive(Clone, Default)]
pub(super) struct Did {
    pub(super) waits: [Vec<f64>; KINDS.len()],
}

impl Did {
    pub(super) fn merge(&mut self, other: Self) {
        for (waits, more) in self.waits.iter_mut().zip(other.waits) {
            waits.extend(more);
        }
    }
}

pub(super) struct Mixer {
    address: SocketAddr,
    account: usize,
    rng: SmallRng,
    stock: Arc<Stock>,
    did: Did,
    /// Messages in INBOX, which nobody else changes.
    exists: u64,
}

impl Mixer {
    pub(super) fn new(address: SocketAddr, client: usize, round: usize, stock: Arc<Stock>) -> Self {
        Self {
            address,
            account: client + 1,
            rng: SmallRng::seed_from_u64((round * 1_000 + client) as u64),
            stock,
            did: Did::default(),
            exists: 0,
        }
    }

    pub(super) async fn run(mut self, until: Instant) -> anyhow::Result<Did> {
        while Instant::now() < until {
            self.session(until)
                .await
                .with_context(|| format!("as user{}", self.account))?;
        }
        Ok(self.did)
    }

    async fn session(&mut self, until: Instant) -> anyhow::Result<()> {
        let mut client = Client::connect(self.address, &How::Plain).await?;
        let login = format!("LOGIN user{}@demo.test demo", self.account);
        self.command(&mut client, 0, &login).await?;
        self.command(&mut client, 1, "SELECT INBOX").await?;
        self.command(&mut client, 2, "FETCH 1:* (UID FLAGS)").await?;
        for _ in 0..MIXED_STEPS {
            if Instant::now() >= until {
                break;
            }
            let step = self.choose();
            self.step(&mut client, step).await?;
        }
        self.command(&mut client, 12, "LOGOUT").await.map(drop)
    }

    fn choose(&mut self) -> Step {
        let mut left = self.rng.random_range(0..STEPS.iter().map(|(_, weight)| weight).sum());
        for (step, weight) in STEPS {
            if left < weight {
                return step;
            }
            left -= weight;
        }
        Step::Noop
    }

    async fn step(&mut self, client: &mut Client, step: Step) -> anyhow::Result<()> {
        let message = self.rng.random_range(1..=self.exists.max(1));
        match step {
            Step::Headers => {
                let first = message.min(self.exists.saturating_sub(9)).max(1);
                let what = "(UID FLAGS RFC822.SIZE INTERNALDATE ENVELOPE)";
                self.command(client, 3, &format!("FETCH {first}:{} {what}", first + 9))
                    .await?;
            }
            Step::Body => {
                self.command(client, 4, &format!("FETCH {message} (UID BODY.PEEK[])"))
                    .await?;
            }
            Step::Store => {
                let sign = if self.rng.random_bool(0.5) { '+' } else { '-' };
                self.command(client, 5, &format!("STORE {message} {sign}FLAGS (\\Seen)"))
                    .await?;
            }
            Step::Append => {
                let number = self.rng.random_range(0..1_000_000);
                let begun = Instant::now();
                client.append(&self.stock, number..number + 1, false).await?;
                self.did.waits[6].push(begun.elapsed().as_secs_f64());
                self.exists += 1;
            }
            Step::Search => {
                self.command(client, 7, "SEARCH UNSEEN").await?;
            }
            Step::Expunge if self.exists > MIXED_MESSAGES as u64 => {
                // The oldest go, so that the mailbox stays as large as it was.
                let surplus = self.exists - MIXED_MESSAGES as u64;
                self.command(client, 8, &format!("STORE 1:{surplus} +FLAGS.SILENT (\\Deleted)"))
                    .await?;
                self.command(client, 9, "EXPUNGE").await?;
            }
            Step::Idle => {
                let begun = Instant::now();
                let tag = client.next_tag();
                client.send(format!("{tag} IDLE\r\n").as_bytes()).await?;
                client.wait_for("+").await?;
                client.send(b"DONE\r\n").await?;
                client.wait_for(&tag).await?;
                self.did.waits[10].push(begun.elapsed().as_secs_f64());
            }
            Step::Noop | Step::Expunge => {
                self.command(client, 11, "NOOP").await?;
            }
        }
        Ok(())
    }

    async fn command(&mut self, client: &mut Client, kind: usize, command: &str) -> anyhow::Result<Answer> {
        let begun = Instant::now();
        let answer = client.run(command).await?;
        self.did.waits[kind].push(begun.elapsed().as_secs_f64());
        if let Some(exists) = answer.number("EXISTS") {
            self.exists = exists;
        }
        let expunged = answer.lines.iter().filter(|line| line.ends_with(" EXPUNGE")).count();
        self.exists -= expunged as u64;
        Ok(answer)
    }
}
