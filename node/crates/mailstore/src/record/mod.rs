//! The rows of a mail group. One file per kind; `docs/mailstore-format.md` lists them with their keys.
//!
//! Invariants: field numbers are given once and never reused; every row begins with its version.

mod account;
mod body;
mod delivery;
mod due;
mod mailbox;
mod maildrop;
mod message;
mod queued;
mod tombstone;
mod upload;

pub use account::AccountRow;
pub use body::{BodyFacts, BodyRow, Piece, StructureRow};
pub use delivery::{DeliveryRow, Placement};
pub use due::Due;
pub use mailbox::{KeywordsRow, MailboxRow};
pub use maildrop::MaildropRow;
pub(crate) use message::HOT_ROW_BYTES_MAX;
pub use message::{ColdRow, HotRow, KeywordBits, Pop3Identity};
pub use queued::QueuedRow;
pub use tombstone::{KeptRows, TombstoneRow};
pub use upload::{UploadPieceRow, UploadRow};
