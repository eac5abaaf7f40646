//! `--init-shelves`: makes the shelves of this node with the replicas that the cluster was founded with, once.
//!
//! Invariants
//! - A node whose shelves were made never gets new ones by this: an empty directory then is a disk that is not mounted.
//! - What is there is not overwritten. An earlier attempt that was interrupted between two shelves is finished.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;

use anyhow::{Context, bail};
use cluster_config::ShelfDir;
use shelf::{Opened, SharedPool, Shelf, ShelfIdentity, ShelfLabel};

use super::setup::Setup;
use super::shelves::shelf_config;
use super::state_dir::StateDir;
use crate::limits::SHELF_END_WITHIN;

/// A new shelf holds next to nothing.
const CACHE_BYTES: usize = 1 << 20;

/// Makes all shelves of the node. Blocks.
pub(crate) fn make_shelves(setup: &Setup) -> anyhow::Result<()> {
    let state = StateDir::lock(&setup.node.state_dir)?;
    if state.has_shelves() {
        bail!(
            "the shelves of node {} were made before; one that is missing now is lost, and its mail is on the other \
             nodes",
            setup.node.name
        );
    }
    let pool = SharedPool::new(setup.node.shelves.len(), CACHE_BYTES)?;
    let failed = |dir: &ShelfDir| format!("make shelf {} in {}", dir.name, dir.path.display());
    for dir in &setup.node.shelves {
        make(setup, dir, &pool).with_context(|| failed(dir))?;
    }
    // A shelf keeps its marks on the others, too, so that they have to be there when the first is opened.
    for dir in &setup.node.shelves {
        fill(setup, dir, &pool).with_context(|| failed(dir))?;
        tracing::info!(shelf = %dir.name, path = %dir.path.display(), "shelf made");
    }
    state.note_shelves()
}

/// What the plan says that a shelf is.
fn identity(setup: &Setup, dir: &ShelfDir) -> anyhow::Result<ShelfIdentity> {
    let Some(planned) = setup.shelf(dir.name.as_str()) else {
        bail!("the cluster was founded without this shelf");
    };
    Ok(ShelfIdentity {
        cluster: setup.plan.cluster,
        node: setup.id(),
        shelf: planned.id,
    })
}

/// The shelf without replicas.
fn make(setup: &Setup, dir: &ShelfDir, pool: &SharedPool) -> anyhow::Result<()> {
    let identity = identity(setup, dir)?;
    if !dir.path.exists() {
        DirBuilder::new().recursive(true).mode(0o700).create(&dir.path)?;
    }
    // The id is in this node's plan alone, so a shelf that has it was left by an attempt at just this.
    let label = ShelfLabel::new(dir.name.as_str(), 0);
    if shelf::read_identity(&label, &dir.path).is_ok_and(|found| found == identity) {
        tracing::info!(shelf = %dir.name, "going on with an earlier attempt");
    } else {
        shelf::init(dir.name.as_str(), &dir.path, &identity, pool)?;
    }
    Ok(())
}

/// The replicas that it was founded with.
fn fill(setup: &Setup, dir: &ShelfDir, pool: &SharedPool) -> anyhow::Result<()> {
    let shelf = match shelf::open(&shelf_config(setup, dir, 0), pool)? {
        Opened::Sound(shelf, _) => shelf,
        Opened::Doubtful(_) => bail!(
            "an earlier attempt was cut off in the middle of this shelf: remove {} and try again",
            dir.path.display()
        ),
    };
    add_replicas(setup, &shelf, identity(setup, dir)?)?;
    if !shelf.close(SHELF_END_WITHIN) {
        bail!("the shelf did not close within {} s", SHELF_END_WITHIN.as_secs());
    }
    Ok(())
}

fn add_replicas(setup: &Setup, shelf: &Shelf, identity: ShelfIdentity) -> anyhow::Result<()> {
    let there = shelf.replicas()?;
    for (replica, group) in setup.replicas_on(identity.shelf) {
        if there.iter().all(|info| info.id != replica) {
            shelf.create_replica(replica, group)?;
        }
    }
    Ok(())
}
