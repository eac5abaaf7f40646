//! Ids and value types that every other crate speaks in. A value that exists is legal; nothing here does I/O, knows
//! a database, a socket or a clock.

mod address;
mod flag;
mod ids;
mod mailbox_name;
mod message;
mod sasl;

pub use address::{Address, DOMAIN_BYTES_MAX, Domain, InvalidAddress, LOCAL_BYTES_MAX};
pub use flag::{FlagSet, InvalidKeyword, KEYWORD_BYTES_MAX, Keyword, SystemFlags};
pub use ids::{AccountId, BlobId, ClusterId, GroupId, InvalidId, LogIndex, MailboxId, NodeId, ReplicaId, ShelfId};
pub use mailbox_name::{DEPTH_MAX, InvalidName, MailboxName, NAME_BYTES_MAX, SEPARATOR, SpecialUse};
pub use message::{EmailId, InternalDate, ModSeq, SeqNum, ThreadId, Uid, UidValidity};
pub use sasl::{LoginExchange, LoginStep, PlainCredentials, SASL_TEXT_BYTES_MAX, SaslError, Secret, read_plain};
