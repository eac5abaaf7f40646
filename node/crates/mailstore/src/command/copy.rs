//! CopyMessages: COPY (RFC 3501, section 6.4.7): all messages or none; flags, INTERNALDATE, EMAILID, THREADID and
//! prefix go along, the body is shared. UIDs that are gone by now are passed over.

use mail_model::{AccountId, MailboxId, Uid, UidValidity};
use minicbor::{Decode, Encode};

use crate::command::GroupCommand;
use crate::limits::MESSAGES_PER_COPY;
use crate::record::HotRow;
use crate::rejection::Rejection;
use crate::rows::{Failure, Work};
use crate::state::{AccountWork, hot_rows};
use crate::uid_set::{UidRange, UidSet};

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct CopyMessages {
    /// Whose mailboxes.
    #[n(0)]
    pub account: AccountId,
    /// Where from.
    #[n(1)]
    pub from: MailboxId,
    /// Which messages, at most [`MESSAGES_PER_COPY`].
    #[n(2)]
    pub uids: UidSet,
    /// Where to.
    #[n(3)]
    pub to: MailboxId,
}

/// Where the copies are: COPYUID (RFC 4315, section 3).
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Copied {
    /// UIDVALIDITY of the target.
    #[n(0)]
    pub uid_validity: UidValidity,
    /// The messages that were copied.
    #[n(1)]
    pub source: UidSet,
    /// Their UIDs in the target, in the same order and without gaps; `None` when there was no message.
    #[n(2)]
    pub target: Option<UidRange>,
}

impl GroupCommand for CopyMessages {
    type Reply = Copied;

    fn apply(&self, work: &mut Work<'_, '_>) -> Result<Copied, Failure> {
        let found = hot_rows(work, self.account, self.from, &self.uids, MESSAGES_PER_COPY)?;
        let mut account = AccountWork::begin(work, self.account)?;
        if !account.row.has_room() {
            return Err(Rejection::OverQuota.into());
        }
        account.selectable(self.from)?;
        let copied = copy_all(&mut account, self.from, &found, self.to)?;
        if copied.target.is_some() {
            account.finish();
        }
        Ok(copied)
    }
}

/// Copies messages in their order.
pub(super) fn copy_all(
    account: &mut AccountWork<'_, '_, '_>,
    from: MailboxId,
    found: &[(Uid, HotRow)],
    to: MailboxId,
) -> Result<Copied, Failure> {
    let uid_validity = account.selectable(to)?.uid_validity;
    let mut target: Option<UidRange> = None;
    for (uid, hot) in found {
        let last = account.copy(from, *uid, hot, to)?;
        target = Some(UidRange {
            first: target.map_or(last, |range| range.first),
            last,
        });
    }
    let source = found.iter().map(|(uid, _)| *uid).collect();
    Ok(Copied {
        uid_validity,
        source,
        target,
    })
}
