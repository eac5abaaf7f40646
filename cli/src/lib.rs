//! The `cli` crate; its parts follow.
