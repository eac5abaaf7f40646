//! `bench mailbox`: how long it takes to open large mailboxes and to read them, cold and warm.
//!
//! Cold is a server that was started a moment ago, with nothing of its files in memory; warm is the same command again in
//! the same session. The first time is the first FETCH of envelopes ever: what a server keeps of them, it keeps from then
//! on, or since the message came.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::builder::RangedU64ValueParser;

use crate::fill::{self, Mailbox};
use crate::imap::{Client, How};
use crate::limits::{MAILBOX_MESSAGES_MAX, MESSAGE_BYTES, SHORT_MESSAGE_BYTES};
use crate::report::{Findings, Shown};
use crate::server::Server;
use crate::turns::{self, Bench, Cell, Load, Which};

#[derive(clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    turns: turns::TurnOptions,
    /// Messages of the larger mailbox; the other one has a tenth of them
    #[arg(long, default_value_t = 100_000,
          value_parser = RangedU64ValueParser::<usize>::new().range(10..=MAILBOX_MESSAGES_MAX))]
    messages: usize,
}

/// A command that is measured.
struct Work {
    what: &'static str,
    command: &'static str,
    goals: [&'static str; 3],
    /// In the smaller mailbox.
    in_small: bool,
    /// Told apart from the others: the first time of all.
    has_first: bool,
}

const WORKS: [Work; 4] = [
    Work {
        what: "SELECT",
        command: "SELECT INBOX",
        goals: ["", "≤ 0.5", "≤ 1"],
        in_small: false,
        has_first: false,
    },
    Work {
        what: "FETCH 1:* FLAGS",
        command: "FETCH 1:* (FLAGS)",
        goals: ["", "≤ 1", "≤ 1"],
        in_small: false,
        has_first: false,
    },
    Work {
        what: "FETCH 1:* ENVELOPE",
        command: "FETCH 1:* (ENVELOPE)",
        goals: ["", "", "≤ 1"],
        in_small: true,
        has_first: true,
    },
    Work {
        what: "FETCH 1:* BODY.PEEK[]",
        command: "FETCH 1:* (BODY.PEEK[])",
        goals: ["", "", "≤ 1"],
        in_small: true,
        has_first: false,
    },
];

/// How often it was done before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    First,
    Cold,
    Warm,
}

const STATES: [State; 3] = [State::First, State::Cold, State::Warm];

pub(crate) fn run(dir: &Path, options: &Options) -> anyhow::Result<()> {
    let large = Mailbox {
        account: 1,
        messages: options.messages,
        size: SHORT_MESSAGE_BYTES,
    };
    let small = Mailbox {
        account: 2,
        messages: options.messages / 10,
        size: MESSAGE_BYTES[0],
    };
    let mut reading = Reading {
        bench: Bench::start(dir, &options.turns)?,
        mailboxes: [large, small],
        seconds: options.turns.wanted(),
    };
    let mut findings = Findings {
        title: "Large mailboxes",
        heads: vec!["command", "messages", "state"],
        cells: cells(&reading.mailboxes),
        unit: "command",
        shown: Shown::Time,
        turns: Vec::new(),
        rounds: options.turns.rounds,
    };
    reading.fill()?;
    for round in 1..=options.turns.rounds {
        for server in reading.bench.order(round) {
            reading.bench.servers[server].restart(true)?;
            for mailbox in [0, 1] {
                reading.read(&mut findings, server, round, mailbox)?;
            }
        }
    }
    findings.print(&reading.bench.servers)?;
    reading.bench.stop()
}

fn cells(mailboxes: &[Mailbox; 2]) -> Vec<Cell> {
    let of_work = |work: &Work| {
        let messages = mailboxes[usize::from(work.in_small)].messages.to_string();
        let states = STATES
            .into_iter()
            .filter(|state| work.has_first || *state != State::First);
        let cell = |state| {
            let name = match state {
                State::First => "first time",
                State::Cold => "cold",
                State::Warm => "warm",
            };
            Cell::new([work.what, &messages, name], work.goals[state as usize])
        };
        states.map(cell).collect::<Vec<_>>()
    };
    WORKS.iter().flat_map(of_work).collect()
}

