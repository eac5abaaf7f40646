//! SMTP, LMTP and submission sessions (RFC 5321, RFC 2033, RFC 6409): one task per connection joins the wire machine to
//! the mail store. One file per command.
//!
//! Invariants
//! - One function acknowledges a message: [`Session::acknowledge`], after the groups of its recipients have committed and
//!   applied it (DESIGN P1). What is uncertain is 451 (DESIGN P6).
//! - A recipient is refused for good only on the word of ReadIndex (DESIGN D16); after `250` nothing bounces.
//! - A message streams through: of one that arrives a few pieces are in memory, whatever its size.
//! - Every recipient that was accepted or refused is one line of the delivery log.
//!
//! Must not know: the grammar of commands, consensus, databases. Who may connect is decided by the listener.

mod auth;
mod data;
mod deliver;
pub mod limits;
mod mail;
mod outcome;
mod rcpt;
mod record;
#[allow(clippy::module_inception)]
mod session;
#[cfg(test)]
mod tests;
mod trace;

use smtp_wire::Profile;

use session::Session;

use crate::connection::Connection;
use crate::services::SharedServices;

/// Speaks SMTP, LMTP or submission with one client until it leaves, breaks off, stays silent for too long, or the node
/// stops.
pub async fn serve(connection: Connection, services: SharedServices, profile: Profile) {
    Session::new(connection, services, profile).run().await;
}
