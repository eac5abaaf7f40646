//! The `pop3-wire` crate; its parts follow.
