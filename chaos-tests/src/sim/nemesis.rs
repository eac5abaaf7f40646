//! What goes wrong, one thing after the other or on top of each other, and how it ends.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use replication::simulation;
use shelf::{Crash, MemFaults};

use super::HEAL;
use super::client;
use super::forget;
use super::oracle::Violation;
use super::world::{Machine, World};

/// A safety rule taken out, to see that the oracle notices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sabotage {
    /// Every disk acknowledges what it has not synced.
    pub acknowledge_before_sync: bool,
}

/// Lets things go wrong for `duration`. Returns how often each did.
///
/// # Errors
/// When a node does not start again on what its disks hold.
pub async fn rage(
    world: &Arc<World>,
    duration: Duration,
    sabotage: Sabotage,
) -> Result<BTreeMap<&'static str, usize>, Violation> {
    let end = simulation::elapsed() + duration;
    let mut faults = BTreeMap::new();
    if sabotage.acknowledge_before_sync {
        set_on_all(world, |faults| faults.lie_about_syncs = true);
    }
    let mut forgotten = false;
    while simulation::elapsed() < end {
        simulation::sleep(Duration::from_millis(200 + world.random(2_500))).await;
        let may_forget = !forgotten && world.machines.len() > 1 && !sabotage.acknowledge_before_sync;
        if may_forget && world.random(12) == 0 {
            // Once, since a retired replica is missing from then on.
            forgotten = true;
            forget::forget(world).await?;
            *faults.entry("forgotten tail").or_default() += 1;
        }
        *faults.entry(strike(world).await?).or_default() += 1;
    }
    Ok(faults)
}

pub(super) fn set_on_all(world: &World, change: impl Fn(&mut MemFaults)) {
    for (_, disk) in world.machines.iter().flat_map(|machine| &machine.disks) {
        let mut faults = disk.faults();
        change(&mut faults);
        disk.set_faults(faults);
    }
}

pub(super) fn some_crash(world: &World) -> Crash {
    match world.random(3) {
        0 => Crash::LoseUnsynced,
        1 => Crash::KeepPrefix {
            seed: world.random(1 << 32),
        },
        _ => Crash::KeepAll,
    }
}

async fn strike(world: &Arc<World>) -> Result<&'static str, Violation> {
    let machine = world.pick(&world.machines);
    Ok(match world.random(9) {
        0 | 1 => {
            world.crash(machine, some_crash(world));
            "crash"
        }
        2 | 3 => {
            restart_all(world).await?;
            "restart"
        }
        4 => {
            for machine in &world.machines {
                world.crash(machine, some_crash(world));
            }
            simulation::sleep(Duration::from_millis(world.random(3_000))).await;
            restart_all(world).await?;
            "power cut"
        }
        5 => {
            part(world, machine);
            "partition"
        }
        6 => {
            world.network.disturb(
                u32::try_from(world.random(30)).unwrap_or(0),
                Duration::from_millis(world.random(400)),
            );
            "bad network"
        }
        7 => {
            machine.skew(i64::try_from(world.random(40_000)).unwrap_or(0) - 20_000);
            "wrong clock"
        }
        _ => {
            let (_, disk) = world.pick(&machine.disks);
            let mut faults = disk.faults();
            faults.stalled = !faults.stalled;
            disk.set_faults(faults);
            if world.random(2) == 0 {
                world.network.mend();
            }
            "stall"
        }
    })
}

/// Cuts a machine off: wholly, or in one direction, or from one other alone.
pub(super) fn part(world: &World, machine: &Machine) {
    let others: Vec<_> = world.machines.iter().filter(|other| other.id != machine.id).collect();
    if others.is_empty() {
        return;
    }
    let (hears, speaks) = [(false, false), (true, false), (false, true)][usize::try_from(world.random(3)).unwrap_or(0)];
    let alone = world.random(2) == 0;
    let one = *world.pick(&others);
    for other in others.into_iter().filter(|other| alone || other.id == one.id) {
        if !speaks {
            world.network.cut(machine.id, other.id);
        }
        if !hears {
            world.network.cut(other.id, machine.id);
        }
    }
}

pub(super) async fn restart_all(world: &Arc<World>) -> Result<(), Violation> {
    for machine in &world.machines {
        if !machine.is_up() {
            world.start(machine).await?;
        }
    }
    Ok(())
}

/// Mends everything, and waits until every group has taken a write from every node.
///
/// # Errors
/// When one does not, in good time.
pub async fn heal(world: &Arc<World>) -> Result<(), Violation> {
    world.network.mend();
    set_on_all(world, |faults| *faults = MemFaults::default());
    for machine in &world.machines {
        machine.skew(0);
    }
    restart_all(world).await?;
    let end = simulation::elapsed() + HEAL;
    for plan in &world.groups {
        for machine in &world.machines {
            let Some((_, replicator)) = machine.replicator() else {
                continue;
            };
            loop {
                let value = world.oracle.begin(plan.group, 0, true);
                match client::append(&replicator, plan.group, 0, value, true).await {
                    Ok(position) => {
                        world.oracle.acknowledged(value, position);
                        break;
                    }
                    Err(error) if simulation::elapsed() > end => {
                        let what = error.to_string();
                        return Err(Violation::NotHealed {
                            group: plan.group,
                            what,
                        });
                    }
                    Err(replication::ProposeError::NotDone { .. }) => world.oracle.not_done(value),
                    Err(_) => world.oracle.unknown(value),
                }
            }
        }
    }
    Ok(())
}
