//! UIDLs (DESIGN M9): by default made of mailbox id and UID, which never change; import may set others.

use mail_model::{AccountId, MailboxId, Uid};

use crate::key;
use crate::limits::UIDL_BYTES_MAX;
use crate::rejection::Rejection;
use crate::rows::{Failure, Rows};

/// The UIDL of a message that has none of its own.
pub(crate) fn default_uidl(mailbox: MailboxId, uid: Uid) -> String {
    format!("{:x}.{:08x}", mailbox.0, uid.get())
}

/// Checks that `uidl` may be given to a new message of the mailbox.
pub(crate) fn check_own(rows: &impl Rows, account: AccountId, mailbox: MailboxId, uidl: &str) -> Result<(), Failure> {
    let legal = (1..=UIDL_BYTES_MAX).contains(&uidl.len()) && uidl.bytes().all(|byte| byte.is_ascii_graphic());
    // Those could be the default of another message, now or later.
    let like_default = uidl.starts_with(&format!("{:x}.", mailbox.0));
    if !legal || like_default || rows.bytes(&key::uidl(account, mailbox, uidl))?.is_some() {
        return Err(Rejection::BadUidl.into());
    }
    Ok(())
}
