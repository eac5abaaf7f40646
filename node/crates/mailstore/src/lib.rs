//! What mailboxes and messages mean in a mail group: the commands and queries of its replicated state machine, and the
//! handle by which protocol sessions use it.
//!
//! Invariants
//! - Everything that `apply` does depends on the log alone; it never parses a message.
//! - A body is stored once per group and goes with its last reference.
//! - UIDs, UIDVALIDITY, UIDL, MODSEQ and object ids never change their meaning.
//!
//! Must not know: consensus, databases, sockets, protocols on the wire.

mod codec;
pub mod command;
pub mod directory;
mod event;
pub mod front;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod id;
mod key;
pub mod limits;
mod machine;
pub mod query;
pub mod record;
mod rejection;
mod rows;
mod state;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod uid_set;

pub use event::AccountEvent;
pub use front::{Account, Mailstore, StoreError};
pub use id::{DeliveryId, DeliveryKey, IdSeed, LockId, ThreadKey, UploadId};
pub use machine::MailMachine;
pub use rejection::{LimitKind, Rejection};
pub use state::BodySource;
pub use uid_set::{UidRange, UidSet};
