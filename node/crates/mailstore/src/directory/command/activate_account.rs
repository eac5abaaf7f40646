//! ActivateAccount: its mailboxes are there, the account is in use from now on.

use mail_model::AccountId;
use minicbor::{Decode, Encode};
use replication::StateTxn;

use super::{Outcome, existing};
use crate::directory::key;
use crate::directory::record::AccountState;
use crate::directory::rejection::{Refused, Rejection};
use crate::directory::rows;

/// Ends the making of an account.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ActivateAccount {
    /// Which one.
    #[n(0)]
    pub account: AccountId,
}

impl ActivateAccount {
    pub(super) fn apply(&self, txn: &mut StateTxn<'_>) -> Result<Outcome, Refused> {
        let account = self.account;
        let mut record = existing(txn, account)?;
        match record.state {
            AccountState::Creating => {
                record.state = AccountState::Active;
                rows::write(txn, key::account(account), &record);
                Ok(Outcome::Done)
            }
            AccountState::Active => Ok(Outcome::Done),
            // An administrator has closed it: that is not undone by the end of its making.
            state @ AccountState::Disabled => Err(Rejection::WrongState { account, state }.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::command::DisableAccount;
    use crate::directory::query::Resolution;
    use crate::directory::testing::Replica;

    #[test]
    fn mail_is_deferred_until_the_account_is_active() {
        let mut replica = Replica::with_domain("a.org");
        let account = replica.add("ann@a.org");
        assert_eq!(replica.resolve("ann@a.org"), Resolution::NotReady);
        replica.done(ActivateAccount { account });
        replica.done(ActivateAccount { account });
        assert_eq!(replica.accounts_of("ann@a.org"), [account]);
    }

    #[test]
    fn a_disabled_account_is_not_opened_by_it() {
        let mut replica = Replica::with_domain("a.org");
        let account = replica.active("ann@a.org");
        replica.done(DisableAccount { account });
        assert!(matches!(
            replica.refusal(ActivateAccount { account }),
            Rejection::WrongState { .. }
        ));
        let account = AccountId(99);
        assert_eq!(
            replica.refusal(ActivateAccount { account }),
            Rejection::NoSuchAccount { account }
        );
    }
}
