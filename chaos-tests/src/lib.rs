//! Faults on purpose: a deterministic simulator of the groups, and what must hold whatever happens to them.
//!
//! Must not know: mail, openraft, RocksDB.

pub mod sim;
