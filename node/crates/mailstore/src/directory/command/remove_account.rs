//! RemoveAccount: the account is no more. Its addresses are free, its id never comes back, and its group is told by the
//! tombstone which mail to drop.

use mail_model::AccountId;
use minicbor::{Decode, Encode};
use replication::{AppliedAt, StateTxn};

use super::{Outcome, existing};
use crate::directory::access;
use crate::directory::key;
use crate::directory::naming;
use crate::directory::record::{Group, RemovedAccount, Target};
use crate::directory::rejection::Refused;
use crate::directory::rows;

/// Removes an account that nothing names.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct RemoveAccount {
    /// Which one.
    #[n(0)]
    pub account: AccountId,
}

impl RemoveAccount {
    pub(super) fn apply(&self, txn: &mut StateTxn<'_>, at: &AppliedAt) -> Result<Outcome, Refused> {
        let record = existing(txn, self.account)?;
        naming::ensure_unnamed(txn, &Target::Account(self.account))?;
        for address in &record.addresses {
            naming::ensure_unnamed(txn, &Target::Address(address.clone()))?;
        }
        let group = rows::read::<Group>(txn, &key::group(record.group))?;
        if let Some(Group { accounts }) = group {
            let accounts = accounts.saturating_sub(1);
            rows::write(txn, key::group(record.group), &Group { accounts });
        }
        for address in &record.addresses {
            txn.delete(key::address(address));
        }
        txn.delete(key::account(self.account));
        let tombstone = RemovedAccount {
            group: record.group,
            address: record.primary().cloned(),
            removed_ms: at.log_time_ms,
        };
        rows::write(txn, key::removed(self.account), &tombstone);
        access::announce(txn, self.account);
        Ok(Outcome::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::command::{EnableAccount, RemoveAlias};
    use crate::directory::query::Resolution;
    use crate::directory::rejection::Rejection;
    use crate::directory::testing::{Replica, address};

    #[test]
    fn addresses_are_free_again_and_the_id_is_not() {
        let mut replica = Replica::with_domain("a.org");
        let keeper = replica.active("keeper@a.org");
        let account = replica.active("ann@a.org");
        replica.also(account, "ann.b@a.org");
        replica.done(RemoveAccount { account });
        assert_eq!(replica.resolve("ann@a.org"), Resolution::NoSuchUser);
        assert_eq!(replica.resolve("ann.b@a.org"), Resolution::NoSuchUser);
        assert_eq!(
            replica.refusal(RemoveAccount { account }),
            Rejection::AccountRemoved { account }
        );
        assert_eq!(
            replica.refusal(EnableAccount { account }),
            Rejection::AccountRemoved { account }
        );
        assert!(replica.active("ann.b@a.org") > account);
        assert_eq!(replica.accounts_of("keeper@a.org"), [keeper]);
    }

    #[test]
    fn an_account_that_an_alias_names_stays() {
        let mut replica = Replica::with_domain("a.org");
        let account = replica.active("ann@a.org");
        replica.alias("all@a.org", &["ann@a.org"]);
        let what = Target::Address(address("ann@a.org"));
        let by = "the alias all@a.org".to_owned();
        assert_eq!(
            replica.refusal(RemoveAccount { account }),
            Rejection::StillNamed { what, by }
        );
        replica.done(RemoveAlias {
            address: address("all@a.org"),
            targets: Vec::new(),
        });
        replica.done(RemoveAccount { account });
    }
}
