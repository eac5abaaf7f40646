//! The `benches` crate; its parts follow.
