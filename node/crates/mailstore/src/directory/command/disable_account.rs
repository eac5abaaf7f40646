//! DisableAccount: nobody logs in or stays so, mail for it is refused, what it holds stays.

use mail_model::AccountId;
use minicbor::{Decode, Encode};
use replication::StateTxn;

use super::{Outcome, existing};
use crate::directory::access;
use crate::directory::key;
use crate::directory::record::AccountState;
use crate::directory::rejection::{Refused, Rejection};
use crate::directory::rows;

/// Closes an account.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct DisableAccount {
    /// Which one.
    #[n(0)]
    pub account: AccountId,
}

impl DisableAccount {
    pub(super) fn apply(&self, txn: &mut StateTxn<'_>) -> Result<Outcome, Refused> {
        let account = self.account;
        let mut record = existing(txn, account)?;
        match record.state {
            AccountState::Active => {
                record.state = AccountState::Disabled;
                rows::write(txn, key::account(account), &record);
                access::announce(txn, account);
                Ok(Outcome::Done)
            }
            AccountState::Disabled => Ok(Outcome::Done),
            // It has no mailboxes yet, so "what it holds stays" would be no true word.
            state @ AccountState::Creating => Err(Rejection::WrongState { account, state }.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::query::Resolution;
    use crate::directory::testing::Replica;

    #[test]
    fn mail_for_a_disabled_account_is_refused_and_its_alias_reaches_the_others() {
        let mut replica = Replica::with_domain("a.org");
        let ann = replica.active("ann@a.org");
        let bob = replica.active("bob@a.org");
        replica.alias("both@a.org", &["ann@a.org", "bob@a.org"]);
        replica.alias("only@a.org", &["ann@a.org"]);
        replica.done(DisableAccount { account: ann });
        replica.done(DisableAccount { account: ann });
        assert_eq!(replica.resolve("ann@a.org"), Resolution::Disabled);
        assert_eq!(replica.resolve("only@a.org"), Resolution::Disabled);
        assert_eq!(replica.accounts_of("both@a.org"), [bob]);
    }

    #[test]
    fn an_account_that_is_being_made_cannot_be_disabled() {
        let mut replica = Replica::with_domain("a.org");
        let account = replica.add("ann@a.org");
        let state = AccountState::Creating;
        assert_eq!(
            replica.refusal(DisableAccount { account }),
            Rejection::WrongState { account, state }
        );
    }
}
