//! SetCatchAll: who gets mail for the local parts of a domain that do not exist.

use mail_model::Domain;
use minicbor::{Decode, Encode};
use replication::StateTxn;

use super::{Outcome, ensure_own_domain, founded};
use crate::directory::key;
use crate::directory::naming::{self, Namer};
use crate::directory::record::{DomainKind, DomainRecord, Target};
use crate::directory::rejection::{Refused, Rejection};
use crate::directory::rows;

/// Sets or removes the catch-all of a domain.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SetCatchAll {
    /// Which domain.
    #[n(0)]
    pub domain: Domain,
    /// Who gets that mail; `None` refuses it again.
    #[n(1)]
    pub target: Option<Target>,
}

impl SetCatchAll {
    pub(super) fn apply(&self, txn: &mut StateTxn<'_>) -> Result<Outcome, Refused> {
        founded(txn)?;
        ensure_own_domain(txn, &self.domain)?;
        let target = self
            .target
            .as_ref()
            .map(|target| naming::settle(txn, target))
            .transpose()?;
        let Some(DomainKind::Own { detail, catch_all }) = rows::domain(txn, &self.domain)?.map(|record| record.kind)
        else {
            let domain = self.domain.clone();
            return Err(Rejection::NoSuchDomain { domain }.into());
        };
        naming::rename(
            txn,
            &Namer::CatchAll(&self.domain),
            catch_all.as_slice(),
            target.as_slice(),
        );
        let kind = DomainKind::Own {
            detail,
            catch_all: target,
        };
        rows::write(txn, key::domain(&self.domain), &DomainRecord { kind });
        Ok(Outcome::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::query::Resolution;
    use crate::directory::testing::{Replica, address, domain};

    fn set(target: Option<&str>) -> SetCatchAll {
        SetCatchAll {
            domain: domain("a.org"),
            target: target.map(|target| Target::Address(address(target))),
        }
    }

    #[test]
    fn it_gets_what_nobody_else_gets() {
        let mut replica = Replica::with_domain("a.org");
        let ann = replica.active("ann@a.org");
        let bob = replica.active("bob@a.org");
        replica.done(set(Some("bob@a.org")));
        assert_eq!(replica.accounts_of("nobody@a.org"), [bob]);
        assert_eq!(replica.recipients("nobody@a.org")[0].address, address("nobody@a.org"));
        assert_eq!(replica.accounts_of("ann+x@a.org"), [ann]);
        replica.done(set(Some("ann@a.org")));
        assert_eq!(replica.accounts_of("nobody@a.org"), [ann]);
        replica.done(set(None));
        assert_eq!(replica.resolve("nobody@a.org"), Resolution::NoSuchUser);
    }

    #[test]
    fn it_does_not_get_what_a_disabled_account_would_have_got() {
        let mut replica = Replica::with_domain("a.org");
        let account = replica.active("ann@a.org");
        replica.active("bob@a.org");
        replica.done(set(Some("bob@a.org")));
        replica.done(crate::directory::command::DisableAccount { account });
        assert_eq!(replica.resolve("ann@a.org"), Resolution::Disabled);
    }

    #[test]
    fn its_target_must_exist() {
        let mut replica = Replica::with_domain("a.org");
        assert!(matches!(
            replica.refusal(set(Some("bob@a.org"))),
            Rejection::NoSuchTarget { .. }
        ));
    }
}
