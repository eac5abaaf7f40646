//! The operator's tool: founding a cluster, and the subcommands of `holdfast`.
//!
//! Must not know: RocksDB, Raft. What happens inside a running cluster is asked of its nodes.

pub mod admin_client;
pub mod cluster_status;
pub mod command;
mod demo;
pub mod exit;
pub mod found;
pub mod limits;
mod output;
mod progress;
pub mod survival;
