//! Wrong clocks, one at a time, so that the median is right: whoever has one must not lead, and log time must not show it
//! (DESIGN D5).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use replication::simulation;
use shelf::Crash;

use super::oracle::Violation;
use super::world::{Machine, World};

/// Off by so much at least.
const WRONG_MS: i64 = 6_000;
/// As long as a clock is wrong by less, it is followed; by more, it has jumped.
const HOUR_MS: i64 = 3_600_000;
/// In so long a group that is led from a wrong clock is handed over.
const SEEN_TO: Duration = Duration::from_secs(3);

/// Sets clocks wrong for `duration`.
///
/// # Errors
/// When a node with a wrong clock leads.
pub async fn rage(world: &Arc<World>, duration: Duration) -> Result<BTreeMap<&'static str, usize>, Violation> {
    let end = simulation::elapsed() + duration;
    let mut faults = BTreeMap::new();
    while simulation::elapsed() < end {
        simulation::sleep(Duration::from_millis(500 + world.random(4_000))).await;
        let machine = world.pick(&world.machines);
        let ahead = if world.random(2) == 0 { 1 } else { -1 };
        let (kind, skew_ms) = match world.random(2) {
            0 => ("wrong clock", WRONG_MS + random(world, HOUR_MS - 2 * WRONG_MS)),
            _ => ("clock that jumps", HOUR_MS + WRONG_MS + random(world, 9 * HOUR_MS)),
        };
        machine.skew(ahead * skew_ms);
        let restarts = world.random(3) == 0;
        if restarts {
            world.crash(machine, Crash::KeepAll);
            world.start(machine).await?;
        }
        simulation::sleep(SEEN_TO).await;
        // A clock that jumps while the node runs is not believed, so the node's time is right.
        let is_off = skew_ms < HOUR_MS || restarts;
        if is_off {
            must_not_lead(machine)?;
        }
        simulation::sleep(Duration::from_millis(world.random(3_000))).await;
        machine.skew(0);
        *faults.entry(kind).or_default() += 1;
    }
    Ok(faults)
}

fn random(world: &World, bound: i64) -> i64 {
    let bound = u64::try_from(bound).unwrap_or(1);
    i64::try_from(world.random(bound)).unwrap_or(0)
}

fn must_not_lead(machine: &Machine) -> Result<(), Violation> {
    let Some((_, replicator)) = machine.replicator() else {
        return Ok(());
    };
    let led = replicator.status().into_iter().find(|status| status.leads);
    led.map_or(Ok(()), |status| {
        Err(Violation::WrongClockLeads {
            group: status.group,
            ahead_ms: replicator.clock().ahead_ms,
        })
    })
}
