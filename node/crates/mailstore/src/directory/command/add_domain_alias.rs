//! AddDomainAlias: another name for a whole domain.

use mail_model::Domain;
use minicbor::{Decode, Encode};
use replication::StateTxn;

use super::{Outcome, ensure_own_domain, founded};
use crate::directory::key;
use crate::directory::record::{DomainKind, DomainRecord};
use crate::directory::rejection::{Refused, Rejection};
use crate::directory::rows;

/// Makes every address of `of` reachable, with the same local part, in `alias`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct AddDomainAlias {
    /// The new name.
    #[n(0)]
    pub alias: Domain,
    /// The domain that holds the addresses.
    #[n(1)]
    pub of: Domain,
}

impl AddDomainAlias {
    pub(super) fn apply(&self, txn: &mut StateTxn<'_>) -> Result<Outcome, Refused> {
        founded(txn)?;
        ensure_own_domain(txn, &self.of)?;
        if rows::domain(txn, &self.alias)?.is_some() {
            let domain = self.alias.clone();
            return Err(Rejection::DomainExists { domain }.into());
        }
        let kind = DomainKind::AliasOf(self.of.clone());
        rows::write(txn, key::domain(&self.alias), &DomainRecord { kind });
        // The way back says all in its key.
        txn.put(key::domain_alias(&self.of, &self.alias), &[1u8][..]);
        Ok(Outcome::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::testing::{Replica, address, domain};

    fn add(alias: &str, of: &str) -> AddDomainAlias {
        AddDomainAlias {
            alias: domain(alias),
            of: domain(of),
        }
    }

    #[test]
    fn every_address_is_reached_by_the_other_name_too() {
        let mut replica = Replica::with_domain("a.org");
        let ann = replica.active("ann@a.org");
        replica.done(add("a.net", "a.org"));
        assert_eq!(replica.accounts_of("ann@a.net"), [ann]);
        assert_eq!(replica.recipients("ann+x@a.net")[0].address, address("ann@a.org"));
    }

    #[test]
    fn an_alias_of_an_alias_is_refused_and_so_is_a_used_name() {
        let mut replica = Replica::with_domain("a.org");
        replica.done(add("a.net", "a.org"));
        assert!(matches!(
            replica.refusal(add("b.net", "a.net")),
            Rejection::DomainIsAlias { .. }
        ));
        assert!(matches!(
            replica.refusal(add("a.net", "a.org")),
            Rejection::DomainExists { .. }
        ));
        assert!(matches!(
            replica.refusal(add("a.org", "a.org")),
            Rejection::DomainExists { .. }
        ));
        assert!(matches!(
            replica.refusal(add("x.org", "y.org")),
            Rejection::NoSuchDomain { .. }
        ));
    }
}
