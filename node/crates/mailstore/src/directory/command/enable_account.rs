//! EnableAccount: opens a disabled account again.

use mail_model::AccountId;
use minicbor::{Decode, Encode};
use replication::StateTxn;

use super::{Outcome, existing};
use crate::directory::key;
use crate::directory::record::AccountState;
use crate::directory::rejection::{Refused, Rejection};
use crate::directory::rows;

/// Opens an account.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct EnableAccount {
    /// Which one.
    #[n(0)]
    pub account: AccountId,
}

impl EnableAccount {
    pub(super) fn apply(&self, txn: &mut StateTxn<'_>) -> Result<Outcome, Refused> {
        let account = self.account;
        let mut record = existing(txn, account)?;
        match record.state {
            AccountState::Disabled => {
                record.state = AccountState::Active;
                rows::write(txn, key::account(account), &record);
                Ok(Outcome::Done)
            }
            AccountState::Active => Ok(Outcome::Done),
            // Its mailboxes may be missing: only the end of its making opens it.
            state @ AccountState::Creating => Err(Rejection::WrongState { account, state }.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::command::DisableAccount;
    use crate::directory::testing::Replica;

    #[test]
    fn it_undoes_disable_and_nothing_else() {
        let mut replica = Replica::with_domain("a.org");
        let account = replica.add("ann@a.org");
        assert!(matches!(
            replica.refusal(EnableAccount { account }),
            Rejection::WrongState { .. }
        ));
        let account = replica.active("bob@a.org");
        let before = replica.rows();
        replica.done(DisableAccount { account });
        assert_ne!(replica.rows(), before);
        replica.done(EnableAccount { account });
        assert_eq!(replica.rows(), before);
    }
}
