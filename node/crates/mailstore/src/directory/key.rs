//! The registry of the directory's keys. A first byte is given once and never reused; `docs/directory.md` has the table.
//!
//! Invariants
//! - No key starts with `0xFF`: those belong to replication.
//! - Integers are big-endian, so that order of keys is order of numbers.
//! - An address is `domain 00 local`: neither part can hold a zero byte, so one key is never a prefix of another and
//!   all addresses of a domain stand together.

use mail_model::{AccountId, Address, Domain, GroupId, NodeId, ReplicaId, ShelfId};

use super::record::Target;

pub(super) const CLUSTER: &[u8] = &[0x01];
pub(super) const POLICY: &[u8] = &[0x02];
pub(super) const NODES: &[u8] = &[0x03];
pub(super) const SHELVES: &[u8] = &[0x04];
pub(super) const GROUPS: &[u8] = &[0x05];
pub(super) const REPLICAS: &[u8] = &[0x06];
pub(super) const DOMAINS: &[u8] = &[0x10];
pub(super) const ACCOUNTS: &[u8] = &[0x11];
pub(super) const ADDRESSES: &[u8] = &[0x12];
pub(super) const ALIASES: &[u8] = &[0x13];
/// Who names a target: the way back, so that nothing that is named can go.
pub(super) const NAMED: &[u8] = &[0x14];
pub(super) const REMOVED: &[u8] = &[0x15];
/// The domain aliases of a domain.
pub(super) const DOMAIN_ALIASES: &[u8] = &[0x16];

/// The key of the cluster's CA, sealed.
pub(super) const AUTHORITY: &[u8] = &[0x20];

const SEPARATOR: &[u8] = &[0];
const NAMED_ADDRESS: &[u8] = &[1];
const NAMED_ACCOUNT: &[u8] = &[2];

pub(super) fn node(id: NodeId) -> Vec<u8> {
    [NODES, &id.0].concat()
}

pub(super) fn shelf(id: ShelfId) -> Vec<u8> {
    [SHELVES, &id.0].concat()
}

pub(super) fn group(id: GroupId) -> Vec<u8> {
    [GROUPS, &id.0.to_be_bytes()].concat()
}

pub(super) fn replica(id: ReplicaId) -> Vec<u8> {
    [REPLICAS, &id.0.to_be_bytes()].concat()
}

pub(super) fn domain(name: &Domain) -> Vec<u8> {
    [DOMAINS, name.as_str().as_bytes()].concat()
}

pub(super) fn account(id: AccountId) -> Vec<u8> {
    [ACCOUNTS, &id.0.to_be_bytes()].concat()
}

pub(super) fn removed(id: AccountId) -> Vec<u8> {
    [REMOVED, &id.0.to_be_bytes()].concat()
}

fn of_address(table: &[u8], address: &Address) -> Vec<u8> {
    let domain = address.domain().as_str().as_bytes();
    [table, domain, SEPARATOR, address.local().as_bytes()].concat()
}

pub(super) fn address(address: &Address) -> Vec<u8> {
    of_address(ADDRESSES, address)
}

pub(super) fn alias(address: &Address) -> Vec<u8> {
    of_address(ALIASES, address)
}

/// What the rows of `table` (addresses or aliases) that lie in `domain` start with.
pub(super) fn within(table: &[u8], domain: &Domain) -> Vec<u8> {
    [table, domain.as_str().as_bytes(), SEPARATOR].concat()
}

/// What all rows about those who name `target` start with.
pub(super) fn naming(target: &Target) -> Vec<u8> {
    match target {
        Target::Address(address) => [&of_address(&[NAMED, NAMED_ADDRESS].concat(), address), SEPARATOR].concat(),
        Target::Account(id) => [NAMED, NAMED_ACCOUNT, &id.0.to_be_bytes()].concat(),
    }
}

/// The row that says that `namer`, of the kind `kind`, names `target`.
pub(super) fn named(target: &Target, kind: u8, namer: &str) -> Vec<u8> {
    [naming(target).as_slice(), &[kind], namer.as_bytes()].concat()
}

pub(super) fn domain_alias(of: &Domain, alias: &Domain) -> Vec<u8> {
    [&within(DOMAIN_ALIASES, of), alias.as_str().as_bytes()].concat()
}

/// The number at the end of a key of accounts, groups or replicas; `None` when the key has another shape.
pub(super) fn last_u64(key: &[u8]) -> Option<u64> {
    key.last_chunk::<8>().map(|bytes| u64::from_be_bytes(*bytes))
}

pub(super) fn last_u32(key: &[u8]) -> Option<u32> {
    key.last_chunk::<4>().map(|bytes| u32::from_be_bytes(*bytes))
}

pub(super) fn last_id(key: &[u8]) -> Option<[u8; 16]> {
    key.last_chunk::<16>().copied()
}

/// The domain that stands in a key of [`DOMAINS`].
pub(super) fn domain_of(key: &[u8]) -> Option<Domain> {
    Domain::new(std::str::from_utf8(key.strip_prefix(DOMAINS)?).ok()?).ok()
}

/// The address that stands in a key of `table`.
pub(super) fn address_of(table: &[u8], key: &[u8]) -> Option<Address> {
    let text = std::str::from_utf8(key.strip_prefix(table)?).ok()?;
    let (domain, local) = text.split_once('\0')?;
    Address::of(local, Domain::new(domain).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ann() -> Address {
        Address::new("ann@example.org").unwrap()
    }

    #[test]
    fn keys_of_version_1_never_change() {
        assert_eq!(account(AccountId(0x0102)), [0x11, 0, 0, 0, 0, 0, 0, 1, 2]);
        assert_eq!(removed(AccountId(1)), [0x15, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(group(GroupId(7)), [5, 0, 0, 0, 7]);
        assert_eq!(replica(ReplicaId(7)), [6, 0, 0, 0, 0, 0, 0, 0, 7]);
        assert_eq!(domain(ann().domain()), b"\x10example.org");
        assert_eq!(address(&ann()), b"\x12example.org\0ann");
        assert_eq!(alias(&ann()), b"\x13example.org\0ann");
        let by_address = named(&Target::Address(ann()), 1, "x@y.z");
        assert_eq!(by_address, b"\x14\x01example.org\0ann\0\x01x@y.z");
        let by_account = named(&Target::Account(AccountId(3)), 2, "y.z");
        assert_eq!(by_account, b"\x14\x02\0\0\0\0\0\0\0\x03\x02y.z");
        let alias_of = domain_alias(ann().domain(), &Domain::new("b.c").unwrap());
        assert_eq!(alias_of, b"\x16example.org\0b.c");
    }

    #[test]
    fn what_a_key_says_reads_back() {
        assert_eq!(address_of(ALIASES, &alias(&ann())), Some(ann()));
        assert_eq!(domain_of(&domain(ann().domain())).as_ref(), Some(ann().domain()));
        assert_eq!(last_u64(&account(AccountId(9))), Some(9));
        assert_eq!(last_u32(&group(GroupId(9))), Some(9));
        assert_eq!(last_id(&node(NodeId([3; 16]))), Some([3; 16]));
    }

    #[test]
    fn one_address_is_no_prefix_of_another_where_it_matters() {
        let longer = Address::new("annabel@example.org").unwrap();
        assert!(!naming(&Target::Address(longer.clone())).starts_with(&naming(&Target::Address(ann()))));
        let other_domain = Address::new("ann@example.org.uk").unwrap();
        assert!(!address(&other_domain).starts_with(&within(ADDRESSES, ann().domain())));
    }
}
