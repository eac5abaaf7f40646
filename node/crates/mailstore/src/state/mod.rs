//! What several commands and queries do with rows: accounts and their mailboxes, messages, bodies, keywords, threads.

mod account_work;
mod bodies;
mod keywords;
mod messages;
mod names;
mod redelivery;
mod removal;
mod threads;
mod uidl;

pub(crate) use account_work::{AccountWork, account_row, mailbox_row};
pub use bodies::BodySource;
pub(crate) use bodies::{StoredBody, adopt, give_up_upload, reference, release};
pub(crate) use keywords::{keyword_bits, keywords_row, known_bits};
pub(crate) use messages::{EXPUNGED, KnownRow, NewInstance, hot_row, hot_rows, known_row};
pub(crate) use names::{all_mailboxes, child, find, full_names, name_of};
pub(crate) use redelivery::{Attempt, Redelivery};
pub(crate) use removal::{delete_some, drop_kept_body, drop_tombstone, due_row};
pub(crate) use threads::thread_of;
pub(crate) use uidl::{check_own, default_uidl};

use mail_model::MailboxId;

/// Where names begin.
pub(crate) const TOP: MailboxId = MailboxId(0);

/// The mailbox that every account has and keeps.
pub(crate) const INBOX: MailboxId = MailboxId(1);
