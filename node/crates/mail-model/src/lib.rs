//! Ids and value types that every other crate speaks in. A value that exists is legal; nothing here does I/O, knows
//! a database, a socket or a clock.

mod address;
mod flag;
mod ids;
pub mod limits;
mod mailbox_name;
mod message;
mod sasl;

pub use address::{Address, Domain, InvalidAddress};
pub use flag::{FlagSet, InvalidKeyword, Keyword, SystemFlags};
pub use ids::{AccountId, BlobId, ClusterId, GroupId, InvalidId, LogIndex, MailboxId, NodeId, ReplicaId, ShelfId};
pub use limits::{
    DEPTH_MAX, DOMAIN_BYTES_MAX, KEYWORD_BYTES_MAX, LOCAL_BYTES_MAX, Limit, NAME_BYTES_MAX, SASL_TEXT_BYTES_MAX,
};
pub use mailbox_name::{InvalidName, MailboxName, SEPARATOR, SpecialUse};
pub use message::{EmailId, InternalDate, ModSeq, SeqNum, ThreadId, Uid, UidValidity};
pub use sasl::{LoginExchange, LoginStep, PlainCredentials, SaslError, Secret, read_plain};
