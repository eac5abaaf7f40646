//! The `shelf` crate; its parts follow.
