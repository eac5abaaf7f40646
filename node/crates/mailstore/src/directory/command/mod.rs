//! The commands of the directory, one file each, and their common form.
//!
//! Invariants
//! - A command checks everything before it writes anything: after a rejection the rows are as before.
//! - Numbers of commands and of their fields are never reused; a new command waits for the cluster version (DESIGN D21).
//! - A reply says what happened, never what the caller may read for itself.

mod activate_account;
mod add_account;
mod add_address;
mod add_alias;
mod add_domain;
mod add_domain_alias;
mod disable_account;
mod enable_account;
mod found;
mod remove_account;
mod remove_address;
mod remove_alias;
mod remove_domain;
mod remove_domain_alias;
mod set_catch_all;
mod set_credentials;
mod set_policy;
mod set_quota;

use mail_model::{AccountId, Address, Domain, GroupId};
use minicbor::{Decode, Encode};
use replication::{AppliedAt, StateTxn};

pub use activate_account::ActivateAccount;
pub use add_account::AddAccount;
pub use add_address::AddAddress;
pub use add_alias::AddAlias;
pub use add_domain::AddDomain;
pub use add_domain_alias::AddDomainAlias;
pub use disable_account::DisableAccount;
pub use enable_account::EnableAccount;
pub use found::{Found, NewNode, NewReplica, NewShelf};
pub use remove_account::RemoveAccount;
pub use remove_address::RemoveAddress;
pub use remove_alias::RemoveAlias;
pub use remove_domain::RemoveDomain;
pub use remove_domain_alias::RemoveDomainAlias;
pub use set_catch_all::SetCatchAll;
pub use set_credentials::SetCredentials;
pub use set_policy::{PolicyChange, SetPolicy};
pub use set_quota::SetQuota;

use super::limits::{CREDENTIAL_BYTES_MAX, CREDENTIALS_MAX, SCHEME_BYTES_MAX};
use super::record::{Account, Cluster, Credential, DomainKind};
use super::rejection::{Refused, Rejection};
use super::rows::{self, Rows};

