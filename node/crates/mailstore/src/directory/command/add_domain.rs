//! AddDomain: this cluster takes mail for one more domain. The first one becomes the default for log-in.

use mail_model::Domain;
use minicbor::{Decode, Encode};
use replication::StateTxn;

use super::{Outcome, founded};
use crate::directory::key;
use crate::directory::record::{DomainRecord, Policy};
use crate::directory::rejection::{Refused, Rejection};
use crate::directory::rows;

/// Adds a domain, with `+detail` and without a catch-all.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct AddDomain {
    /// Its name.
    #[n(0)]
    pub domain: Domain,
}

impl AddDomain {
    pub(super) fn apply(&self, txn: &mut StateTxn<'_>) -> Result<Outcome, Refused> {
        founded(txn)?;
        let domain = self.domain.clone();
        if rows::domain(txn, &domain)?.is_some() {
            return Err(Rejection::DomainExists { domain }.into());
        }
        let policy = rows::policy(txn)?;
        rows::write(txn, key::domain(&domain), &DomainRecord::new());
        if policy.default_domain.is_none() {
            let default_domain = Some(domain);
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::testing::{Replica, domain, founding};

    fn add(name: &str) -> AddDomain {
        AddDomain { domain: domain(name) }
    }

    #[test]
    fn the_first_domain_becomes_the_default_and_later_ones_do_not() {
        let mut replica = Replica::founded();
        replica.done(add("first.org"));
        replica.done(add("second.org"));
        assert_eq!(replica.policy().default_domain, Some(domain("first.org")));
        assert_eq!(replica.domains(), ["first.org", "second.org"]);
    }

    #[test]
    fn a_domain_is_added_once() {
        let mut replica = Replica::founded();
        replica.done(add("a.org"));
        let domain = domain("a.org");
        assert_eq!(replica.refusal(add("A.org.")), Rejection::DomainExists { domain });
    }

    #[test]
    fn nothing_comes_before_the_founding() {
        let mut replica = Replica::new();
        assert_eq!(replica.refusal(add("a.org")), Rejection::NotFounded);
        replica.done(founding());
        replica.done(add("a.org"));
    }
}
