//! What the test with large messages needs.

pub(crate) mod message;
pub(crate) mod watch;