/// A change to the directory, as it stands in the log of the system group.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[allow(missing_docs, reason = "each variant is its command's own type, documented there")]
pub enum DirectoryCommand {
    #[n(0)]
    Found(#[n(0)] Found),
    #[n(1)]
    AddDomain(#[n(0)] AddDomain),
    #[n(2)]
    RemoveDomain(#[n(0)] RemoveDomain),
    #[n(3)]
    AddDomainAlias(#[n(0)] AddDomainAlias),
    #[n(4)]
    RemoveDomainAlias(#[n(0)] RemoveDomainAlias),
    #[n(5)]
    AddAccount(#[n(0)] AddAccount),
    #[n(6)]
    ActivateAccount(#[n(0)] ActivateAccount),
    #[n(7)]
    DisableAccount(#[n(0)] DisableAccount),
    #[n(8)]
    EnableAccount(#[n(0)] EnableAccount),
    #[n(9)]
    RemoveAccount(#[n(0)] RemoveAccount),
    #[n(10)]
    SetCredentials(#[n(0)] SetCredentials),
    #[n(11)]
    SetQuota(#[n(0)] SetQuota),
    #[n(12)]
    AddAddress(#[n(0)] AddAddress),
    #[n(13)]
    RemoveAddress(#[n(0)] RemoveAddress),
    #[n(14)]
    AddAlias(#[n(0)] AddAlias),
    #[n(15)]
    RemoveAlias(#[n(0)] RemoveAlias),
    #[n(16)]
    SetCatchAll(#[n(0)] SetCatchAll),
    #[n(17)]
    SetPolicy(#[n(0)] SetPolicy),
}

/// What a command answers.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Outcome {
    /// It is so now; it may have been so before.
    #[n(0)]
    Done,
    /// An account in state `Creating`: make its mailboxes in its group, then send [`ActivateAccount`].
    #[n(1)]
    AccountAdded {
        /// Its id.
        #[n(0)]
        account: AccountId,
        /// Its group.
        #[n(1)]
        group: GroupId,
        /// It was there, left by an earlier attempt that did not come to its end.
        #[n(2)]
        resumed: bool,
    },
    /// Nothing has changed.
    #[n(2)]
    Rejected(#[n(0)] Rejection),
}

impl DirectoryCommand {
    pub(super) fn apply(&self, txn: &mut StateTxn<'_>, at: &AppliedAt) -> Result<Outcome, Refused> {
        match self {
            Self::Found(command) => command.apply(txn, at),
            Self::AddDomain(command) => command.apply(txn),
            Self::RemoveDomain(command) => command.apply(txn),
            Self::AddDomainAlias(command) => command.apply(txn),
            Self::RemoveDomainAlias(command) => command.apply(txn),
            Self::AddAccount(command) => command.apply(txn, at),
            Self::ActivateAccount(command) => command.apply(txn),
            Self::DisableAccount(command) => command.apply(txn),
            Self::EnableAccount(command) => command.apply(txn),
            Self::RemoveAccount(command) => command.apply(txn, at),
            Self::SetCredentials(command) => command.apply(txn, at),
            Self::SetQuota(command) => command.apply(txn),
            Self::AddAddress(command) => command.apply(txn),
            Self::RemoveAddress(command) => command.apply(txn),
            Self::AddAlias(command) => command.apply(txn),
            Self::RemoveAlias(command) => command.apply(txn),
            Self::SetCatchAll(command) => command.apply(txn),
            Self::SetPolicy(command) => command.apply(txn),
        }
    }
}

macro_rules! into_command {
    ($($name:ident),+) => {
        $(impl From<$name> for DirectoryCommand {
            fn from(command: $name) -> Self {
                Self::$name(command)
            }
        })+
    };
}

into_command!(
    Found,
    AddDomain,
    RemoveDomain,
    AddDomainAlias,
    RemoveDomainAlias,
    AddAccount,
    ActivateAccount,
    DisableAccount,
    EnableAccount,
    RemoveAccount,
    SetCredentials,
    SetQuota,
    AddAddress,
    RemoveAddress,
    AddAlias,
    RemoveAlias,
    SetCatchAll,
    SetPolicy
);

/// The cluster, which every command but the first needs.
fn founded(rows: &dyn Rows) -> Result<Cluster, Refused> {
    rows::cluster(rows)?.ok_or_else(|| Rejection::NotFounded.into())
}

/// An account that exists.
fn existing(rows: &dyn Rows, account: AccountId) -> Result<Account, Refused> {
    match rows::account(rows, account)? {
        Some(found) => Ok(found),
        None if rows::removed(rows, account)?.is_some() => Err(Rejection::AccountRemoved { account }.into()),
        None => Err(Rejection::NoSuchAccount { account }.into()),
    }
}

/// Refuses a domain that holds no addresses.
fn ensure_own_domain(rows: &dyn Rows, domain: &Domain) -> Result<(), Refused> {
    let domain = domain.clone();
    match rows::domain(rows, &domain)?.map(|record| record.kind) {
        Some(DomainKind::Own { .. }) => Ok(()),
        Some(DomainKind::AliasOf(of)) => Err(Rejection::DomainIsAlias { domain, of }.into()),
        None => Err(Rejection::NoSuchDomain { domain }.into()),
    }
}

/// Refuses an address that leads somewhere already.
fn ensure_free(rows: &dyn Rows, address: &Address) -> Result<(), Refused> {
    let by = match rows::owner(rows, address)? {
        Some(account) => format!("account {account}"),
        None if rows::alias(rows, address)?.is_some() => "an alias".to_owned(),
        None => return Ok(()),
    };
    let address = address.clone();
    Err(Rejection::AddressTaken { address, by }.into())
}

fn ensure_credentials(credentials: &[Credential]) -> Result<(), Refused> {
    if credentials.len() > CREDENTIALS_MAX {
        return Err(Rejection::too_many("credentials of an account", CREDENTIALS_MAX).into());
    }
    let fits = |credential: &Credential| {
        (1..=SCHEME_BYTES_MAX).contains(&credential.scheme.len())
            && (1..=CREDENTIAL_BYTES_MAX).contains(&credential.value.len())
    };
    if credentials.iter().all(fits) {
        return Ok(());
    }
    Err(Rejection::BadCredential {
        scheme_max: SCHEME_BYTES_MAX as u64,
        value_max: CREDENTIAL_BYTES_MAX as u64,
    }
    .into())
}
