//! POP3 sessions (RFC 1939, and what `pop3-wire` lists besides): one task per connection joins the wire machine to the
//! mail store.
//!
//! Invariants
//! - One session in the cluster has a maildrop at a time; it gives the lock back before it says good-bye.
//! - QUIT deletes what DELE marked in one command, and `+OK` follows its commit alone (DESIGN P1). Nothing else deletes;
//!   where it is uncertain whether it happened, the connection ends without a word (DESIGN P6).
//! - A message that breaks off is never ended as if it were whole.
//! - Of a message that goes out a few pieces are in memory, whatever its size.
//!
//! Must not know: the grammar of commands, consensus, databases.

mod auth;
mod lock;
mod quit;
mod retrieve;
#[allow(clippy::module_inception)]
mod session;
#[cfg(test)]
mod tests;

use session::Session;

use crate::connection::Connection;
use crate::services::SharedServices;

/// Speaks POP3 with one client until it leaves, breaks off, stays silent for too long, or the node stops.
pub async fn serve(connection: Connection, services: SharedServices) {
    Session::new(connection, services).run().await;
}
