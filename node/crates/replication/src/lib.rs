//! The `replication` crate; its parts follow.
