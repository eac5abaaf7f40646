//! AddAddress: one more address for an account.

use mail_model::{AccountId, Address};
use minicbor::{Decode, Encode};
use replication::StateTxn;

use super::{Outcome, ensure_free, ensure_own_domain, existing};
use crate::directory::key;
use crate::directory::limits::ACCOUNT_ADDRESSES_MAX;
use crate::directory::record::AddressOwner;
use crate::directory::rejection::{Refused, Rejection};
use crate::directory::rows;

/// Gives an account an address, by which it receives, sends and logs in.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct AddAddress {
    /// Which account.
    #[n(0)]
    pub account: AccountId,
    /// The address.
    #[n(1)]
    pub address: Address,
}

impl AddAddress {
    pub(super) fn apply(&self, txn: &mut StateTxn<'_>) -> Result<Outcome, Refused> {
        let account = self.account;
        let mut record = existing(txn, account)?;
        ensure_own_domain(txn, self.address.domain())?;
        if record.addresses.contains(&self.address) {
            return Ok(Outcome::Done);
        }
        ensure_free(txn, &self.address)?;
        if record.addresses.len() >= ACCOUNT_ADDRESSES_MAX {
            return Err(Rejection::too_many("addresses of an account", ACCOUNT_ADDRESSES_MAX).into());
        }
        record.addresses.push(self.address.clone());
        rows::write(txn, key::address(&self.address), &AddressOwner { account });
        rows::write(txn, key::account(account), &record);
        Ok(Outcome::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::testing::{Replica, address};

    #[test]
    fn an_account_is_reached_by_all_its_addresses_and_keeps_its_first_name() {
        let mut replica = Replica::with_domain("a.org");
        let ann = replica.active("ann@a.org");
        replica.also(ann, "ann.b@a.org");
        replica.also(ann, "ann.b@a.org");
        assert_eq!(replica.accounts_of("ann.b@a.org"), [ann]);
        let names = ["ann@a.org", "ann.b@a.org"].map(address);
        assert_eq!(replica.account(ann).addresses, names);
    }

    #[test]
    fn an_address_belongs_to_one_account() {
        let mut replica = Replica::with_domain("a.org");
        replica.active("ann@a.org");
        let account = replica.active("bob@a.org");
        let address = address("ann@a.org");
        let refused = replica.refusal(AddAddress { account, address });
        assert!(matches!(refused, Rejection::AddressTaken { .. }));
    }

    #[test]
    fn an_account_has_no_more_addresses_than_it_may() {
        let mut replica = Replica::with_domain("a.org");
        let account = replica.active("ann@a.org");
        for n in 1..ACCOUNT_ADDRESSES_MAX {
            replica.also(account, &format!("ann{n}@a.org"));
        }
        let address = address("ann.last@a.org");
        let refused = replica.refusal(AddAddress { account, address });
        assert!(matches!(refused, Rejection::TooMany { .. }));
    }
}
