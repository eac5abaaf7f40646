//! The `smtp-wire` crate; its parts follow.
