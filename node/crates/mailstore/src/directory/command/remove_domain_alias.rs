//! RemoveDomainAlias: a domain loses another name. Its addresses stay.

use mail_model::Domain;
use minicbor::{Decode, Encode};
use replication::StateTxn;

use super::{Outcome, founded};
use crate::directory::key;
use crate::directory::record::DomainKind;
use crate::directory::rejection::{Refused, Rejection};
use crate::directory::rows;

/// Removes another name of a domain.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct RemoveDomainAlias {
    /// The name to go.
    #[n(0)]
    pub alias: Domain,
}

impl RemoveDomainAlias {
    pub(super) fn apply(&self, txn: &mut StateTxn<'_>) -> Result<Outcome, Refused> {
        founded(txn)?;
        let domain = self.alias.clone();
        match rows::domain(txn, &domain)?.map(|record| record.kind) {
            Some(DomainKind::AliasOf(of)) => {
                txn.delete(key::domain(&domain));
                txn.delete(key::domain_alias(&of, &domain));
                Ok(Outcome::Done)
            }
            Some(DomainKind::Own { .. }) => Err(Rejection::DomainIsNoAlias { domain }.into()),
            None => Err(Rejection::NoSuchDomain { domain }.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::command::AddDomainAlias;
    use crate::directory::query::Resolution;
    use crate::directory::testing::{Replica, domain};

    #[test]
    fn only_the_other_name_goes() {
        let mut replica = Replica::with_domain("a.org");
        replica.active("ann@a.org");
        let before = replica.rows();
        replica.done(AddDomainAlias {
            alias: domain("a.net"),
            of: domain("a.org"),
        });
        replica.done(RemoveDomainAlias { alias: domain("a.net") });
        assert_eq!(replica.rows(), before);
        assert_eq!(replica.resolve("ann@a.net"), Resolution::NoSuchDomain);
    }

    #[test]
    fn a_domain_of_its_own_is_no_other_name() {
        let mut replica = Replica::with_domain("a.org");
        let alias = domain("a.org");
        assert!(matches!(
            replica.refusal(RemoveDomainAlias { alias }),
            Rejection::DomainIsNoAlias { .. }
        ));
        let alias = domain("b.org");
        assert!(matches!(
            replica.refusal(RemoveDomainAlias { alias }),
            Rejection::NoSuchDomain { .. }
        ));
    }
}
