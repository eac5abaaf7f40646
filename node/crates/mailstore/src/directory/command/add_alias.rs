//! AddAlias: an address that stands for others, or more targets for one that does.

use mail_model::Address;
use minicbor::{Decode, Encode};
use replication::StateTxn;

use super::{Outcome, ensure_free, ensure_own_domain, founded};
use crate::directory::key;
use crate::directory::limits::ALIAS_TARGETS_MAX;
use crate::directory::naming::{self, Namer};
use crate::directory::query::{self, Reach};
use crate::directory::record::{Alias, Target};
use crate::directory::rejection::{Refused, Rejection};
use crate::directory::rows;

/// Makes an alias, or adds targets to it. A target that it has already is no mistake.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct AddAlias {
    /// The address that stands for others.
    #[n(0)]
    pub address: Address,
    /// Addresses and accounts of this cluster; one at least.
    #[n(1)]
    pub targets: Vec<Target>,
}

impl AddAlias {
    pub(super) fn apply(&self, txn: &mut StateTxn<'_>) -> Result<Outcome, Refused> {
        founded(txn)?;
        ensure_own_domain(txn, self.address.domain())?;
        if self.targets.is_empty() {
            return Err(Rejection::NoTargets.into());
        }
        let before = match rows::alias(txn, &self.address)? {
            Some(alias) => alias.targets,
            None => {
                ensure_free(txn, &self.address)?;
                Vec::new()
            }
        };
        let mut targets = before.clone();
        for target in &self.targets {
            let target = self.settle(txn, target)?;
            if !targets.contains(&target) {
                targets.push(target);
            }
            if targets.len() > ALIAS_TARGETS_MAX {
                return Err(Rejection::too_many("targets of an alias", ALIAS_TARGETS_MAX).into());
            }
        }
        naming::rename(txn, &Namer::Alias(&self.address), &before, &targets);
        rows::write(txn, key::alias(&self.address), &Alias { targets });
        Ok(Outcome::Done)
    }

    /// The target as it is stored, if it exists and does not lead back here.
    fn settle(&self, txn: &StateTxn<'_>, target: &Target) -> Result<Target, Refused> {
        let (address, what) = (self.address.clone(), target.clone());
        if let Target::Address(named) = target {
            let itself = rows::canonical(txn, named)?.is_some_and(|(named, _)| named == self.address);
            if itself {
                return Err(Rejection::Loop { address, target: what }.into());
            }
        }
        let target = naming::settle(txn, target)?;
        match query::reach(txn, &target, &self.address)? {
            Reach::Apart => Ok(target),
            Reach::LeadsThere => Err(Rejection::Loop { address, target: what }.into()),
            Reach::TooFar { what, limit } => Err(Rejection::too_many(what, limit).into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use mail_model::AccountId;

    use super::*;
    use crate::directory::command::AddDomainAlias;
    use crate::directory::limits::EXPANSION_DEPTH_MAX;
    use crate::directory::testing::{Replica, address, domain, names};

    fn add(from: &str, to: &[&str]) -> AddAlias {
        AddAlias {
            address: address(from),
            targets: names(to),
        }
    }

    #[test]
    fn one_address_reaches_many_and_each_account_once() {
        let mut replica = Replica::with_domain("a.org");
        let ann = replica.active("ann@a.org");
        let bob = replica.active("bob@a.org");
        replica.also(ann, "ann.b@a.org");
        replica.done(add("team@a.org", &["ann@a.org", "ann.b@a.org"]));
        replica.done(add("team@a.org", &["bob@a.org", "ann@a.org"]));
        assert_eq!(replica.accounts_of("team@a.org"), [ann, bob]);
        replica.done(add("all@a.org", &["team@a.org", "bob@a.org"]));
        assert_eq!(replica.accounts_of("all+x@a.org"), [ann, bob]);
    }

    #[test]
    fn an_account_is_named_by_its_id_whatever_it_is_called() {
        let mut replica = Replica::with_domain("a.org");
        let ann = replica.active("ann@a.org");
        replica.done(AddAlias {
            address: address("head@a.org"),
            targets: vec![Target::Account(ann)],
        });
        assert_eq!(replica.accounts_of("head@a.org"), [ann]);
    }

    #[test]
    fn a_target_by_another_name_of_its_domain_is_stored_by_the_name_itself() {
        let mut replica = Replica::with_domain("a.org");
        let ann = replica.active("ann@a.org");
        replica.done(AddDomainAlias {
            alias: domain("a.net"),
            of: domain("a.org"),
        });
        replica.done(add("x@a.org", &["ann@a.net"]));
        assert_eq!(replica.aliases()[0].1, names(&["ann@a.org"]));
        assert_eq!(replica.accounts_of("x@a.org"), [ann]);
    }

    #[test]
    fn circles_are_refused_however_long() {
        let mut replica = Replica::with_domain("a.org");
        replica.active("ann@a.org");
        assert!(matches!(
            replica.refusal(add("x@a.org", &["x@a.org"])),
            Rejection::Loop { .. }
        ));
        replica.done(add("x@a.org", &["ann@a.org"]));
        replica.done(add("y@a.org", &["x@a.org"]));
        replica.done(add("z@a.org", &["y@a.org"]));
        assert!(matches!(
            replica.refusal(add("x@a.org", &["z@a.org"])),
            Rejection::Loop { .. }
        ));
    }

    #[test]
    fn chains_have_a_bound() {
        let mut replica = Replica::with_domain("a.org");
        let ann = replica.active("ann@a.org");
        replica.done(add("a0@a.org", &["ann@a.org"]));
        for n in 1..EXPANSION_DEPTH_MAX {
            replica.done(add(&format!("a{n}@a.org"), &[&format!("a{}@a.org", n - 1)]));
        }
        let last = format!("a{}@a.org", EXPANSION_DEPTH_MAX - 1);
        assert_eq!(replica.accounts_of(&last), [ann]);
        assert!(matches!(
            replica.refusal(add("long@a.org", &[&last])),
            Rejection::TooMany { .. }
        ));
    }

    #[test]
    fn targets_must_exist() {
        let mut replica = Replica::with_domain("a.org");
        for target in ["ann@a.org", "ann@elsewhere.org"] {
            assert!(matches!(
                replica.refusal(add("x@a.org", &[target])),
                Rejection::NoSuchTarget { .. }
            ));
        }
        let targets = vec![Target::Account(AccountId(5))];
        let address = address("x@a.org");
        let refused = replica.refusal(AddAlias { address, targets });
        assert!(matches!(refused, Rejection::NoSuchTarget { .. }));
        assert_eq!(replica.refusal(add("x@a.org", &[])), Rejection::NoTargets);
    }

    #[test]
    fn an_address_of_an_account_is_no_alias() {
        let mut replica = Replica::with_domain("a.org");
        replica.active("ann@a.org");
        replica.active("bob@a.org");
        assert!(matches!(
            replica.refusal(add("ann@a.org", &["bob@a.org"])),
            Rejection::AddressTaken { .. }
        ));
    }
}
