//! The `imap-wire` crate; its parts follow.
