//! The operator's tool: founding a cluster, and the subcommands of `holdfast`.
//!
//! Must not know: RocksDB, Raft. What happens inside a running cluster is asked of its nodes.

pub mod command;
pub mod found;
