//! The `chaos-tests` crate; its parts follow.
