//! The `mail-model` crate; its parts follow.
