//! Who names what: for each alias, catch-all and postmaster rule a row at every target, so that the way back is one scan.
//!
//! Invariant: whatever is named exists. Removing it is refused until nobody names it, and every change of a namer goes
//! through [`rename`].

use std::ops::ControlFlow;

use mail_model::{Address, Domain};
use replication::{KeyRange, ShelfError, StateTxn};

use super::key;
use super::record::Target;
use super::rejection::{Refused, Rejection};
use super::rows::{self, Rows};

/// Rows of [`key::NAMED`] say all in their key; their value is a version.
const VALUE: &[u8] = &[1];

/// Who names a target. The numbers are stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Namer<'a> {
    Alias(&'a Address),
    CatchAll(&'a Domain),
    Postmaster,
}

const ALIAS: u8 = 1;
const CATCH_ALL: u8 = 2;
const POSTMASTER: u8 = 3;

impl Namer<'_> {
    fn row(&self, target: &Target) -> Vec<u8> {
        match self {
            Self::Alias(address) => key::named(target, ALIAS, &address.to_string()),
            Self::CatchAll(domain) => key::named(target, CATCH_ALL, domain.as_str()),
            Self::Postmaster => key::named(target, POSTMASTER, ""),
        }
    }
}

/// `namer` named `before` and names `after` from now on.
pub(super) fn rename(txn: &mut StateTxn<'_>, namer: &Namer<'_>, before: &[Target], after: &[Target]) {
    for target in before {
        txn.delete(namer.row(target));
    }
    for target in after {
        txn.put(namer.row(target), VALUE);
    }
}

/// The target as it is stored: an address gets the name of the domain that holds it.
///
/// # Errors
/// A rejection when there is nothing of that name.
pub(super) fn settle(rows: &dyn Rows, target: &Target) -> Result<Target, Refused> {
    let missing = || Rejection::NoSuchTarget { target: target.clone() };
    match target {
        Target::Account(id) => {
            rows::account(rows, *id)?.ok_or_else(missing)?;
            Ok(target.clone())
        }
        Target::Address(address) => {
            let (address, _) = rows::canonical(rows, address)?.ok_or_else(missing)?;
            if rows::owner(rows, &address)?.is_none() && rows::alias(rows, &address)?.is_none() {
                return Err(missing().into());
            }
            Ok(Target::Address(address))
        }
    }
}

/// Refuses when somebody names `target`.
pub(super) fn ensure_unnamed(rows: &dyn Rows, target: &Target) -> Result<(), Refused> {
    let prefix = key::naming(target);
    let Some(row) = rows::first_key(rows, &prefix)? else {
        return Ok(());
    };
    let by = match row[prefix.len()..].split_first() {
        Some((&CATCH_ALL, domain)) => format!("the catch-all of {}", String::from_utf8_lossy(domain)),
        Some((&POSTMASTER, _)) => "the postmaster policy".to_owned(),
        Some((_, address)) => format!("the alias {}", String::from_utf8_lossy(address)),
        None => return Err(super::record::damaged(&row, "nobody named").into()),
    };
    Err(Rejection::StillNamed {
        what: target.clone(),
        by,
    }
    .into())
}

/// The aliases that name `target`, at most `limit`.
pub(super) fn aliases_of(rows: &dyn Rows, target: &Target, limit: usize) -> Result<Vec<Address>, ShelfError> {
    let prefix = [key::naming(target).as_slice(), &[ALIAS]].concat();
    let mut found = Vec::new();
    rows.each(&KeyRange::prefix(&prefix), &mut |key, _| {
        if found.len() == limit {
            return ControlFlow::Break(());
        }
        let text = std::str::from_utf8(&key[prefix.len()..]).ok();
        found.extend(text.and_then(|text| Address::new(text).ok()));
        ControlFlow::Continue(())
    })?;
    Ok(found)
}