/// Where the cell of a command in a state is, in the order of [`cells`].
fn place(work: usize, state: State) -> usize {
    let of = |work: &Work| if work.has_first { 3 } else { 2 };
    let before: usize = WORKS[..work].iter().map(of).sum();
    before + state as usize - (3 - of(&WORKS[work]))
}

struct Reading {
    bench: Bench,
    mailboxes: [Mailbox; 2],
    seconds: Duration,
}

impl Reading {
    fn fill(&self) -> anyhow::Result<()> {
        for server in &self.bench.servers {
            let started = Instant::now();
            for mailbox in self.mailboxes {
                self.bench.runtime.block_on(fill::fill(server, mailbox))?;
            }
            server.settle()?;
            eprintln!("{} was filled in {:.1} s", server.name, started.elapsed().as_secs_f64());
        }
        Ok(())
    }

    /// All commands on one mailbox of a server that has just been started.
    fn read(&self, findings: &mut Findings, server: usize, round: usize, mailbox: usize) -> anyhow::Result<()> {
        let Mailbox { account, messages, .. } = self.mailboxes[mailbox];
        let running = &self.bench.servers[server];
        let mut client = self.bench.runtime.block_on(log_in(running, account))?;
        for (at, work) in WORKS.iter().enumerate() {
            let is_opening = work.command.starts_with("SELECT");
            if work.in_small != (mailbox == 1) && !is_opening {
                continue;
            }
            if is_opening && mailbox == 1 {
                self.bench.runtime.block_on(client.run(work.command))?;
                continue;
            }
            let cold = if work.has_first && round == 1 {
                State::First
            } else {
                State::Cold
            };
            for (state, wanted) in [(cold, Duration::ZERO), (State::Warm, self.seconds)] {
                let which = Which {
                    cell: place(at, state),
                    server,
                    round,
                };
                let expected = if is_opening { 0 } else { messages };
                let turn = self.bench.turn(which, async |_| {
                    repeat(&mut client, work.command, expected, wanted).await
                })?;
                findings.add(turn, &self.bench.servers);
            }
        }
        self.bench.runtime.block_on(client.log_out())
    }
}

async fn log_in(server: &Server, account: usize) -> anyhow::Result<Client> {
    let mut client = Client::connect(server.imap[0], &How::Plain).await?;
    client.log_in(account).await?;
    Ok(client)
}

/// Gives a command again and again for as long as is wanted, at least once.
async fn repeat(client: &mut Client, command: &str, expected: usize, wanted: Duration) -> anyhow::Result<Load> {
    let (started, mut waits) = (Instant::now(), Vec::new());
    while waits.is_empty() || started.elapsed() < wanted {
        let given = Instant::now();
        let answer = client.run(command).await.context("read a mailbox")?;
        ensure!(
            answer.fetched == expected,
            "{} of {expected} messages came",
            answer.fetched
        );
        waits.push(given.elapsed().as_secs_f64());
    }
    Ok(Load {
        took: started.elapsed(),
        operations: waits.len(),
        waits,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_its_row() {
        let mailbox = Mailbox {
            account: 1,
            messages: 10,
            size: 4_096,
        };
        let cells = cells(&[mailbox, mailbox]);
        let keys = |work, state| cells[place(work, state)].keys.join(" ");
        assert_eq!(keys(0, State::Cold), "SELECT 10 cold");
        assert_eq!(keys(2, State::First), "FETCH 1:* ENVELOPE 10 first time");
        assert_eq!(keys(2, State::Warm), "FETCH 1:* ENVELOPE 10 warm");
        assert_eq!(keys(3, State::Cold), "FETCH 1:* BODY.PEEK[] 10 cold");
        assert_eq!(place(3, State::Warm), cells.len() - 1);
    }
}
