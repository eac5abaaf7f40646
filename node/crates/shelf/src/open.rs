//! Making a shelf, opening it, and deciding whether it still has what it acknowledged (DESIGN D10).
//!
//! Invariants
//! - Only [`init`] makes a shelf; opening touches nothing before the identity is checked.
//! - A shelf that has lost acknowledged writes, or cannot show that it has not, is handed out as [`Doubtful`]: no
//!   replica can run on it before all of them are retired.
//! - The mark of an orderly stop is removed, durably, before the opening writes anything.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use mail_model::{ClusterId, NodeId, ReplicaId, ShelfId};

use crate::clean_stop;
use crate::error::{ShelfError, ShelfLabel};
use crate::high_water::{self, HighWater, MarkPlace};
use crate::identity::{self, DATABASE, ShelfIdentity};
use crate::load;
use crate::record::ReplicaState;
use crate::rocks_engine::{self, RocksEngine, SharedPool};
use crate::shelf::{AtStop, Shelf};

/// Which shelf to open, and where its high-water marks go.
#[derive(Clone, Debug)]
pub struct ShelfConfig {
    /// The name that the operator gave it, for errors, traces and metrics.
    pub name: String,
    /// Its directory.
    pub dir: PathBuf,
    /// The cluster that it must belong to.
    pub cluster: ClusterId,
    /// The node that it must belong to.
    pub node: NodeId,
    /// The node's state directory; keeps a copy of its high-water mark.
    pub state_dir: PathBuf,
    /// Directories of the node's other shelves; those that are there keep a copy each.
    pub siblings: Vec<PathBuf>,
    /// Number of this opening within the process: one more than that of the one before.
    pub epoch: u64,
}

impl ShelfConfig {
    fn mark_places(&self) -> Vec<MarkPlace> {
        let siblings = self.siblings.iter().map(|dir| MarkPlace {
            dir: dir.clone(),
            is_shelf: true,
        });
        std::iter::once(MarkPlace {
            dir: self.state_dir.clone(),
            is_shelf: false,
        })
        .chain(siblings)
        .collect()
    }
}

/// What the high-water marks say about a shelf that was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestartVerdict {
    /// It has everything that it had when it was stopped in order.
    CleanStop,
    /// It was not stopped in order, and has everything up to the highest mark that survives.
    Intact {
        /// The mark.
        mark: u64,
        /// The last batch found.
        recovered: u64,
    },
    /// It has less than it acknowledged.
    LostAcknowledged {
        /// What was acknowledged at least.
        mark: u64,
        /// The last batch found.
        recovered: u64,
    },
    /// It was not stopped in order, and no mark survives to compare it with.
    NoMark {
        /// The last batch found.
        recovered: u64,
    },
}

impl RestartVerdict {
    /// Whether replicas may go on under their ids.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        matches!(self, Self::CleanStop | Self::Intact { .. })
    }

    fn of(clean_stop: Option<u64>, mark: Option<u64>, recovered: u64) -> Self {
        match mark {
            Some(mark) if mark > recovered => Self::LostAcknowledged { mark, recovered },
            _ if clean_stop == Some(recovered) => Self::CleanStop,
            Some(mark) => Self::Intact { mark, recovered },
            None => Self::NoMark { recovered },
        }
    }
}

/// An opened shelf.
pub enum Opened {
    /// It may go on as it was.
    Sound(Shelf, RestartVerdict),
    /// Its replicas must not run again.
    Doubtful(Doubtful),
}

/// A shelf that may have forgotten what its replicas acknowledged. It carries no marks and leaves no mark of an orderly
/// stop until they are retired: those would make the next opening believe it.
pub struct Doubtful {
    shelf: Shelf,
    verdict: RestartVerdict,
    id: ShelfId,
    config: ShelfConfig,
}

impl Doubtful {
    /// Why.
    #[must_use]
    pub fn verdict(&self) -> RestartVerdict {
        self.verdict
    }

