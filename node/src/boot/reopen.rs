//! Takes shelves back into use that had stopped for want of room, once there is room again (DESIGN D12).
//!
//! Invariants
//! - The same shelf is open once: nothing is opened before everything has let go of the opening that failed (D8).
//! - A shelf that failed for any other reason is left as it is: somebody has to look at its disk.
//! - Replicas run before the others are told that the shelf is in order.

use std::sync::Arc;

use anyhow::Context;
use shelf::SharedPool;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::groups::{self, NodeReplicator};
use super::setup::Setup;
use super::shelves::{self, NodeShelf};
use crate::limits::SPACE_EVERY;

/// Goes on until it is aborted.
pub(crate) async fn run(setup: Arc<Setup>, shelves: Vec<Arc<NodeShelf>>, pool: SharedPool, replicator: NodeReplicator) {
    loop {
        sleep(SPACE_EVERY).await;
        for shelf in shelves.iter().filter(|shelf| shelf.may_come_back()) {
            match take_back(&setup, shelf, &pool, &replicator).await {
                Ok(()) => tracing::info!(shelf = %shelf.name, "the shelf is taken back into use"),
                Err(error) => {
                    tracing::warn!(shelf = %shelf.name, error = format!("{error:#}"), "the shelf cannot be taken back yet");
                }
            }
        }
    }
}

async fn take_back(
    setup: &Arc<Setup>,
    shelf: &Arc<NodeShelf>,
    pool: &SharedPool,
    replicator: &NodeReplicator,
) -> anyhow::Result<()> {
    let of_call = (setup.clone(), shelf.clone(), pool.clone());
    let opened = spawn_blocking(move || {
        let (setup, shelf, pool) = of_call;
        let dir = setup.node.shelves.iter().find(|dir| dir.name.as_str() == shelf.name);
        let dir = dir.context("the cluster file does not name it")?;
        shelf.reopen(&setup, dir, &pool).map_err(anyhow::Error::msg)
    });
    shelves::watch_calls(&shelf.name, opened.await??)?;
    groups::start_replicas(setup, std::slice::from_ref(shelf), replicator).await?;
    if let Some(id) = shelf.id {
        replicator.shelf_is_back(id);
    }
    Ok(())
}
