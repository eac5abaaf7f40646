//! The queries of a mail group: one file each. They read one consistent view and answer in bounded pages.

mod account;
mod changes;
mod check;
mod check_bodies;
mod details;
mod due;
mod hot_page;
mod list;
mod maildrop;
mod queue;
mod select;

use minicbor::{Decode, Encode};

pub use account::{GetAccount, Quota};
pub use changes::{Changes, GetChanges, Position};
pub use check::{CheckAccount, CheckReport};
pub use check_bodies::{BodiesReport, CheckBodies};
pub use details::{Details, GetDetails};
pub use due::GetDue;
pub use hot_page::{GetHotPage, HotPage};
pub use list::{ListMailboxes, MailboxInfo, MailboxList};
pub use maildrop::{GetMaildrop, MaildropItem, MaildropPage};
pub use queue::{CountQueue, GetBody, GetQueue, QueuePage};
pub use select::{GetMailbox, MailboxRef, Selected};

use crate::codec;
use crate::command::Answer;
use crate::rows::{Failure, Rows};

/// One kind of query.
pub(crate) trait GroupQuery: Into<AnyQuery> {
    /// What it answers.
    type Reply: Encode<()> + for<'b> Decode<'b, ()>;

    /// Reads the state.
    fn run(&self, rows: &impl Rows) -> Result<Self::Reply, Failure>;
}

macro_rules! queries {
    ($($number:tt $name:ident)*) => {
        /// Any query, as it travels to the replica that answers.
        #[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
        pub(crate) enum AnyQuery {
            $(#[n($number)] $name(#[n(0)] $name),)*
        }

        $(impl From<$name> for AnyQuery {
            fn from(query: $name) -> Self {
                Self::$name(query)
            }
        })*

        impl AnyQuery {
            /// Runs it and returns the sealed answer.
            pub(crate) fn run(&self, rows: &impl Rows) -> Result<Vec<u8>, Failure> {
                match self {
                    $(Self::$name(query) => query.run(rows).map(|reply| codec::seal(&Answer::Done(reply))),)*
                }
            }
        }
    };
}

queries! {
    0 GetAccount
    1 ListMailboxes
    2 GetMailbox
    3 GetHotPage
    4 GetChanges
    5 GetDetails
    6 GetMaildrop
    7 CheckAccount
    8 GetDue
    20 GetQueue
    21 GetBody
    22 CountQueue
    30 CheckBodies
}
