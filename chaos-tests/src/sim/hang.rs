//! Disks that hang, one at a time: no write on them is synced any more, and nothing says so. No group may wait for such a
//! disk, whether it leads there or not (DESIGN P4).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use replication::simulation;

use super::client;
use super::oracle::Violation;
use super::world::World;

/// How long a disk hangs.
const HANGS: Duration = Duration::from_secs(10);
/// How long a group may take for a write meanwhile.
const GOES_ON_WITHIN: Duration = Duration::from_secs(1);

/// Lets every disk hang once.
///
/// # Errors
/// When a write waits for it.
pub async fn hang_each(world: &Arc<World>) -> Result<BTreeMap<&'static str, usize>, Violation> {
    let mut faults = BTreeMap::new();
    for (_, disk) in world.machines.iter().flat_map(|machine| &machine.disks) {
        let mut hanging = disk.faults();
        hanging.stalled = true;
        disk.set_faults(hanging.clone());
        let end = simulation::elapsed() + HANGS;
        while simulation::elapsed() < end {
            write_everywhere(world).await?;
            simulation::sleep(Duration::from_millis(world.random(400))).await;
        }
        hanging.stalled = false;
        disk.set_faults(hanging);
        *faults.entry("hang").or_default() += 1;
    }
    Ok(faults)
}

async fn write_everywhere(world: &Arc<World>) -> Result<(), Violation> {
    for machine in &world.machines {
        let Some((_, replicator)) = machine.replicator() else {
            continue;
        };
        for plan in &world.groups {
            let group = plan.group;
            let value = world.oracle.begin(group, 0, true);
            let appended =
                simulation::timeout(GOES_ON_WITHIN, client::append(&replicator, group, 0, value, true)).await;
            let what = match appended {
                Some(Ok(position)) => {
                    world.oracle.acknowledged(value, position);
                    continue;
                }
                Some(Err(error)) => error.to_string(),
                None => "a write waits".to_owned(),
            };
            return Err(Violation::HeldUp { group, what });
        }
    }
    Ok(())
}
