//! From an address to the accounts that get its mail.
//!
//! The order: the address itself, the address without its `+detail`, the postmaster rule, the catch-all. What is found
//! first is expanded through aliases.
//!
//! Invariants
//! - Expansion ends: every target is visited once, and depth, rows and recipients have bounds.
//! - An account gets a message once, however many ways lead to it.
//! - No recipient is dropped silently: an account that is being made, or a bound that is reached, defers the whole.
//!   Disabled accounts alone step aside, and only while somebody else is left.

use std::collections::BTreeSet;

use mail_model::{AccountId, Address, GroupId};
use minicbor::{Decode, Encode};
use replication::{KeyRange, ShelfError};

use crate::directory::key;
use crate::directory::limits::{EXPANSION_DEPTH_MAX, EXPANSION_RECIPIENTS_MAX, EXPANSION_ROWS_MAX};
use crate::directory::record::{Account, AccountState, Target};
use crate::directory::rows::{self, Rows};

/// The local part that every domain answers to (RFC 5321 4.5.1).
const POSTMASTER: &str = "postmaster";

/// One account that gets the mail.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Recipient {
    /// Which account.
    #[n(0)]
    pub account: AccountId,
    /// The mail group that holds it.
    #[n(1)]
    pub group: GroupId,
    /// The address of the directory that matched: without detail, in the domain that holds it. Where only the postmaster
    /// rule or a catch-all matched, the address as asked for. For bare `postmaster` the first address of the account.
    #[n(2)]
    pub address: Address,
    /// What followed the `+` in the address as asked for.
    #[n(3)]
    pub detail: Option<String>,
    /// What the account may hold, in bytes, its own quota or that of the policy; `None` is no limit.
    #[n(4)]
    pub quota_bytes: Option<u64>,
}

/// What became of an address.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(in crate::directory) enum Resolution {
    /// These accounts get the mail; one at least.
    #[n(0)]
    Found(#[n(0)] Vec<Recipient>),
    /// The domain is one of the cluster's, the local part leads nowhere.
    #[n(1)]
    NoSuchUser,
    /// The domain is none of the cluster's.
    #[n(2)]
    NoSuchDomain,
    /// It leads to disabled accounts only.
    #[n(3)]
    Disabled,
    /// It leads to an account that is being made.
    #[n(4)]
    NotReady,
    /// It leads too far: an administrator has to shorten its aliases.
    #[n(5)]
    TooMany,
    /// It leads to the postmaster, and no account is active yet.
    #[n(6)]
    NoPostmaster,
}

/// Where an address leads at its first step.
struct Match {
    target: Target,
    address: Address,
    detail: Option<String>,
}

pub(super) fn resolve(rows: &dyn Rows, asked: &Address) -> Result<Resolution, ShelfError> {
    let Some((address, domain)) = rows::canonical(rows, asked)? else {
        return Ok(Resolution::NoSuchDomain);
    };
    let split = if domain.detail { address.split_detail() } else { None };
    if exists(rows, &address)? {
        let target = Target::Address(address.clone());
        let detail = None;
        return expand(
            rows,
            Match {
                target,
                address,
                detail,
            },
        );
    }
    if let Some((base, detail)) = &split
        && exists(rows, base)?
    {
        let target = Target::Address(base.clone());
        let detail = Some((*detail).to_owned());
        return expand(
            rows,
            Match {
                target,
                address: base.clone(),
                detail,
            },
        );
    }
    let detail = split.as_ref().map(|(_, detail)| (*detail).to_owned());
    if split.as_ref().map_or(address.local(), |(base, _)| base.local()) == POSTMASTER {
        return postmaster_as(rows, Some(&address), detail);
    }
    match domain.catch_all {
        Some(target) => expand(
            rows,
            Match {
                target,
                address,
                detail,
            },
        ),
        None => Ok(Resolution::NoSuchUser),
    }
}

/// `postmaster` without a domain.
pub(super) fn postmaster(rows: &dyn Rows) -> Result<Resolution, ShelfError> {
    postmaster_as(rows, None, None)
}

/// Whom policy names, as far as mail reaches somebody there; else the first account that is active.
fn postmaster_as(rows: &dyn Rows, address: Option<&Address>, detail: Option<String>) -> Result<Resolution, ShelfError> {
    let mut targets = Vec::new();
    targets.extend(rows::policy(rows)?.postmaster);
    targets.extend(first_active(rows)?.map(Target::Account));
    for target in targets {
        let Some(address) = address
            .cloned()
            .map_or_else(|| address_of(rows, &target), |address| Ok(Some(address)))?
        else {
            continue;
        };
        let detail = detail.clone();
        let resolution = expand(
            rows,
            Match {
                target,
                address,
                detail,
            },
        )?;
        if matches!(resolution, Resolution::Found(_) | Resolution::TooMany) {
            return Ok(resolution);
        }
    }
    Ok(Resolution::NoPostmaster)
}

