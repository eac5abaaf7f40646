//! The `mailstore` crate; its parts follow.
