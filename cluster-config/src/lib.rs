//! The `cluster-config` crate; its parts follow.
