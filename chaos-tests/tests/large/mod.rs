//! What the test with large messages needs.

pub(crate) mod client;
pub(crate) mod message;
pub(crate) mod watch;
