//! Nodes get killed, and shelves cut off, while mail comes in and is worked on; then every message is asked for at every
//! node.
//!
//! A round kills a node and starts it again, or cuts its power, or cuts the link of one of its shelves and returns it.
//! Meanwhile clients deliver over SMTP at n1, over LMTP at n2 and append over IMAP at n3, or where they find a node that is
//! up; others flag, move and remove messages over IMAP and POP3. What must hold is in [`ledger`].
//!
//! Everything random is drawn from one seed; when what happens is up to the machine, so that a seed makes a schedule and
//! not a run.
//!
//! Must not know: what is inside a node.

mod curator;
mod ledger;
mod limits;
mod look;
mod message;
mod sender;
mod witness;
mod world;

use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

use self::limits::{ACCOUNTS, DOWN_MS_MAX, GROUPS, LOOKS, NODES, SHELVES, UP_MS_MAX, UP_MS_MIN};
use self::witness::Witness;
use self::world::{Counts, Visit, World};
use crate::fault_fs::{Fault, LinkError, Loss, Lost};
use crate::process::{Cluster, Shape};

/// What must never be, and was. The text says what, where and when.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Violation(String);

/// What a run did, to be sure that it did something.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Nodes killed.
    pub kills: usize,
    /// Links of shelves cut.
    pub cuts: usize,
    /// What power cuts took.
    pub lost: Lost,
    /// What clients did and met.
    pub counts: Counts,
    /// The longest that a session at a node that lived has waited for a reply while another node was down.
    pub longest_pause: Duration,
    /// The longest that a node took from its start until it served and every group was led.
    pub longest_restart: Duration,
}

impl Report {
    /// Sees that a run was not about nothing.
    ///
    /// # Panics
    /// When one of `counts` is ten or less.
    pub fn must_have_done(&self, counts: &[u32]) {
        assert!(
            counts.iter().all(|count| *count > 10),
            "next to nothing was done: {self}"
        );
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |duration: Duration| duration.as_millis();
        write!(
            f,
            "{} kills, {} links cut, {} blocks and {} names lost; {}; longest pause {} ms, longest restart {} ms",
            self.kills,
            self.cuts,
            self.lost.blocks,
            self.lost.names,
            self.counts,
            ms(self.longest_pause),
            ms(self.longest_restart)
        )
    }
}

/// What is done in each round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Harm {
    /// A node is killed with SIGKILL, in every fifth round all are: what they have written is there.
    Kill,
    /// The power of a node is cut, in every second round of all: what they have not synced is lost, all of it or some.
    PowerCut,
    /// The link of a shelf is cut, and comes back.
    LinkCut,
}

/// [`run`] as a part of the suite: what the rounds were and what came of them is printed.
///
/// # Panics
/// When something was that must never be, or the cluster cannot be run at all.
#[must_use]
pub fn run_in_suite(seed: u64, rounds: u32, harm: Harm) -> Report {
    println!("seed {seed}, {rounds} rounds");
    let report = run(seed, rounds, harm).unwrap_or_else(|violation| panic!("{violation}"));
    println!("{report}");
    report
}

/// Runs `rounds` rounds on a cluster of its own.
///
/// # Errors
/// The first thing that did not hold. The cluster's directory is kept then, and the text names it.
///
/// # Panics
/// When the cluster cannot be run at all.
pub fn run(seed: u64, rounds: u32, harm: Harm) -> Result<Report, Violation> {
    let shape = Shape {
        nodes: NODES,
        shelves: SHELVES,
        groups: GROUPS,
        accounts: ACCOUNTS,
    };
    let mut cluster = match harm {
        Harm::Kill => Cluster::start(shape),
        Harm::PowerCut | Harm::LinkCut => Cluster::start_on_mounts(shape, seed),
    };
    let world = World::new(&cluster, seed, harm);
    let mut report = Report::default();
    let raged = thread::scope(|scope| {
        let workers = sender::start(scope, &world)
            .into_iter()
            .chain(curator::start(scope, &world));
        let workers: Vec<_> = workers.collect();
        let clients_end = EndOfClients(&world);
        let raged = rage(&world, &mut cluster, rounds, &mut report);
        drop(clients_end);
        let panicked = workers.into_iter().filter_map(|worker| worker.join().err()).count();
        raged.and_then(|()| match panicked {
            0 => Ok(()),
            _ => Err(Violation("a client of the test panicked".to_owned())),
        })
    });
    let outcome = raged
        .and_then(|()| world.verdict())
        .and_then(|()| scan(&world, &cluster));
    report.counts = world.counts();
    outcome.map_err(|Violation(what)| {
        cluster.show();
        let dir = cluster.keep().display();
        Violation(format!(
            "seed {seed}, round {}: {what}; the cluster is kept in {dir}",
            world.round()
        ))
    })?;
    Ok(report)
}

