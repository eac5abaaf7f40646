//! The fault that the others must notice: a disk comes back without the end of what it had synced, and nothing on its own
//! machine says so (DESIGN D10).
//!
//! It strikes while the other nodes are up, since they remember in memory what they saw. Around it things are so that
//! going on as before would lose what was acknowledged: one of the others missed it, and the one that did not may be cut
//! off right after.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use mail_model::{ReplicaId, ShelfId};
use replication::simulation;
use shelf::{Crash, MemDisk, MemFaults, ReplicaState, Shelf};

use super::nemesis;
use super::oracle::Violation;
use super::world::{CLOSED_WITHIN, Machine, World};

/// After so long without faults, what was synced is acknowledged, and whom it was acknowledged to knows.
const KNOWN: Duration = Duration::from_secs(1);
/// Synced batches that are lost at most.
const BATCHES_MAX: u64 = 800;

/// Lets one disk forget.
///
/// # Errors
/// When a replica of it runs again although it has less than it had acknowledged.
pub async fn forget(world: &Arc<World>) -> Result<(), Violation> {
    world.network.mend();
    nemesis::set_on_all(world, |faults| *faults = MemFaults::default());
    nemesis::restart_all(world).await?;
    simulation::sleep(3 * KNOWN).await;
    let machine = world.pick(&world.machines);
    let others: Vec<_> = world.machines.iter().filter(|other| other.id != machine.id).collect();
    let misses = *world.pick(&others);
    if world.random(2) == 0 {
        cut_off(world, misses);
    }
    simulation::sleep(KNOWN).await;
    let (shelf, disk) = world.pick(&machine.disks);
    let before = last_entries(machine, *shelf);
    simulation::sleep(KNOWN).await;
    let batches = usize::try_from(1 + world.random(BATCHES_MAX)).unwrap_or(1);
    let rest = nemesis::some_crash(world);
    world.crash_each(machine, |id| match id == *shelf {
        true => Crash::LoseSynced { batches },
        false => rest,
    });
    let now = read_disk(disk)?;
    world.start(machine).await?;
    for (replica, before) in before {
        let now = now.get(&replica).copied().unwrap_or(0);
        if now < before && machine.runs(replica) {
            return Err(Violation::NotNoticed { replica, before, now });
        }
    }
    world.network.mend();
    if let Some(knows) = others.into_iter().find(|other| other.id != misses.id) {
        cut_off(world, knows);
    }
    Ok(())
}

fn cut_off(world: &World, machine: &Machine) {
    for other in world.machines.iter().filter(|other| other.id != machine.id) {
        world.network.cut(machine.id, other.id);
        world.network.cut(other.id, machine.id);
    }
}

/// The last entry of every replica that runs on a shelf.
fn last_entries(machine: &Machine, shelf: ShelfId) -> BTreeMap<ReplicaId, u64> {
    let Some((_, replicator)) = machine.replicator() else {
        return BTreeMap::new();
    };
    let on_shelf = |status: &replication::ReplicaStatus| {
        let mut own = status.members.iter().filter(|(id, ..)| *id == status.replica);
        own.any(|(_, place, _)| place.shelf == shelf)
    };
    let statuses = replicator.status().into_iter().filter(on_shelf);
    statuses.map(|status| (status.replica, status.last_index)).collect()
}

/// The last entry of every active replica on the disk of a machine that is down.
fn read_disk(disk: &MemDisk) -> Result<BTreeMap<ReplicaId, u64>, Violation> {
    let shelf = Shelf::simulated(disk.open()).map_err(Violation::from_shelf)?;
    let mut found = BTreeMap::new();
    for replica in shelf.replicas().map_err(Violation::from_shelf)? {
        if replica.state == ReplicaState::Active {
            let bounds = shelf.replica(replica.id).and_then(|store| store.bounds());
            let bounds = bounds.map_err(Violation::from_shelf)?;
            let purged = bounds.purged.map_or(0, |(index, _)| index.0);
            let last = bounds.last.map_or(0, |(index, _)| index.0);
            found.insert(replica.id, last.max(purged));
        }
    }
    let _closed = shelf.close(CLOSED_WITHIN);
    Ok(found)
}
