//! Durable bytes on one disk, the only crate that knows RocksDB.
//!
//! A [`Shelf`] holds replicas of groups ([`ReplicaStore`]): an ordered log, a vote, applied state ([`StateView`],
//! [`StateTxn`]) and the blobs that log entries carried. One committer per shelf turns what all replicas ask for into one
//! batch and one fsync. [`Engine`] is the boundary below: ordered bytes, in RocksDB or, for simulation, in memory.
//!
//! Invariants
//! - What a callback called durable survives the loss of power.
//! - After a crash a shelf holds a prefix of what was written to it, in order.
//! - The first failed write or sync ends an opening; nothing is retried in it.
//!
//! Must not know: consensus, mail, networks.
#![cfg_attr(
    not(feature = "rocksdb"),
    allow(dead_code, reason = "what only a shelf in a directory needs goes with its engine")
)]

mod clean_stop;
mod committer;
mod crashsafe;
mod encode;
mod engine;
mod error;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod high_water;
mod identity;
mod install;
mod io_pool;
mod key;
pub mod limits;
mod load;
mod log_reader;
mod mem_engine;
#[cfg(feature = "rocksdb")]
mod open;
pub mod piece;
mod queue;
mod record;
mod replica;
#[cfg(feature = "rocksdb")]
mod rocks_engine;
#[cfg(feature = "rocksdb")]
mod rocks_snapshot;
mod shelf;
mod state;
mod state_cache;
mod tail;
mod watch;

pub use committer::Done;
pub use engine::{Batch, BatchOp, Column, Engine, EngineSnapshot, KeyRange, RowVisitor, prefix_end};
pub use error::{ErrorClass, ShelfError, ShelfLabel};
pub use identity::{ShelfIdentity, read as read_identity};
pub use install::Staging;
pub use mem_engine::{Crash, MemDisk, MemEngine, MemFaults, SYNCED_KEPT};
#[cfg(feature = "rocksdb")]
pub use open::{Doubtful, Opened, RestartVerdict, ShelfConfig, init, open};
pub use record::ReplicaState;
pub use replica::{LogBounds, ReplicaStore};
#[cfg(feature = "rocksdb")]
pub use rocks_engine::{RocksEngine, SharedPool};
pub use shelf::{ReplicaInfo, Shelf};
pub use state::{StateChanges, StateEvent, StateTxn, StateView};
pub use tail::LogEntry;
pub use watch::InFlight;