/// Tells all clients to end, also when a panic ends the rounds: the scope waits for them.
struct EndOfClients<'a>(&'a World);

impl Drop for EndOfClients<'_> {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// The rounds.
fn rage(world: &World, cluster: &mut Cluster, rounds: u32, report: &mut Report) -> Result<(), Violation> {
    let mut rng = StdRng::seed_from_u64(world.seed);
    let mut witnesses = Vec::new();
    for node in cluster.nodes() {
        witnesses.extend(Witness::of_node(world, node, &mut rng)?);
    }
    for round in 1..=rounds {
        world.begin_round(round);
        let all: Vec<u16> = cluster.nodes().collect();
        let victims = match world.kills_all(round) {
            true => all,
            false => all.sample(&mut rng, 1).copied().collect(),
        };
        pause(&mut rng, UP_MS_MIN..UP_MS_MAX);
        if world.harm == Harm::LinkCut {
            cut_link(world, cluster, &mut witnesses, victims[0], &mut rng, report)?;
        }
        victims.iter().for_each(|node| world.falls(*node));
        match world.harm {
            Harm::Kill | Harm::LinkCut => cluster.kill_all(&victims),
            Harm::PowerCut => report.lost += cluster.cut_power(&victims, loss(&mut rng)),
        }
        report.kills += victims.len();
        witnesses.retain(|witness| !victims.contains(&witness.node()));
        see(world, &mut witnesses, &mut rng, report)?;
        pause(&mut rng, 0..DOWN_MS_MAX);
        let started = Instant::now();
        victims.iter().for_each(|node| cluster.start_node(*node));
        for node in &victims {
            cluster.wait_until_up(*node);
            world.rises(*node);
        }
        cluster.wait_until_led();
        report.longest_restart = report.longest_restart.max(started.elapsed());
        for node in victims {
            witnesses.extend(Witness::of_node(world, node, &mut rng)?);
        }
        look_around(world, &mut rng)?;
    }
    Ok(())
}

/// Cuts the link of a shelf of a node, sees that nobody is put off for that, and returns the link. The node has to be
/// started again for the shelf to be used again.
fn cut_link(
    world: &World,
    cluster: &Cluster,
    witnesses: &mut [Witness],
    node: u16,
    rng: &mut StdRng,
    report: &mut Report,
) -> Result<(), Violation> {
    let errors = [LinkError::NotConnected, LinkError::Io, LinkError::Stale];
    let error = *errors.choose(rng).expect("there are some");
    let shelf = cluster.shelf(node, rng.random_range(1..=SHELVES));
    let cut = shelf.inject(Fault::LinkCut(error));
    report.cuts += 1;
    see(world, witnesses, rng, report)?;
    cluster.wait_until_led();
    look_around(world, rng)?;
    pause(rng, 0..DOWN_MS_MAX);
    shelf.end(cut);
    Ok(())
}

/// Sessions that were there before are still served.
fn see(world: &World, witnesses: &mut [Witness], rng: &mut StdRng, report: &mut Report) -> Result<(), Violation> {
    for witness in witnesses {
        report.longest_pause = report.longest_pause.max(witness.look(world, rng)?);
    }
    Ok(())
}

/// A few accounts at random nodes hold what they should.
fn look_around(world: &World, rng: &mut StdRng) -> Result<(), Violation> {
    for _ in 0..LOOKS {
        look::look(
            world,
            Visit::at(world, rng.random_range(1..=NODES)),
            rng.random_range(1..=ACCOUNTS),
        )?;
    }
    world.verdict()
}

/// Asks every node for everything, all at once, and then the cluster for its own opinion.
fn scan(world: &World, cluster: &Cluster) -> Result<(), Violation> {
    thread::scope(|scope| {
        let scans = cluster.nodes().map(|node| {
            scope.spawn(move || {
                (1..=ACCOUNTS).try_for_each(|account| look::scan(world, Visit::at(world, node), account))
            })
        });
        let scans: Vec<_> = scans.collect();
        scans.into_iter().try_for_each(|scan| match scan.join() {
            Ok(outcome) => outcome,
            Err(_) => Err(Violation("a scan panicked".to_owned())),
        })
    })?;
    let check = cluster.tool(&["check"]);
    match check.status.success() {
        true => Ok(()),
        false => Err(Violation(format!(
            "holdfast check: {}{}",
            String::from_utf8_lossy(&check.stdout),
            String::from_utf8_lossy(&check.stderr)
        ))),
    }
}

/// What a power cut takes.
fn loss(rng: &mut StdRng) -> Loss {
    match rng.random() {
        true => Loss::Everything,
        false => Loss::Some { seed: rng.random() },
    }
}

/// A part of the schedule: how long something goes on is up to the seed.
fn pause(rng: &mut StdRng, ms: std::ops::Range<u64>) {
    thread::sleep(Duration::from_millis(rng.random_range(ms)));
}
