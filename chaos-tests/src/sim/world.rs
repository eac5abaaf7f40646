//! The simulated cluster: nodes with memory disks, clocks that may be wrong, and starting and crashing them.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mail_model::{GroupId, NodeId, ReplicaId, ShelfId};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use replication::simulation::{self, SimTypes};
use replication::{Clock, GroupPlan, Incarnation, ReplicaPlace, Replicator, ReplicatorConfig, StartError, Starting};
use shelf::{Column, Crash, MemDisk, ReplicaState, Shelf};

use super::journal::Journal;
use super::network::Network;
use super::oracle::{Oracle, Violation};

/// How big a cluster is simulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Nodes.
    pub nodes: usize,
    /// Shelves of each.
    pub shelves: usize,
    /// Groups, the system group not counted, which the simulator does without.
    pub groups: u32,
    /// Voters of each group, at most one on a shelf.
    pub voters: usize,
}

impl Shape {
    /// Three nodes with a shelf each.
    pub const THREE_NODES: Self = Self {
        nodes: 3,
        shelves: 1,
        groups: 2,
        voters: 3,
    };
    /// One machine with three shelves.
    pub const ONE_NODE: Self = Self {
        nodes: 1,
        shelves: 3,
        groups: 2,
        voters: 3,
    };
    /// Five nodes, of which three have a replica of each group.
    pub const FIVE_NODES: Self = Self {
        nodes: 5,
        shelves: 2,
        groups: 4,
        voters: 3,
    };
}

/// Log kept by each replica: so little that who was away for a while needs a snapshot.
const LOG_KEEP_BYTES: u64 = 32 << 10;

/// What runs of a node between two crashes.
struct Running {
    replicator: Replicator<SimTypes>,
    shelves: Vec<Shelf>,
}

/// One machine: its disks outlive what runs on it.
pub struct Machine {
    /// The node.
    pub id: NodeId,
    /// Its disks.
    pub disks: Vec<(ShelfId, MemDisk)>,
    skew_ms: Arc<AtomicI64>,
    starts: Mutex<u64>,
    running: Mutex<Option<Running>>,
}

impl Machine {
    /// What answers for the node now, with the number of this start.
    #[must_use]
    pub fn replicator(&self) -> Option<(u64, Replicator<SimTypes>)> {
        let running = lock(&self.running);
        running
            .as_ref()
            .map(|running| (*lock(&self.starts), running.replicator.clone()))
    }

    /// Whether anything runs.
    #[must_use]
    pub fn is_up(&self) -> bool {
        lock(&self.running).is_some()
    }

    /// Whether a replica runs on it.
    #[must_use]
    pub fn runs(&self, replica: ReplicaId) -> bool {
        let running = self.replicator().map(|(_, replicator)| replicator.status());
        running.is_some_and(|all| all.iter().any(|status| status.replica == replica))
    }

    /// Sets its clock wrong by so much.
    pub fn skew(&self, ms: i64) {
        self.skew_ms.store(ms, Ordering::Relaxed);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A clock that is wrong by a settable amount; the year is 2026.
struct SkewedClock(Arc<AtomicI64>);

impl Clock for SkewedClock {
    fn now_ms(&self) -> u64 {
        u64::try_from(right_time_ms() + self.0.load(Ordering::Relaxed)).unwrap_or(0)
    }
}

/// What a clock shows that is right.
#[must_use]
pub fn right_time_ms() -> i64 {
    const START_MS: i64 = 1_780_000_000_000;
    START_MS + i64::try_from(simulation::elapsed().as_millis()).unwrap_or(i64::MAX)
}

/// Real time for a shelf to let go of its disk. That is done by a thread, and a run that went on meanwhile would be another
/// one each time.
pub(super) const CLOSED_WITHIN: Duration = Duration::from_secs(60);

/// Everything of a run.
pub struct World {
    /// The machines.
    pub machines: Vec<Machine>,
    /// Between them.
    pub network: Network,
    /// The groups.
    pub groups: Vec<GroupPlan>,
    /// Who remembers what was promised.
    pub oracle: Oracle,
    rng: Mutex<StdRng>,
}

impl World {
    /// Empty machines.
    #[must_use]
    pub fn new(seed: u64, shape: Shape) -> Self {
        let byte = |number: usize| u8::try_from(number + 1).expect("a small cluster");
        let machines: Vec<_> = (0..shape.nodes)
            .map(|node| Machine {
                id: NodeId([byte(node); 16]),
                disks: (0..shape.shelves)
                    .map(|shelf| {
                        let id = ShelfId([byte(node) << 4 | byte(shelf); 16]);
                        (id, MemDisk::new(&format!("n{}-{}", node + 1, shelf + 1)))
                    })
                    .collect(),
                skew_ms: Arc::default(),
                starts: Mutex::new(0),
                running: Mutex::new(None),
            })
            .collect();
        // Node by node first, so that a group's replicas are on different nodes when there are enough.
        let places: Vec<_> = (0..shape.shelves)
            .flat_map(|shelf| machines.iter().map(move |machine| (machine, shelf)))
            .map(|(machine, shelf)| ReplicaPlace {
                node: machine.id,
                shelf: machine.disks[shelf].0,
            })
            .collect();
        let groups = (1..=shape.groups)
            .map(|group| GroupPlan {
                group: GroupId(group),
                voters: (0..shape.voters)
                    .map(|voter| {
                        let at = (group as usize - 1) + voter;
                        (
                            ReplicaId(u64::from(group) * 100 + voter as u64),
                            places[at % places.len()],
                        )
                    })
                    .collect(),
                learners: Vec::new(),
            })
            .collect();
        Self {
            machines,
            network: Network::new(seed ^ 0xA5A5),
            groups,
            oracle: Oracle::default(),
            rng: Mutex::new(StdRng::seed_from_u64(seed)),
        }
    }

    /// A random number below `bound`.
    pub fn random(&self, bound: u64) -> u64 {
        lock(&self.rng).random_range(0..bound)
    }

    /// One of `of`.
    pub fn pick<'t, T>(&self, of: &'t [T]) -> &'t T {
        let at = usize::try_from(self.random(of.len() as u64)).expect("fits");
        &of[at]
    }

