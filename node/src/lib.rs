//! A node of the cluster: listeners, sessions, boot, admin API.
//!
//! Must not know: consensus and databases, but for `boot`; the grammar of a protocol.

pub mod accounts;
mod admin;
pub mod auth;
pub mod boot;
mod clock;
pub mod connection;
pub mod delivery_log;
pub mod limits;
mod listener;
mod metrics;
mod queue;
pub mod services;
pub mod session;
#[cfg(test)]
mod testing;
