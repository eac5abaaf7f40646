//! RemoveDomain: no more mail for a domain. Its catch-all goes with it; addresses and other names must be gone before.

use mail_model::Domain;
use minicbor::{Decode, Encode};
use replication::StateTxn;

use super::{Outcome, ensure_own_domain, founded};
use crate::directory::key;
use crate::directory::naming::{self, Namer};
use crate::directory::record::{self, DomainKind, Policy};
use crate::directory::rejection::{Refused, Rejection};
use crate::directory::rows::{self, Rows};

/// Removes a domain that holds no address any more.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct RemoveDomain {
    /// Its name.
    #[n(0)]
    pub domain: Domain,
}

impl RemoveDomain {
    pub(super) fn apply(&self, txn: &mut StateTxn<'_>) -> Result<Outcome, Refused> {
        founded(txn)?;
        ensure_own_domain(txn, &self.domain)?;
        self.ensure_unused(txn)?;
        let policy = rows::policy(txn)?;
        let record = rows::domain(txn, &self.domain)?;
        if let Some(DomainKind::Own {
            catch_all: Some(target),
            ..
        }) = record.map(|record| record.kind)
        {
            naming::rename(txn, &Namer::CatchAll(&self.domain), &[target], &[]);
        }
        txn.delete(key::domain(&self.domain));
        if policy.default_domain.as_ref() == Some(&self.domain) {
            let default_domain = None;
            rows::write(
                txn,
                key::POLICY.to_vec(),
                &Policy {
                    default_domain,
                    ..policy
                },
            );
        }
        Ok(Outcome::Done)
    }

    fn ensure_unused(&self, rows: &dyn Rows) -> Result<(), Refused> {
        for table in [key::ADDRESSES, key::ALIASES] {
            if let Some(row) = rows::first_key(rows, &key::within(table, &self.domain))? {
                let address = key::address_of(table, &row).ok_or_else(|| record::damaged(&row, "not an address"))?;
                let domain = self.domain.clone();
                return Err(Rejection::DomainInUse { domain, address }.into());
            }
        }
        let prefix = key::within(key::DOMAIN_ALIASES, &self.domain);
        if let Some(row) = rows::first_key(rows, &prefix)? {
            let alias = std::str::from_utf8(&row[prefix.len()..]).ok();
            let alias = alias.and_then(|alias| Domain::new(alias).ok());
            let alias = alias.ok_or_else(|| record::damaged(&row, "not a domain"))?;
            let domain = self.domain.clone();
            return Err(Rejection::DomainHasAlias { domain, alias }.into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::command::{AddDomainAlias, RemoveAccount, RemoveDomainAlias, SetCatchAll};
    use crate::directory::record::Target;
    use crate::directory::testing::{Replica, address, domain};

    fn remove(name: &str) -> RemoveDomain {
        RemoveDomain { domain: domain(name) }
    }

    #[test]
    fn a_domain_with_an_address_stays() {
        let mut replica = Replica::with_domain("a.org");
        let ann = replica.add("ann@a.org");
        let refused = Rejection::DomainInUse {
            domain: domain("a.org"),
            address: address("ann@a.org"),
        };
        assert_eq!(replica.refusal(remove("a.org")), refused);
        replica.done(RemoveAccount { account: ann });
        replica.done(remove("a.org"));
        assert!(replica.domains().is_empty());
        assert_eq!(replica.policy().default_domain, None);
    }

    #[test]
    fn a_domain_with_an_alias_or_with_another_name_stays() {
        let mut replica = Replica::with_domain("a.org");
        replica.add("ann@a.org");
        replica.domain("b.org");
        replica.alias("all@b.org", &["ann@a.org"]);
        assert!(matches!(
            replica.refusal(remove("b.org")),
            Rejection::DomainInUse { .. }
        ));
        replica.domain("c.org");
        replica.done(AddDomainAlias {
            alias: domain("d.org"),
            of: domain("c.org"),
        });
        assert!(matches!(
            replica.refusal(remove("c.org")),
            Rejection::DomainHasAlias { .. }
        ));
        assert!(matches!(
            replica.refusal(remove("d.org")),
            Rejection::DomainIsAlias { .. }
        ));
        replica.done(RemoveDomainAlias { alias: domain("d.org") });
        replica.done(remove("c.org"));
    }

    #[test]
    fn its_catch_all_names_nobody_any_more() {
        let mut replica = Replica::with_domain("a.org");
        let ann = replica.add("ann@a.org");
        replica.domain("b.org");
        replica.done(SetCatchAll {
            domain: domain("b.org"),
            target: Some(Target::Account(ann)),
        });
        assert!(matches!(
            replica.refusal(RemoveAccount { account: ann }),
            Rejection::StillNamed { .. }
        ));
        replica.done(remove("b.org"));
        replica.done(RemoveAccount { account: ann });
    }

    #[test]
    fn a_domain_that_is_not_there_is_refused() {
        let domain = domain("a.org");
        assert_eq!(
            Replica::founded().refusal(remove("a.org")),
            Rejection::NoSuchDomain { domain }
        );
    }
}