    /// Makes the replicas and starts every node.
    ///
    /// # Errors
    /// When a replica does not start.
    pub async fn start_all(self: &Arc<Self>) -> Result<(), Violation> {
        for machine in &self.machines {
            for (shelf_id, disk) in &machine.disks {
                let shelf = Shelf::simulated(disk.open()).map_err(Violation::from_shelf)?;
                for plan in &self.groups {
                    for (replica, _) in plan.voters.iter().filter(|(_, place)| place.shelf == *shelf_id) {
                        shelf
                            .create_replica(*replica, plan.group)
                            .map_err(Violation::from_shelf)?;
                    }
                }
                let _closed = shelf.close(CLOSED_WITHIN);
            }
        }
        for machine in &self.machines {
            self.start(machine).await?;
        }
        Ok(())
    }

    /// Starts a node on what its disks hold.
    ///
    /// # Errors
    /// When what they hold cannot be run.
    pub async fn start(self: &Arc<Self>, machine: &Machine) -> Result<(), Violation> {
        let start = {
            let mut starts = lock(&machine.starts);
            *starts += 1;
            *starts
        };
        let clock = Arc::new(SkewedClock(machine.skew_ms.clone()));
        let replicator = Replicator::new(ReplicatorConfig {
            node: machine.id,
            incarnation: Incarnation {
                started_ms: clock.now_ms(),
                random: self.random(u64::MAX),
            },
            groups: self.groups.clone(),
            clock,
        });
        self.network.plug_in(machine.id, start, replicator.clone());
        let (mut shelves, mut starting) = (Vec::new(), Vec::new());
        for (shelf_id, disk) in &machine.disks {
            let shelf = Shelf::simulated(disk.open()).map_err(Violation::from_shelf)?;
            simulation::spawn(pump(shelf.clone(), disk.clone(), self.clone()));
            let replicas = shelf.replicas().map_err(Violation::from_shelf)?;
            for replica in replicas.iter().filter(|replica| replica.state == ReplicaState::Active) {
                let place = ReplicaPlace {
                    node: machine.id,
                    shelf: *shelf_id,
                };
                starting.push(Starting {
                    store: shelf.replica(replica.id).map_err(Violation::from_shelf)?,
                    place,
                    app: Arc::new(Journal),
                });
            }
            shelves.push(shelf);
        }
        for started in replicator.start_replicas(starting).await {
            match started {
                // Whether that is right, the nemesis knows.
                Ok(()) | Err(StartError::Forgot { .. } | StartError::ShelfForgot { .. }) => {}
                Err(error) => return Err(Violation::DoesNotStart(error.to_string())),
            }
        }
        replicator.watch_peers();
        replicator.tend_logs(LOG_KEEP_BYTES);
        replicator.found().await.map_err(Violation::DoesNotStart)?;
        *lock(&machine.running) = Some(Running { replicator, shelves });
        Ok(())
    }

    /// Damages every blob on one disk of the first machine: reading them there is an error from now on.
    pub fn damage_blobs(&self) {
        let (_, disk) = &self.machines[0].disks[0];
        for key in disk.keys(Column::Blob) {
            disk.corrupt(Column::Blob, &key);
        }
    }

    /// Ends a node without warning; its disks keep what `crash` says.
    pub fn crash(&self, machine: &Machine, crash: Crash) {
        self.crash_each(machine, |_| crash);
    }

    /// Ends a node without warning; each of its disks keeps what `crash` says.
    pub fn crash_each(&self, machine: &Machine, crash: impl Fn(ShelfId) -> Crash) {
        let Some(running) = lock(&machine.running).take() else {
            return;
        };
        self.network.unplug(machine.id);
        for (shelf, disk) in &machine.disks {
            disk.crash(crash(*shelf));
        }
        // What is left of it can reach neither disk nor network any more; let it end.
        simulation::spawn(async move {
            running.replicator.stop().await;
            drop(running.shelves);
        });
    }
}

/// A disk at work: syncs take from a fifth of a millisecond to eight.
async fn pump(shelf: Shelf, disk: MemDisk, world: Arc<World>) {
    while shelf.failure().is_none() {
        simulation::sleep(Duration::from_micros(200 + world.random(8_000))).await;
        if !disk.faults().stalled {
            shelf.pump();
        }
    }
}