fn address_of(rows: &dyn Rows, target: &Target) -> Result<Option<Address>, ShelfError> {
    match target {
        Target::Address(address) => Ok(Some(address.clone())),
        Target::Account(id) => Ok(rows::account(rows, *id)?.and_then(|account| account.primary().cloned())),
    }
}

/// The active account with the lowest id. Tombstones lie elsewhere, so few rows are read.
fn first_active(rows: &dyn Rows) -> Result<Option<AccountId>, ShelfError> {
    use std::ops::ControlFlow::{Break, Continue};
    let mut found = Ok(None);
    rows.each(
        &KeyRange::prefix(key::ACCOUNTS),
        &mut |row, value| match rows::decode::<Account>(row, value) {
            Ok(account) if account.state == AccountState::Active => {
                found = Ok(key::last_u64(row).map(AccountId));
                Break(())
            }
            Ok(_) => Continue(()),
            Err(error) => {
                found = Err(error);
                Break(())
            }
        },
    )?;
    found
}

fn exists(rows: &dyn Rows, address: &Address) -> Result<bool, ShelfError> {
    Ok(rows::owner(rows, address)?.is_some() || rows::alias(rows, address)?.is_some())
}

fn expand(rows: &dyn Rows, from: Match) -> Result<Resolution, ShelfError> {
    let default_quota = rows::policy(rows)?.default_quota_bytes;
    let mut recipients = Vec::new();
    let (mut not_ready, mut disabled) = (false, false);
    let mut walk = Walk::from(from.target);
    while let Some(id) = walk.next_account(rows)? {
        let Some(account) = rows::account(rows, id)? else {
            continue;
        };
        match account.state {
            AccountState::Active if recipients.len() == EXPANSION_RECIPIENTS_MAX => return Ok(Resolution::TooMany),
            AccountState::Active => recipients.push(Recipient {
                account: id,
                group: account.group,
                address: from.address.clone(),
                detail: from.detail.clone(),
                quota_bytes: account.effective_quota(default_quota),
            }),
            AccountState::Creating => not_ready = true,
            AccountState::Disabled => disabled = true,
        }
    }
    Ok(match (walk.too_far, not_ready, recipients.is_empty(), disabled) {
        (Some(_), ..) => Resolution::TooMany,
        (None, true, ..) => Resolution::NotReady,
        (None, false, false, _) => Resolution::Found(recipients),
        (None, false, true, true) => Resolution::Disabled,
        (None, false, true, false) => Resolution::NoSuchUser,
    })
}

/// A walk along aliases, in the order in which they name their targets.
struct Walk {
    /// What is still to be visited, the next one last, with the number of aliases before it.
    ahead: Vec<(Target, usize)>,
    /// Targets seen: makes a circle, should there ever be one, end.
    seen: BTreeSet<Target>,
    accounts: BTreeSet<AccountId>,
    rows_read: usize,
    /// The bound that was reached, if one was.
    too_far: Option<(&'static str, usize)>,
}

impl Walk {
    fn from(target: Target) -> Self {
        Self {
            seen: BTreeSet::from([target.clone()]),
            ahead: vec![(target, 0)],
            accounts: BTreeSet::new(),
            rows_read: 0,
            too_far: None,
        }
    }

