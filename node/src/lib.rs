//! The `node` crate; its parts follow.
