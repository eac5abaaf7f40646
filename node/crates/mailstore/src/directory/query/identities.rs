//! By which addresses an account may send (incident i31: "sent with the wrong domain").
//!
//! Its own addresses, and the aliases that stand for it alone, which are its addresses by another name; each in every name
//! of its domain, and with any `+detail` where the domain knows it. An alias of several people is nobody's own.

use mail_model::{AccountId, Address, Domain};
use replication::{KeyRange, ShelfError};

use crate::directory::key;
use crate::directory::limits::{EXPANSION_DEPTH_MAX, IDENTITIES_MAX};
use crate::directory::naming;
use crate::directory::record::{AccountState, Target};
use crate::directory::rows::{self, Rows};

/// Those addresses, without details, at most [`IDENTITIES_MAX`]; the one that the account is called by comes first.
pub(super) fn identities(rows: &dyn Rows, id: AccountId) -> Result<Vec<Address>, ShelfError> {
    let Some(account) = rows::account(rows, id)? else {
        return Ok(Vec::new());
    };
    if account.state != AccountState::Active {
        return Ok(Vec::new());
    }
    let mut found = account.addresses;
    add_aliases(rows, &mut found, &Target::Account(id), id)?;
    // The list grows while it is walked: an alias of an alias stands for the account, too.
    let mut at = 0;
    while let Some(address) = found.get(at).cloned().filter(|_| at < IDENTITIES_MAX) {
        add_aliases(rows, &mut found, &Target::Address(address), id)?;
        at += 1;
    }
    for at in 0..found.len() {
        for name in other_names(rows, found[at].domain())? {
            found.extend(Address::of(found[at].local(), name));
        }
    }
    found.truncate(IDENTITIES_MAX);
    Ok(found)
}

fn add_aliases(rows: &dyn Rows, found: &mut Vec<Address>, of: &Target, id: AccountId) -> Result<(), ShelfError> {
    for alias in naming::aliases_of(rows, of, IDENTITIES_MAX)? {
        if !found.contains(&alias) && stands_for(rows, &alias, id)? {
            found.push(alias);
        }
    }
    Ok(())
}

/// Whether `address` is one of those, whatever its detail.
pub(super) fn may_send_as(rows: &dyn Rows, id: AccountId, address: &Address) -> Result<bool, ShelfError> {
    let active = rows::account(rows, id)?.is_some_and(|account| account.state == AccountState::Active);
    let Some((address, domain)) = rows::canonical(rows, address)?.filter(|_| active) else {
        return Ok(false);
    };
    if stands_for(rows, &address, id)? {
        return Ok(true);
    }
    // Where the address with its detail is itself somebody's, it is theirs alone.
    let taken = rows::owner(rows, &address)?.is_some() || rows::alias(rows, &address)?.is_some();
    match address.split_detail().filter(|_| domain.detail && !taken) {
        Some((base, _)) => stands_for(rows, &base, id),
        None => Ok(false),
    }
}

/// Whether `address` is an address of the account, or an alias that names it and nobody else.
fn stands_for(rows: &dyn Rows, address: &Address, id: AccountId) -> Result<bool, ShelfError> {
    let mut address = address.clone();
    for _ in 0..=EXPANSION_DEPTH_MAX {
        if let Some(owner) = rows::owner(rows, &address)? {
            return Ok(owner == id);
        }
        let Some(alias) = rows::alias(rows, &address)? else {
            return Ok(false);
        };
        match alias.targets.as_slice() {
            [Target::Account(named)] => return Ok(*named == id),
            [Target::Address(next)] => address = next.clone(),
            _ => return Ok(false),
        }
    }
    Ok(false)
}

fn other_names(rows: &dyn Rows, domain: &Domain) -> Result<Vec<Domain>, ShelfError> {
    let prefix = key::within(key::DOMAIN_ALIASES, domain);
    let mut names = Vec::new();
    rows.each(&KeyRange::prefix(&prefix), &mut |row, _| {
        let name = std::str::from_utf8(&row[prefix.len()..]).ok();
        names.extend(name.and_then(|name| Domain::new(name).ok()));
        if names.len() < IDENTITIES_MAX {
            std::ops::ControlFlow::Continue(())
        } else {
            std::ops::ControlFlow::Break(())
        }
    })?;
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::command::{AddAlias, AddDomainAlias, DisableAccount};
    use crate::directory::testing::{Replica, address, domain};

    #[test]
    fn own_addresses_and_aliases_for_one_may_be_sent_by() {
        let mut replica = Replica::with_domain("a.org");
        let ann = replica.active("ann@a.org");
        let bob = replica.active("bob@a.org");
        replica.also(ann, "ann.b@a.org");
        replica.alias("info@a.org", &["ann.b@a.org"]);
        replica.alias("desk@a.org", &["info@a.org"]);
        replica.alias("team@a.org", &["ann@a.org", "bob@a.org"]);
        replica.done(AddAlias {
            address: address("head@a.org"),
            targets: vec![Target::Account(ann)],
        });
        replica.done(AddDomainAlias {
            alias: domain("a.net"),
            of: domain("a.org"),
        });
        let names = ["ann", "ann.b", "head", "info", "desk"];
        let mut expected: Vec<_> = names.iter().map(|name| address(&format!("{name}@a.org"))).collect();
        expected.extend(names.iter().map(|name| address(&format!("{name}@a.net"))));
        assert_eq!(replica.identities(ann), expected);
        for yes in expected {
            assert!(replica.may_send_as(ann, &yes.to_string()), "{yes}");
            assert!(!replica.may_send_as(bob, &yes.to_string()), "{yes}");
        }
        assert!(replica.may_send_as(ann, "ann+x@a.org"));
        for no in [
            "team@a.org",
            "bob@a.org",
            "nobody@a.org",
            "ann@elsewhere.org",
            "postmaster@a.org",
        ] {
            assert!(!replica.may_send_as(ann, no), "{no}");
        }
    }

    #[test]
    fn a_detail_that_is_somebody_s_address_is_theirs() {
        let mut replica = Replica::with_domain("a.org");
        let ann = replica.active("ann@a.org");
        let other = replica.active("ann+x@a.org");
        assert!(!replica.may_send_as(ann, "ann+x@a.org"));
        assert!(replica.may_send_as(other, "ann+x@a.org"));
    }

    #[test]
    fn a_disabled_account_sends_by_nothing() {
        let mut replica = Replica::with_domain("a.org");
        let account = replica.active("ann@a.org");
        replica.done(DisableAccount { account });
        assert!(replica.identities(account).is_empty());
        assert!(!replica.may_send_as(account, "ann@a.org"));
    }
}
