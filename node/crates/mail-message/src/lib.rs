//! The `mail-message` crate; its parts follow.
