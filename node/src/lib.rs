//! A node of the cluster: what its sessions use. The sessions, and what starts them, are not here yet.
//!
//! Must not know: consensus, databases, the grammar of a protocol.

pub mod accounts;
pub mod auth;
pub mod connection;
pub mod delivery_log;
pub mod services;
#[cfg(test)]
mod testing;
