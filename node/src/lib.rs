//! A node of the cluster. So far: who may log in.
//!
//! Must not know: consensus, databases, the grammar of a protocol.

pub mod auth;
