//! The directory: which domains, addresses, accounts and policies a cluster has, who may log in and send as whom, and of
//! which nodes, shelves, groups and replicas it consists. The state of group 0, the system group; DESIGN D16, M12.
//!
//! [`DirectoryMachine`] is the state machine; [`Directory`] is the handle by which front nodes ask and change;
//! [`DirectoryCommand`] is what can be changed. `docs/directory.md` has the table of keys and the rules.
//!
//! Invariants
//! - Account, group and replica ids come from counters that only grow: no id is given twice, also not after a removal.
//! - What is named exists: an alias, a catch-all or the postmaster rule never points at nothing.
//! - An address leads to one account or is one alias; the row of an address and the record of its account say the same.
//! - One command is one transaction, and one query reads one view: a reader sees the old directory or the new one.
//! - A local read may say yes; no permanent no is said without ReadIndex.
//!
//! Must not know: how a password is checked, how a protocol words a refusal, what a mailbox is.

mod access;
mod command;
mod front;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod key;
pub mod limits;
mod machine;
mod naming;
mod query;
mod record;
mod rejection;
mod rows;

#[cfg(test)]
mod histories;
#[cfg(test)]
pub(crate) mod testing;

pub use access::{AccessFeed, AccessNews};
pub use command::{
    ActivateAccount, AddAccount, AddAddress, AddAlias, AddDomain, AddDomainAlias, DirectoryCommand, DisableAccount,
    EnableAccount, Found, NewNode, NewReplica, NewShelf, Outcome, PolicyChange, RemoveAccount, RemoveAddress,
    RemoveAlias, RemoveDomain, RemoveDomainAlias, SetCatchAll, SetCredentials, SetPolicy, SetQuota,
};
pub use front::{ChangeError, Directory, NewAccount, Read, Unavailable, Unresolved};
pub use machine::DirectoryMachine;
pub use query::{
    AccountSummary, AliasSummary, DomainSummary, GroupInfo, LoginRecord, NodeInfo, Page, Recipient, RemovedSummary,
    ReplicaInfo, ShelfInfo, Topology,
};
pub use record::{
    Account, AccountState, Cluster, Credential, DomainKind, Group, Node, Policy, RemovedAccount, Replica, Shelf, Target,
};
pub use rejection::Rejection;
