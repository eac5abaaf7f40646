//! Load: on every node some clients append and read, one thing after the other, and tell the oracle what they were
//! told.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use replication::simulation::{self, SimTypes};
use replication::{Command, GroupClient, ProposeError, Replicator, piece};

use super::journal::{self, KEYS};
use super::world::World;

/// Clients on each node.
const CLIENTS: usize = 3;
/// Time for one request.
const WITHIN: Duration = Duration::from_secs(6);

/// Running clients.
pub struct Load {
    stop: Arc<AtomicBool>,
    running: Arc<AtomicUsize>,
}

/// Starts the clients.
#[must_use]
pub fn start(world: &Arc<World>) -> Load {
    let load = Load {
        stop: Arc::default(),
        running: Arc::default(),
    };
    for node in 0..world.machines.len() {
        for _ in 0..CLIENTS {
            load.running.fetch_add(1, Ordering::Relaxed);
            let (world, stop, running) = (world.clone(), load.stop.clone(), load.running.clone());
            simulation::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    step(&world, node).await;
                    simulation::sleep(Duration::from_millis(1 + world.random(40))).await;
                }
                running.fetch_sub(1, Ordering::Relaxed);
            });
        }
    }
    load
}

impl Load {
    /// Lets every client finish what it is at.
    pub async fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        while self.running.load(Ordering::Relaxed) > 0 {
            simulation::sleep(Duration::from_millis(100)).await;
        }
    }
}

async fn step(world: &Arc<World>, node: usize) {
    let Some((start, replicator)) = world.machines[node].replicator() else {
        return simulation::sleep(Duration::from_millis(200)).await;
    };
    let group = world.pick(&world.groups).group;
    let key = u8::try_from(world.random(u64::from(KEYS))).expect("a small number");
    if world.random(4) == 0 {
        read(world, &replicator, group, key).await;
        return;
    }
    let with_blob = world.random(3) == 0;
    let value = world.oracle.begin(group, key, with_blob);
    let outcome = append(&replicator, group, key, value, with_blob).await;
    let same_start = world.machines[node].replicator().is_some_and(|(now, _)| now == start);
    match outcome {
        Ok(position) if same_start => world.oracle.acknowledged(value, position),
        Err(ProposeError::NotDone { .. }) if same_start => world.oracle.not_done(value),
        // A client of a node that died in between was told nothing.
        _ => world.oracle.unknown(value),
    }
}

/// The bytes of the blob that belongs to a value.
#[must_use]
pub fn body(value: u64) -> Vec<u8> {
    let len = 100 + usize::try_from(value % 3_000).expect("small");
    value.to_be_bytes().iter().copied().cycle().take(len).collect()
}

/// Appends one value; returns its position in the list.
///
/// # Errors
/// What the proposal came to.
pub async fn append(
    replicator: &Replicator<SimTypes>,
    group: mail_model::GroupId,
    key: u8,
    value: u64,
    with_blob: bool,
) -> Result<u64, ProposeError> {
    let blob = with_blob.then(|| {
        piece::encode(&body(value), piece::PiecePlace::Whole)
            .expect("one piece")
            .record
    });
    let payload = Bytes::from(journal::append(key, value));
    let applied = replicator.propose(group, Command { payload, blob }, WITHIN).await?;
    Ok(applied
        .reply
        .iter()
        .fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

/// A linearizable read. Tells the oracle what it should and what it does show.
async fn read(world: &Arc<World>, replicator: &Replicator<SimTypes>, group: mail_model::GroupId, key: u8) {
    let promised = world.oracle.promised(group, key);
    let Ok(token) = replicator.read_index(group, WITHIN).await else {
        return;
    };
    let Ok(answer) = replicator.query(group, token, Bytes::from(vec![key]), WITHIN).await else {
        return;
    };
    world.oracle.saw(group, key, &promised, &journal::items(&answer.reply));
}
