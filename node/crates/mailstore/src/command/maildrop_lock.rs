//! The maildrop lock (RFC 1939, section 8; DESIGN M9): a lease on log time that its session renews, so that it is free
//! again within 15 s of its node's death.

use mail_model::AccountId;
use minicbor::{Decode, Encode};

use crate::command::GroupCommand;
use crate::id::LockId;
use crate::key;
use crate::limits::MAILDROP_LEASE_MS;
use crate::record::MaildropRow;
use crate::rejection::Rejection;
use crate::rows::{Failure, Rows, Work};
use crate::state::account_row;

/// Takes or renews the lock. Answers until when it holds, in milliseconds of log time.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct LockMaildrop {
    /// Whose maildrop.
    #[n(0)]
    pub account: AccountId,
    /// The session.
    #[n(1)]
    pub holder: LockId,
    /// It believes that it holds the lock. A lock that was lost is not taken again behind the session's back.
    #[n(2)]
    pub renew: bool,
}

impl GroupCommand for LockMaildrop {
    type Reply = u64;

    fn apply(&self, work: &mut Work<'_, '_>) -> Result<u64, Failure> {
        account_row(work, self.account)?;
        let key = key::maildrop(self.account);
        let held: Option<MaildropRow> = work.row("maildrop lock", &key)?;
        let own = held.is_some_and(|row| row.holder == self.holder);
        if self.renew && !own {
            return Err(Rejection::MaildropLockLost.into());
        }
        if held.is_some_and(|row| !own && row.until_ms > work.now_ms()) {
            return Err(Rejection::MaildropInUse.into());
        }
        let until_ms = work.now_ms().saturating_add(MAILDROP_LEASE_MS);
        let holder = self.holder;
        work.put(key, &MaildropRow { holder, until_ms });
        Ok(until_ms)
    }
}

/// Gives the lock back if it is still held.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct UnlockMaildrop {
    /// Whose maildrop.
    #[n(0)]
    pub account: AccountId,
    /// The session.
    #[n(1)]
    pub holder: LockId,
}

impl GroupCommand for UnlockMaildrop {
    type Reply = ();

    fn apply(&self, work: &mut Work<'_, '_>) -> Result<(), Failure> {
        unlock(work, self.account, self.holder)
    }
}

pub(super) fn unlock(work: &mut Work<'_, '_>, account: AccountId, holder: LockId) -> Result<(), Failure> {
    let key = key::maildrop(account);
    let held: Option<MaildropRow> = work.row("maildrop lock", &key)?;
    if held.is_some_and(|row| row.holder == holder) {
        work.delete(key);
    }
    Ok(())
}
