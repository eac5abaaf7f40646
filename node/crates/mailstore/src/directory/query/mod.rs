//! Questions to the directory, and their answers. Everything is read from one view, so an answer never mixes two states.

mod identities;
mod listing;
mod login;
mod resolve;
mod topology;

use mail_model::{AccountId, Address, Domain};
use minicbor::{Decode, Encode};
use replication::{ShelfError, StateView};

pub use listing::{AccountSummary, AliasSummary, DomainSummary, Page, RemovedSummary};
pub use login::LoginRecord;
pub(super) use login::LoginReply;
pub use resolve::Recipient;
pub(super) use resolve::{Reach, Resolution, reach};
pub use topology::{GroupInfo, NodeInfo, ReplicaInfo, ShelfInfo, Topology};

use super::record::{self, Account, Policy};
use super::rows;

/// A question, as it travels to the replica that answers it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(super) enum Request {
    /// Who gets mail for this address?
    #[n(0)]
    Resolve(#[n(0)] Address),
    /// Who gets mail for `postmaster` without a domain (RFC 5321 4.5.1)?
    #[n(1)]
    ResolvePostmaster,
    /// Who logs in by this name?
    #[n(2)]
    Login(#[n(0)] String),
    /// By which addresses may this account send?
    #[n(3)]
    Identities(#[n(0)] AccountId),
    /// May this account send by this address?
    #[n(4)]
    MaySendAs {
        #[n(0)]
        account: AccountId,
        #[n(1)]
        address: Address,
    },
    #[n(5)]
    Account(#[n(0)] AccountId),
    /// The account that has this address among its own.
    #[n(6)]
    AccountOf(#[n(0)] Address),
    #[n(7)]
    Accounts {
        #[n(0)]
        after: Option<AccountId>,
        #[n(1)]
        limit: u32,
    },
    #[n(8)]
    Domains {
        #[n(0)]
        after: Option<Domain>,
        #[n(1)]
        limit: u32,
    },
    #[n(9)]
    Aliases {
        #[n(0)]
        after: Option<Address>,
        #[n(1)]
        limit: u32,
    },
    #[n(10)]
    Removed {
        #[n(0)]
        after: Option<AccountId>,
        #[n(1)]
        limit: u32,
    },
    #[n(11)]
    Topology,
    #[n(12)]
    Policy,
    /// The key of the cluster's CA, sealed.
    #[n(22)]
    AuthorityKey,
}

/// An answer, one variant per kind of question.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(super) enum Reply {
    #[n(0)]
    Unreadable(#[n(0)] String),
    #[n(1)]
    Resolution(#[n(0)] Resolution),
    #[n(2)]
    Login(#[n(0)] LoginReply),
    #[n(3)]
    Identities(#[n(0)] Vec<Address>),
    #[n(4)]
    MaySendAs(#[n(0)] bool),
    #[n(5)]
    Account(#[n(0)] Option<Account>),
    #[n(6)]
    AccountOf(#[n(0)] Option<AccountId>),
    #[n(7)]
    Accounts(#[n(0)] Page<AccountSummary>),
    #[n(8)]
    Domains(#[n(0)] Page<DomainSummary>),
    #[n(9)]
    Aliases(#[n(0)] Page<AliasSummary>),
    #[n(10)]
    Removed(#[n(0)] Page<RemovedSummary>),
    #[n(11)]
    Topology(#[n(0)] Option<Topology>),
    #[n(12)]
    Policy(#[n(0)] Policy),
    #[n(22)]
    AuthorityKey(#[n(0)] Option<String>),
}

/// Answers an encoded request by an encoded reply.
pub(super) fn answer(view: &StateView, request: &[u8]) -> Result<Vec<u8>, ShelfError> {
    let reply = match record::open::<Request>(request) {
        Ok(request) => reply(view, &request)?,
        Err(reason) => Reply::Unreadable(reason),
    };
    Ok(record::seal(&reply))
}

fn reply(view: &StateView, request: &Request) -> Result<Reply, ShelfError> {
    Ok(match request {
        Request::Resolve(address) => Reply::Resolution(resolve::resolve(view, address)?),
        Request::ResolvePostmaster => Reply::Resolution(resolve::postmaster(view)?),
        Request::Login(name) => Reply::Login(login::login(view, name)?),
        Request::Identities(account) => Reply::Identities(identities::identities(view, *account)?),
        Request::MaySendAs { account, address } => Reply::MaySendAs(identities::may_send_as(view, *account, address)?),
        Request::Account(id) => Reply::Account(rows::account(view, *id)?),
        Request::AccountOf(address) => Reply::AccountOf(login::owner_of(view, address)?),
        Request::Accounts { after, limit } => Reply::Accounts(listing::accounts(view, *after, *limit)?),
        Request::Domains { after, limit } => Reply::Domains(listing::domains(view, after.as_ref(), *limit)?),
        Request::Aliases { after, limit } => Reply::Aliases(listing::aliases(view, after.as_ref(), *limit)?),
        Request::Removed { after, limit } => Reply::Removed(listing::removed(view, *after, *limit)?),
        Request::Topology => Reply::Topology(topology::topology(view)?),
        Request::AuthorityKey => Reply::AuthorityKey(rows::authority_key(view)?),
        Request::Policy => Reply::Policy(rows::policy(view)?),
    })
}