    /// The next account, each once; `None` at the end, or once a bound is reached.
    fn next_account(&mut self, rows: &dyn Rows) -> Result<Option<AccountId>, ShelfError> {
        while let Some((target, depth)) = self.ahead.pop() {
            self.rows_read += 1;
            if self.rows_read > EXPANSION_ROWS_MAX {
                self.too_far = Some(("targets behind an alias", EXPANSION_ROWS_MAX));
                return Ok(None);
            }
            let account = match target {
                Target::Account(id) => Some(id),
                Target::Address(address) => match rows::owner(rows, &address)? {
                    Some(id) => Some(id),
                    None => {
                        self.follow(rows, &address, depth)?;
                        None
                    }
                },
            };
            if self.too_far.is_some() {
                return Ok(None);
            }
            if let Some(id) = account.filter(|id| self.accounts.insert(*id)) {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }

    fn follow(&mut self, rows: &dyn Rows, address: &Address, depth: usize) -> Result<(), ShelfError> {
        let Some(alias) = rows::alias(rows, address)? else {
            return Ok(());
        };
        if depth == EXPANSION_DEPTH_MAX {
            self.too_far = Some(("aliases behind each other", EXPANSION_DEPTH_MAX));
            return Ok(());
        }
        for target in alias.targets.into_iter().rev() {
            if self.seen.insert(target.clone()) {
                self.ahead.push((target, depth + 1));
            }
        }
        Ok(())
    }
}

/// What an alias would get into by naming a target.
pub(in crate::directory) enum Reach {
    /// The target never comes back to it.
    Apart,
    /// It does.
    LeadsThere,
    /// That would be more than a bound allows.
    TooFar {
        /// What is bounded.
        what: &'static str,
        /// By how much.
        limit: usize,
    },
}

/// Whether `from`, named by the alias `address`, leads back to it.
pub(in crate::directory) fn reach(rows: &dyn Rows, from: &Target, address: &Address) -> Result<Reach, ShelfError> {
    let mut walk = Walk::from(from.clone());
    for (_, depth) in &mut walk.ahead {
        *depth = 1;
    }
    while walk.next_account(rows)?.is_some() {}
    if walk.seen.contains(&Target::Address(address.clone())) {
        return Ok(Reach::LeadsThere);
    }
    Ok(match walk.too_far {
        Some((what, limit)) => Reach::TooFar { what, limit },
        None if walk.accounts.len() > EXPANSION_RECIPIENTS_MAX => Reach::TooFar {
            what: "accounts behind an alias",
            limit: EXPANSION_RECIPIENTS_MAX,
        },
        None => Reach::Apart,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::testing::{Replica, address};

    #[test]
    fn the_address_itself_comes_before_its_base() {
        let mut replica = Replica::with_domain("a.org");
        let ann = replica.active("ann@a.org");
        let odd = replica.active("ann+odd@a.org");
        assert_eq!(replica.accounts_of("ann+odd@a.org"), [odd]);
        assert_eq!(replica.recipients("ann+odd@a.org")[0].detail, None);
        let recipient = &replica.recipients("ANN+even@A.org")[0];
        assert_eq!((recipient.account, recipient.detail.as_deref()), (ann, Some("even")));
        assert_eq!(recipient.address, address("ann@a.org"));
    }

    #[test]
    fn a_detail_stays_with_the_message_through_an_alias() {
        let mut replica = Replica::with_domain("a.org");
        replica.active("ann@a.org");
        replica.alias("team@a.org", &["ann@a.org"]);
        let recipient = &replica.recipients("team+news@a.org")[0];
        assert_eq!(recipient.detail.as_deref(), Some("news"));
        assert_eq!(recipient.address, address("team@a.org"));
    }

    #[test]
    fn an_account_that_is_being_made_defers_the_whole_alias() {
        let mut replica = Replica::with_domain("a.org");
        replica.active("ann@a.org");
        replica.add("bob@a.org");
        replica.alias("both@a.org", &["ann@a.org", "bob@a.org"]);
        assert_eq!(replica.resolve("both@a.org"), Resolution::NotReady);
    }

    #[test]
    fn bare_postmaster_is_answered_with_the_account_s_own_address() {
        let mut replica = Replica::with_domain("a.org");
        assert_eq!(replica.resolve_postmaster(), Resolution::NoPostmaster);
        replica.add("early@a.org");
        assert_eq!(replica.resolve_postmaster(), Resolution::NoPostmaster);
        let ann = replica.active("ann@a.org");
        let Resolution::Found(found) = replica.resolve_postmaster() else {
            panic!("nobody")
        };
        assert_eq!((found[0].account, &found[0].address), (ann, &address("ann@a.org")));
    }

    #[test]
    fn more_recipients_than_the_bound_defer_the_mail() {
        let mut replica = Replica::with_domain("a.org");
        let half = EXPANSION_RECIPIENTS_MAX / 2 + 1;
        let mut names = Vec::new();
        for n in 0..2 * half {
            names.push(format!("u{n}@a.org"));
            replica.active(&names[n]);
        }
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        replica.alias("left@a.org", &names[..half]);
        replica.alias("right@a.org", &names[half..]);
        replica.alias("all@a.org", &["left@a.org"]);
        assert_eq!(replica.accounts_of("all@a.org").len(), half);
        replica.alias("all@a.org", &["right@a.org"]);
        assert_eq!(replica.resolve("all@a.org"), Resolution::TooMany);
    }
}
