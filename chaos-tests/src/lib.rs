//! Faults on purpose: a deterministic simulator of the groups, clusters of real processes that get killed, disks that fail
//! below them, machines on which a guide is walked, and what must hold whatever happens to them.
//!
//! Must not know: openraft, RocksDB, what is inside a node.

pub mod clients;
pub mod fault_fs;
pub mod kill;
pub mod machines;
pub mod mail;
pub mod process;
pub mod sim;
pub mod trace;
