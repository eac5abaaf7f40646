//! The simulator: real replication on memory shelves and a memory network, in virtual time, everything random drawn
//! from one seed.
//!
//! A run has four parts: load under faults, healing, one more write to every group, and a scan of every replica. What
//! must hold is in [`oracle`]; what may go wrong meanwhile in [`nemesis`].

pub mod client;
pub mod clocks;
pub mod forget;
pub mod hang;
pub mod journal;
pub mod nemesis;
pub mod network;
pub mod oracle;
pub mod world;

use std::sync::Arc;
use std::time::Duration;

use replication::simulation;

pub use oracle::Violation;
pub use world::Shape;

/// How long the faults go on, in virtual time.
pub const FAULTS: Duration = Duration::from_secs(40);
/// How long a healed cluster may take until every group accepts writes again, in virtual time.
pub const HEAL: Duration = Duration::from_secs(20);

/// What a run did, to be sure that it did something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Appends that were acknowledged.
    pub acknowledged: usize,
    /// Appends that were reported as not done.
    pub not_done: usize,
    /// Appends whose outcome nobody knows.
    pub unknown: usize,
    /// Reads that were answered.
    pub reads: usize,
    /// Faults by kind.
    pub faults: std::collections::BTreeMap<&'static str, usize>,
    /// A hash over everything that the replicas held at the end; equal for equal runs.
    pub digest: u64,
}

/// Runs one seed with wrong clocks alone, one at a time, on three nodes.
///
/// # Errors
/// The first thing that did not hold.
pub fn run_clocks(seed: u64) -> Result<Report, Violation> {
    simulation::run(seed, async move {
        let world = Arc::new(world::World::new(seed, Shape::THREE_NODES));
        world.start_all().await?;
        let load = client::start(&world);
        let faults = clocks::rage(&world, FAULTS).await?;
        load.stop().await;
        nemesis::heal(&world).await?;
        oracle::check_log_times(&world).await?;
        let mut report = oracle::scan(&world).await?;
        report.faults = faults;
        Ok(report)
    })
}

/// Runs one seed with disks that hang, one at a time.
///
/// # Errors
/// The first thing that did not hold.
pub fn run_hanging_disks(seed: u64, shape: Shape) -> Result<Report, Violation> {
    simulation::run(seed, async move {
        let world = Arc::new(world::World::new(seed, shape));
        world.start_all().await?;
        nemesis::heal(&world).await?;
        let faults = hang::hang_each(&world).await?;
        nemesis::heal(&world).await?;
        let mut report = oracle::scan(&world).await?;
        report.faults = faults;
        Ok(report)
    })
}

/// Runs one seed.
///
/// # Errors
/// The first thing that did not hold.
pub fn run(seed: u64, shape: Shape, sabotage: nemesis::Sabotage) -> Result<Report, Violation> {
    simulation::run(seed, async move {
        let world = Arc::new(world::World::new(seed, shape));
        world.start_all().await?;
        let load = client::start(&world);
        let faults = nemesis::rage(&world, FAULTS, sabotage).await?;
        load.stop().await;
        nemesis::heal(&world).await?;
        let mut report = oracle::scan(&world).await?;
        report.faults = faults;
        Ok(report)
    })
}
