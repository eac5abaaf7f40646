//! RemoveAddress: an account gives up an address, which is free then.

use mail_model::{AccountId, Address};
use minicbor::{Decode, Encode};
use replication::StateTxn;

use super::{Outcome, existing};
use crate::directory::key;
use crate::directory::naming;
use crate::directory::record::Target;
use crate::directory::rejection::{Refused, Rejection};
use crate::directory::rows;

/// Takes an address from an account. When it was the first, the next one takes its place.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct RemoveAddress {
    /// Which account.
    #[n(0)]
    pub account: AccountId,
    /// The address.
    #[n(1)]
    pub address: Address,
}

impl RemoveAddress {
    pub(super) fn apply(&self, txn: &mut StateTxn<'_>) -> Result<Outcome, Refused> {
        let account = self.account;
        let mut record = existing(txn, account)?;
        let address = self.address.clone();
        if !record.addresses.contains(&address) {
            return Err(Rejection::NotItsAddress { account, address }.into());
        }
        if record.addresses.len() == 1 {
            return Err(Rejection::LastAddress { account, address }.into());
        }
        naming::ensure_unnamed(txn, &Target::Address(address))?;
        record.addresses.retain(|own| *own != self.address);
        txn.delete(key::address(&self.address));
        rows::write(txn, key::account(account), &record);
        Ok(Outcome::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::query::Resolution;
    use crate::directory::testing::{Replica, address};

    fn remove(account: AccountId, text: &str) -> RemoveAddress {
        RemoveAddress {
            account,
            address: address(text),
        }
    }

    #[test]
    fn the_next_address_takes_the_first_place_and_the_last_one_stays() {
        let mut replica = Replica::with_domain("a.org");
        let ann = replica.active("ann@a.org");
        replica.also(ann, "ann.b@a.org");
        replica.done(remove(ann, "ann@a.org"));
        assert_eq!(replica.account(ann).primary(), Some(&address("ann.b@a.org")));
        assert_eq!(replica.resolve("ann@a.org"), Resolution::NoSuchUser);
        assert!(matches!(
            replica.refusal(remove(ann, "ann.b@a.org")),
            Rejection::LastAddress { .. }
        ));
        assert!(matches!(
            replica.refusal(remove(ann, "ann@a.org")),
            Rejection::NotItsAddress { .. }
        ));
    }

    #[test]
    fn an_address_that_an_alias_names_stays() {
        let mut replica = Replica::with_domain("a.org");
        let ann = replica.active("ann@a.org");
        replica.also(ann, "ann.b@a.org");
        replica.alias("x@a.org", &["ann.b@a.org"]);
        assert!(matches!(
            replica.refusal(remove(ann, "ann.b@a.org")),
            Rejection::StillNamed { .. }
        ));
        replica.done(remove(ann, "ann@a.org"));
    }
}
