//! IMAP4rev1 sessions (RFC 3501, and what `imap-wire` lists besides): one task per connection joins the wire machine to
//! the mail store. One file per command.
//!
//! Invariants
//! - One function acknowledges: [`Session::complete`] sends every tagged reply, after the group has committed and
//!   applied what it acknowledges (DESIGN P1). What is uncertain ends in BYE without a tagged reply (DESIGN P6).
//! - Sequence numbers change for the client exactly when it is told: EXPUNGE never goes out during FETCH, STORE and
//!   SEARCH, nor without a command (RFC 3501, section 7.4.1).
//! - Of a message that goes in or out a few pieces are in memory, whatever its size.
//! - Nobody waits for this client but this task, and it waits for a silent or slow one for a bounded time.
//!
//! Must not know: the grammar of commands, consensus, databases.

mod append;
mod authenticate;
mod capability;
mod channel;
mod close;
mod copy;
mod create;
mod delete;
mod error;
mod expunge;
mod fetch;
mod id;
mod idle;
pub mod limits;
mod list;
mod login;
mod logout;
mod lsub;
mod move_messages;
mod namespace;
mod noop;
mod outcome;
mod rename;
mod rows;
mod search;
mod select;
mod selected;
mod selection;
mod session;
mod starttls;
mod status;
mod store;
mod subscribe;
#[cfg(test)]
mod tests;

use session::Session;

use crate::connection::Connection;
use crate::services::SharedServices;

/// Speaks IMAP with one client until it leaves, breaks off, stays silent for too long, or the node stops.
pub async fn serve(connection: Connection, services: SharedServices) {
    Session::new(connection, services).run().await;
}
