//! Typed reading and writing of the directory's rows, over a view as over a transaction.
//!
//! Must not know: what commands and queries mean.

use bytes::Bytes;
use mail_model::{AccountId, Address, Domain};
use minicbor::{Decode, Encode};
use replication::{KeyRange, RowVisitor, ShelfError, StateTxn, StateView};

use super::key;
use super::record::{
    self, Account, AddressOwner, Alias, AuthorityKey, Cluster, DomainKind, DomainRecord, Policy, RemovedAccount, Target,
};

/// Rows that can be read: so that a command and a query answer the same question by the same code.
pub(super) trait Rows {
    fn row(&self, key: &[u8]) -> Result<Option<Bytes>, ShelfError>;
    fn each(&self, range: &KeyRange, visit: &mut RowVisitor<'_>) -> Result<(), ShelfError>;
}

impl Rows for StateView {
    fn row(&self, key: &[u8]) -> Result<Option<Bytes>, ShelfError> {
        self.get(key)
    }

    fn each(&self, range: &KeyRange, visit: &mut RowVisitor<'_>) -> Result<(), ShelfError> {
        self.scan(range, visit)
    }
}

impl Rows for StateTxn<'_> {
    fn row(&self, key: &[u8]) -> Result<Option<Bytes>, ShelfError> {
        self.get(key)
    }

    fn each(&self, range: &KeyRange, visit: &mut RowVisitor<'_>) -> Result<(), ShelfError> {
        self.scan(range, visit)
    }
}

pub(super) fn read<T: for<'b> Decode<'b, ()>>(rows: &dyn Rows, key: &[u8]) -> Result<Option<T>, ShelfError> {
    rows.row(key)?.map(|row| decode(key, &row)).transpose()
}

pub(super) fn decode<T: for<'b> Decode<'b, ()>>(key: &[u8], row: &[u8]) -> Result<T, ShelfError> {
    record::open(row).map_err(|reason| record::damaged(key, reason))
}

pub(super) fn write<T: Encode<()>>(txn: &mut StateTxn<'_>, key: Vec<u8>, value: &T) {
    txn.put(key, record::seal(value));
}

/// The first `limit` rows of `range`, decoded, with their keys.
pub(super) fn list<T: for<'b> Decode<'b, ()>>(
    rows: &dyn Rows,
    range: &KeyRange,
    limit: usize,
) -> Result<Vec<(Vec<u8>, T)>, ShelfError> {
    use std::ops::ControlFlow::{Break, Continue};
    let mut found = Vec::new();
    let mut damage = None;
    if limit == 0 {
        return Ok(found);
    }
    rows.each(range, &mut |key, row| match decode(key, row) {
        Ok(value) => {
            found.push((key.to_vec(), value));
            if found.len() < limit { Continue(()) } else { Break(()) }
        }
        Err(error) => {
            damage = Some(error);
            Break(())
        }
    })?;
    damage.map_or(Ok(found), Err)
}

/// The first key that starts with `prefix`.
pub(super) fn first_key(rows: &dyn Rows, prefix: &[u8]) -> Result<Option<Vec<u8>>, ShelfError> {
    let mut first = None;
    rows.each(&KeyRange::prefix(prefix), &mut |key, _| {
        first = Some(key.to_vec());
        std::ops::ControlFlow::Break(())
    })?;
    Ok(first)
}

pub(super) fn cluster(rows: &dyn Rows) -> Result<Option<Cluster>, ShelfError> {
    read(rows, key::CLUSTER)
}

pub(super) fn policy(rows: &dyn Rows) -> Result<Policy, ShelfError> {
    Ok(read(rows, key::POLICY)?.unwrap_or_default())
}

pub(super) fn authority_key(rows: &dyn Rows) -> Result<Option<String>, ShelfError> {
    Ok(read::<AuthorityKey>(rows, key::AUTHORITY)?.map(|authority| authority.sealed))
}

pub(super) fn account(rows: &dyn Rows, id: AccountId) -> Result<Option<Account>, ShelfError> {
    read(rows, &key::account(id))
}

pub(super) fn removed(rows: &dyn Rows, id: AccountId) -> Result<Option<RemovedAccount>, ShelfError> {
    read(rows, &key::removed(id))
}

pub(super) fn owner(rows: &dyn Rows, address: &Address) -> Result<Option<AccountId>, ShelfError> {
    Ok(read::<AddressOwner>(rows, &key::address(address))?.map(|owner| owner.account))
}

pub(super) fn alias(rows: &dyn Rows, address: &Address) -> Result<Option<Alias>, ShelfError> {
    read(rows, &key::alias(address))
}

pub(super) fn domain(rows: &dyn Rows, name: &Domain) -> Result<Option<DomainRecord>, ShelfError> {
    read(rows, &key::domain(name))
}

/// A domain that holds addresses, reached by its own name or by that of an alias.
pub(super) struct OwnDomain {
    pub(super) name: Domain,
    pub(super) detail: bool,
    pub(super) catch_all: Option<Target>,
}

/// Follows a domain alias, once: an alias of an alias does not exist.
pub(super) fn own_domain(rows: &dyn Rows, name: &Domain) -> Result<Option<OwnDomain>, ShelfError> {
    let own = |name: &Domain, kind| match kind {
        DomainKind::Own { detail, catch_all } => Ok(OwnDomain {
            name: name.clone(),
            detail,
            catch_all,
        }),
        DomainKind::AliasOf(of) => Err(of),
    };
    let Some(record) = domain(rows, name)? else {
        return Ok(None);
    };
    match own(name, record.kind) {
        Ok(own) => Ok(Some(own)),
        Err(of) => Ok(domain(rows, &of)?.and_then(|record| own(&of, record.kind).ok())),
    }
}

/// The same address with the name of the domain that holds it, and that domain; `None` when the domain is not ours.
pub(super) fn canonical(rows: &dyn Rows, address: &Address) -> Result<Option<(Address, OwnDomain)>, ShelfError> {
    let Some(domain) = own_domain(rows, address.domain())? else {
        return Ok(None);
    };
    // The local part came from an address, so it is legal.
    Ok(Address::of(address.local(), domain.name.clone())
        .ok()
        .map(|address| (address, domain)))
}
