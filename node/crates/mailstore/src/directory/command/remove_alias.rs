//! RemoveAlias: an alias loses targets, or goes.

use mail_model::Address;
use minicbor::{Decode, Encode};
use replication::StateTxn;

use super::{Outcome, founded};
use crate::directory::key;
use crate::directory::naming::{self, Namer};
use crate::directory::record::{Alias, Target};
use crate::directory::rejection::{Refused, Rejection};
use crate::directory::rows::{self, Rows};

/// Takes targets from an alias; without targets given, or when none is left, the alias goes.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct RemoveAlias {
    /// Which alias.
    #[n(0)]
    pub address: Address,
    /// What it shall not name any more; empty for the whole alias.
    #[n(1)]
    pub targets: Vec<Target>,
}

impl RemoveAlias {
    pub(super) fn apply(&self, txn: &mut StateTxn<'_>) -> Result<Outcome, Refused> {
        founded(txn)?;
        let address = self.address.clone();
        let Some(Alias { targets: before }) = rows::alias(txn, &address)? else {
            return Err(Rejection::NoSuchAlias { address }.into());
        };
        let mut targets = before.clone();
        for target in &self.targets {
            let stored = as_stored(txn, target)?;
            let Some(at) = targets.iter().position(|own| *own == stored) else {
                let target = target.clone();
                return Err(Rejection::NotItsTarget { address, target }.into());
            };
            targets.remove(at);
        }
        if self.targets.is_empty() {
            targets.clear();
        }
        if targets.is_empty() {
            naming::ensure_unnamed(txn, &Target::Address(address))?;
            txn.delete(key::alias(&self.address));
        } else {
            let targets = targets.clone();
            rows::write(txn, key::alias(&self.address), &Alias { targets });
        }
        naming::rename(txn, &Namer::Alias(&self.address), &before, &targets);
        Ok(Outcome::Done)
    }
}

fn as_stored(rows: &dyn Rows, target: &Target) -> Result<Target, Refused> {
    let Target::Address(address) = target else {
        return Ok(target.clone());
    };
    let canonical = rows::canonical(rows, address)?;
    Ok(canonical.map_or_else(|| target.clone(), |(address, _)| Target::Address(address)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::query::Resolution;
    use crate::directory::testing::{Replica, address, names};

    fn remove(alias: &str, targets: &[&str]) -> RemoveAlias {
        RemoveAlias {
            address: address(alias),
            targets: names(targets),
        }
    }

    #[test]
    fn targets_go_one_by_one_and_the_alias_with_the_last() {
        let mut replica = Replica::with_domain("a.org");
        replica.active("ann@a.org");
        let bob = replica.active("bob@a.org");
        let before = replica.rows();
        replica.alias("team@a.org", &["ann@a.org", "bob@a.org"]);
        replica.done(remove("team@a.org", &["ann@a.org"]));
        assert_eq!(replica.accounts_of("team@a.org"), [bob]);
        assert!(matches!(
            replica.refusal(remove("team@a.org", &["ann@a.org"])),
            Rejection::NotItsTarget { .. }
        ));
        replica.done(remove("team@a.org", &["bob@a.org"]));
        assert_eq!(replica.resolve("team@a.org"), Resolution::NoSuchUser);
        assert_eq!(replica.rows(), before);
        assert!(matches!(
            replica.refusal(remove("team@a.org", &[])),
            Rejection::NoSuchAlias { .. }
        ));
    }

    #[test]
    fn an_alias_that_another_one_names_stays() {
        let mut replica = Replica::with_domain("a.org");
        replica.active("ann@a.org");
        replica.alias("inner@a.org", &["ann@a.org"]);
        replica.alias("outer@a.org", &["inner@a.org"]);
        assert!(matches!(
            replica.refusal(remove("inner@a.org", &[])),
            Rejection::StillNamed { .. }
        ));
        replica.done(remove("outer@a.org", &[]));
        replica.done(remove("inner@a.org", &[]));
    }
}
