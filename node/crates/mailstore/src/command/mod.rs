//! The commands of a mail group: one file each. What stands in the log is a version byte and [`AnyCommand`].
//!
//! Invariants
//! - Numbers of commands and fields are given once and never reused.
//! - `apply` depends on the state and the command alone. It answers the impossible with a [`Rejection`] and then leaves
//!   nothing behind; it never parses a message (DESIGN M2) and never panics on what a command says.

mod advance_recent;
mod append;
mod close_deliveries;
mod copy;
mod create_mailbox;
mod delete_mailbox;
mod deliver;
mod ensure_account;
mod expunge;
mod maildrop_lock;
mod move_messages;
mod pop3_quit;
mod queue;
mod rename_mailbox;
mod set_quota;
mod store_flags;
mod subscribe;
mod sweep;
mod upload;

use minicbor::{Decode, Encode};

pub use advance_recent::{AdvanceRecent, ClaimedRecent};
pub use append::{AppendItem, AppendMessages, Appended};
pub use close_deliveries::{CloseDeliveries, ClosedDelivery, Reach};
pub use copy::{Copied, CopyMessages};
pub use create_mailbox::CreateMailbox;
pub use delete_mailbox::DeleteMailbox;
pub use deliver::{Deliver, DeliverTo, Delivered, Outcome, Spanning};
pub use ensure_account::EnsureAccount;
pub use expunge::{Expunge, Expunged};
pub use maildrop_lock::{LockMaildrop, UnlockMaildrop};
pub use move_messages::MoveMessages;
pub use pop3_quit::Pop3Quit;
pub use queue::{CompleteQueued, Enqueue, EnqueueFor, QueueName, Retry, RetryQueued};
pub use rename_mailbox::RenameMailbox;
pub use set_quota::SetQuota;
pub use store_flags::{StoreFlags, StoreMode, Stored};
pub use subscribe::SetSubscription;
pub use sweep::{Sweep, Swept};
pub use upload::{AbortUpload, UploadPiece};

use crate::codec;
use crate::rejection::Rejection;
use crate::rows::{Failure, Work};

/// The answer to a command or a query.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) enum Answer<T> {
    /// What was asked for.
    #[n(0)]
    Done(#[n(0)] T),
    /// Nothing was done.
    #[n(1)]
    Rejected(#[n(0)] Rejection),
}

/// One kind of command.
pub(crate) trait GroupCommand: Into<AnyCommand> {
    /// What it answers.
    type Reply: Encode<()> + for<'b> Decode<'b, ()>;

    /// Changes the state.
    fn apply(&self, work: &mut Work<'_, '_>) -> Result<Self::Reply, Failure>;
}

macro_rules! commands {
    ($($number:tt $name:ident)*) => {
        /// Any command, as the log holds it.
        #[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
        pub(crate) enum AnyCommand {
            $(#[n($number)] $name(#[n(0)] $name),)*
        }

        $(impl From<$name> for AnyCommand {
            fn from(command: $name) -> Self {
                Self::$name(command)
            }
        })*

        impl AnyCommand {
            /// Applies it and returns the sealed answer.
            pub(crate) fn apply(&self, work: &mut Work<'_, '_>) -> Result<Vec<u8>, Failure> {
                match self {
                    $(Self::$name(command) => command.apply(work).map(|reply| codec::seal(&Answer::Done(reply))),)*
                }
            }
        }
    };
}

impl AnyCommand {
    /// Whether it adds messages, bodies or mailboxes: what a group without room does not take (DESIGN D12). Flags and moves
    /// are taken, since they are how most programs delete.
    pub(crate) fn grows(&self) -> bool {
        match self {
            Self::Deliver(_)
            | Self::AppendMessages(_)
            | Self::UploadPiece(_)
            | Self::CopyMessages(_)
            | Self::CreateMailbox(_)
            | Self::SetSubscription(_)
            | Self::Enqueue(_) => true,
            Self::EnsureAccount(_)
            | Self::AbortUpload(_)
            | Self::MoveMessages(_)
            | Self::StoreFlags(_)
            | Self::Expunge(_)
            | Self::Pop3Quit(_)
            | Self::DeleteMailbox(_)
            | Self::RenameMailbox(_)
            | Self::AdvanceRecent(_)
            | Self::LockMaildrop(_)
            | Self::UnlockMaildrop(_)
            | Self::SetQuota(_)
            | Self::Sweep(_)
            | Self::CloseDeliveries(_)
            | Self::RetryQueued(_)
            | Self::CompleteQueued(_) => false,
        }
    }
}

commands! {
    0 EnsureAccount
    1 Deliver
    2 AppendMessages
    3 UploadPiece
    4 AbortUpload
    5 CopyMessages
    6 MoveMessages
    7 StoreFlags
    8 Expunge
    9 Pop3Quit
    10 CreateMailbox
    11 DeleteMailbox
    12 RenameMailbox
    13 SetSubscription
    14 AdvanceRecent
    15 LockMaildrop
    16 UnlockMaildrop
    17 SetQuota
    18 Sweep
    19 CloseDeliveries
    20 Enqueue
    21 RetryQueued
    22 CompleteQueued
}
