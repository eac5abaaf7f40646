//! Pages of accounts, domains, aliases and removed accounts, in the order of their keys.

use mail_model::{AccountId, Address, Domain, GroupId};
use minicbor::{Decode, Encode};
use replication::{KeyRange, ShelfError};

use crate::directory::key;
use crate::directory::limits::{PAGE_BYTES_MAX, PAGE_ROWS_MAX};
use crate::directory::record::{self, Account, AccountState, Alias, DomainKind, DomainRecord, RemovedAccount, Target};
use crate::directory::rows::{self, Rows};

/// Some rows of a listing.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Page<T> {
    /// In ascending order.
    #[n(0)]
    pub rows: Vec<T>,
    /// Whether there are more: ask again, after the last one.
    #[n(1)]
    pub more: bool,
}

/// One line of a list of accounts. Carries no credentials.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct AccountSummary {
    /// Which account.
    #[n(0)]
    pub account: AccountId,
    /// The mail group that holds it.
    #[n(1)]
    pub group: GroupId,
    /// Whether it is in use.
    #[n(2)]
    pub state: AccountState,
    /// Its addresses; the first is the one it is called by.
    #[n(3)]
    pub addresses: Vec<Address>,
    /// Its own quota in bytes, 0 for none; `None` follows the policy.
    #[n(4)]
    pub quota_bytes: Option<u64>,
    /// When it was made, in milliseconds since 1970.
    #[n(5)]
    pub created_ms: u64,
}

/// One line of a list of domains.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct DomainSummary {
    /// Its name.
    #[n(0)]
    pub domain: Domain,
    /// What it is.
    #[n(1)]
    pub kind: DomainKind,
}

/// One line of a list of aliases.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct AliasSummary {
    /// The address that stands for others.
    #[n(0)]
    pub address: Address,
    /// Whom it stands for.
    #[n(1)]
    pub targets: Vec<Target>,
}

/// One line of a list of removed accounts.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct RemovedSummary {
    /// Which account it was.
    #[n(0)]
    pub account: AccountId,
    /// What is left of it.
    #[n(1)]
    pub record: RemovedAccount,
}

pub(super) fn accounts(
    rows: &dyn Rows,
    after: Option<AccountId>,
    limit: u32,
) -> Result<Page<AccountSummary>, ShelfError> {
    page(
        rows,
        key::ACCOUNTS,
        after.map(key::account),
        limit,
        |row, account: Account| {
            Some(AccountSummary {
                account: AccountId(key::last_u64(row)?),
                group: account.group,
                state: account.state,
                addresses: account.addresses,
                quota_bytes: account.quota_bytes,
                created_ms: account.created_ms,
            })
        },
    )
}

pub(super) fn domains(rows: &dyn Rows, after: Option<&Domain>, limit: u32) -> Result<Page<DomainSummary>, ShelfError> {
    page(
        rows,
        key::DOMAINS,
        after.map(key::domain),
        limit,
        |row, record: DomainRecord| {
            let domain = key::domain_of(row)?;
            Some(DomainSummary {
                domain,
                kind: record.kind,
            })
        },
    )
}

pub(super) fn aliases(rows: &dyn Rows, after: Option<&Address>, limit: u32) -> Result<Page<AliasSummary>, ShelfError> {
    page(rows, key::ALIASES, after.map(key::alias), limit, |row, alias: Alias| {
        let address = key::address_of(key::ALIASES, row)?;
        Some(AliasSummary {
            address,
            targets: alias.targets,
        })
    })
}

pub(super) fn removed(
    rows: &dyn Rows,
    after: Option<AccountId>,
    limit: u32,
) -> Result<Page<RemovedSummary>, ShelfError> {
    page(
        rows,
        key::REMOVED,
        after.map(key::removed),
        limit,
        |row, record: RemovedAccount| {
            let account = AccountId(key::last_u64(row)?);
            Some(RemovedSummary { account, record })
        },
    )
}

/// The rows of `table` that follow the key `after`; at least one, if there is one and one is asked for.
fn page<T, S>(
    rows: &dyn Rows,
    table: &[u8],
    after: Option<Vec<u8>>,
    limit: u32,
    summary: impl Fn(&[u8], T) -> Option<S>,
) -> Result<Page<S>, ShelfError>
where
    T: for<'b> Decode<'b, ()>,
{
    use std::ops::ControlFlow::{Break, Continue};
    let limit = usize::try_from(limit).unwrap_or(PAGE_ROWS_MAX).clamp(1, PAGE_ROWS_MAX);
    let mut range = KeyRange::prefix(table);
    if let Some(mut after) = after {
        after.push(0);
        range.from = after;
    }
    let (mut found, mut bytes, mut more) = (Vec::new(), 0, false);
    let mut damage = None;
    rows.each(&range, &mut |row, value| {
        if found.len() == limit || bytes >= PAGE_BYTES_MAX {
            more = true;
            return Break(());
        }
        bytes += row.len() + value.len();
        let read = rows::decode(row, value)
            .and_then(|record| summary(row, record).ok_or_else(|| record::damaged(row, "key of another shape")));
        match read {
            Ok(line) => {
                found.push(line);
                Continue(())
            }
            Err(error) => {
                damage = Some(error);
                Break(())
            }
        }
    })?;
    match damage {
        Some(error) => Err(error),
        None => Ok(Page { rows: found, more }),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Reply, Request};
    use crate::directory::command::RemoveAccount;
    use crate::directory::testing::{Replica, names};

    #[test]
    fn pages_follow_each_other_without_gap_or_overlap() {
        let mut replica = Replica::with_domain("a.org");
        let ids: Vec<_> = (0..7).map(|n| replica.add(&format!("u{n}@a.org"))).collect();
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let Reply::Accounts(page) = replica.ask(&Request::Accounts { after, limit: 3 }) else {
                panic!("other")
            };
            seen.extend(page.rows.iter().map(|row| row.account));
            after = seen.last().copied();
            if !page.more {
                break;
            }
        }
        assert_eq!(seen, ids);
    }

    #[test]
    fn a_page_of_aliases_ends_by_bytes_too() {
        let mut replica = Replica::with_domain("a.org");
        let many: Vec<_> = (0..900).map(|n| format!("u{n:0>60}@a.org")).collect();
        for name in &many {
            replica.add(name);
        }
        let many: Vec<_> = many.iter().map(String::as_str).collect();
        for n in 0..5 {
            replica.alias(&format!("all{n}@a.org"), &many);
        }
        let after = None;
        let Reply::Aliases(page) = replica.ask(&Request::Aliases { after, limit: 100 }) else {
            panic!("other")
        };
        assert!(
            page.more && (1..5).contains(&page.rows.len()),
            "{} rows",
            page.rows.len()
        );
        assert_eq!(page.rows[0].targets, names(&many));
    }

    #[test]
    fn removed_accounts_are_listed_apart() {
        let mut replica = Replica::with_domain("a.org");
        let account = replica.add("ann@a.org");
        let group = replica.account(account).group;
        replica.done(RemoveAccount { account });
        let (after, limit) = (None, 0);
        let Reply::Removed(page) = replica.ask(&Request::Removed { after, limit }) else {
            panic!("other")
        };
        assert_eq!((page.rows[0].account, page.rows[0].record.group), (account, group));
        let Reply::Accounts(page) = replica.ask(&Request::Accounts { after, limit }) else {
            panic!("other")
        };
        assert!(page.rows.is_empty() && !page.more);
    }
}
