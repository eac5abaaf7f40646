//! Ids and value types that every other crate speaks in. A value that exists is legal; nothing here does I/O, knows
//! a database, a socket or a clock.

mod ids;

pub use ids::{AccountId, BlobId, ClusterId, GroupId, InvalidId, LogIndex, MailboxId, NodeId, ReplicaId, ShelfId};