    /// Retires every replica, durably, and returns the shelf with the ids that it must never run again. Their rows
    /// stay, so that bodies can be reused by replicas with new ids. Blocks.
    ///
    /// # Errors
    /// What the engine reports; then the shelf is doubtful still.
    pub fn retire_all(self) -> Result<(Shelf, Vec<ReplicaId>), ShelfError> {
        let mut retired = Vec::new();
        for replica in self.shelf.replicas()? {
            if replica.state == ReplicaState::Active {
                self.shelf.retire_replica(replica.id)?;
            }
            retired.push(replica.id);
        }
        // Numbers go on above the lost ones, or the next opening would be doubtful again.
        self.shelf.renumber()?;
        Ok((trusted(self.shelf, self.id, &self.config)?, retired))
    }
}

/// Makes a shelf in an empty directory that exists.
///
/// # Errors
/// Refused when the directory is not empty or is a shelf already; else what the system reports.
pub fn init(name: &str, dir: &Path, identity: &ShelfIdentity, pool: &SharedPool) -> Result<(), ShelfError> {
    let label = ShelfLabel::new(name, 0);
    identity::begin(&label, dir)?;
    rocks_engine::create(&label, &dir.join(DATABASE), pool)?;
    clean_stop::write(&label, dir, 0)?;
    identity::finish(&label, dir, identity)
}

/// Opens a shelf. Blocks for as long as RocksDB takes to replay its log.
///
/// # Errors
/// Refused when the directory is no shelf, or another node's, or in use; medium when it is damaged; else what the
/// system reports.
pub fn open(config: &ShelfConfig, pool: &SharedPool) -> Result<Opened, ShelfError> {
    let label = ShelfLabel::new(&config.name, config.epoch);
    let found = identity::check(&label, &config.dir, config.cluster, config.node)?;
    let engine = RocksEngine::open(&label, &config.dir.join(DATABASE), pool)?;
    let recovered = load::sequence(&label, &engine)?;
    let mark = high_water::highest(&label, found.shelf, config.mark_places());
    let verdict = RestartVerdict::of(clean_stop::read(&label, &config.dir)?, mark, recovered);
    let shelf = Shelf::start_numbered(label, Arc::new(engine), mark.unwrap_or(0))?;
    if verdict.is_sound() {
        tracing::info!(shelf = %config.name, ?verdict, "shelf opened");
        return Ok(Opened::Sound(trusted(shelf, found.shelf, config)?, verdict));
    }
    tracing::error!(shelf = %config.name, ?verdict, "shelf may have lost what it acknowledged");
    Ok(Opened::Doubtful(Doubtful {
        shelf,
        verdict,
        id: found.shelf,
        config: config.clone(),
    }))
}

/// From now on the shelf says what it has: by marks while it runs, and at its stop.
fn trusted(shelf: Shelf, id: ShelfId, config: &ShelfConfig) -> Result<Shelf, ShelfError> {
    clean_stop::remove(shelf.label(), &config.dir)?;
    let marks = HighWater::start(shelf.label(), id, config.mark_places(), &shelf.acknowledged());
    shelf.at_stop(AtStop {
        dir: config.dir.clone(),
        _marks: marks,
    });
    Ok(shelf)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_above_the_recovered_number_outweighs_an_orderly_stop() {
        use RestartVerdict as V;
        let lost = V::LostAcknowledged { mark: 9, recovered: 8 };
        assert_eq!(V::of(Some(8), Some(9), 8), lost);
        assert_eq!(V::of(None, Some(9), 8), lost);
        assert_eq!(V::of(Some(8), Some(8), 8), V::CleanStop);
        assert_eq!(V::of(Some(8), None, 8), V::CleanStop);
        assert_eq!(V::of(Some(7), None, 8), V::NoMark { recovered: 8 });
        assert_eq!(V::of(None, None, 0), V::NoMark { recovered: 0 });
        assert_eq!(V::of(None, Some(8), 8), V::Intact { mark: 8, recovered: 8 });
        assert!(!lost.is_sound() && !V::NoMark { recovered: 8 }.is_sound() && V::CleanStop.is_sound());
    }
}
