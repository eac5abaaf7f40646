//! The handle by which a front node asks the directory and changes it, wherever its replicas are.
//!
//! Invariants
//! - A local read may say yes. A no is permanent only when a read at a token of ReadIndex repeats it; when ReadIndex
//!   cannot be had, the answer is temporary (DESIGN D16).
//! - Every call ends within the bounds of [`super::limits`].

use std::sync::Arc;

use bytes::Bytes;
use mail_model::{AccountId, Address, Domain, GroupId};
use replication::{Command, GroupClient, ProposeError, Token};

use super::command::{AddAccount, DirectoryCommand, Outcome};
use super::limits::{CHANGE_WITHIN, LOCAL_READ_WITHIN, PAGE_ROWS_MAX, READ_INDEX_WITHIN};
use super::query::{
    AccountSummary, AliasSummary, DomainSummary, LoginRecord, LoginReply, Page, Recipient, RemovedSummary, Reply,
    Request, Resolution, Topology,
};
use super::record::{self, Account, Policy};
use super::rejection::Rejection;

/// The directory cannot be read as the question needs it. Always temporary.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the directory cannot answer now: {reason}")]
pub struct Unavailable {
    /// What stood in the way, for the log.
    pub reason: String,
}

impl Unavailable {
    fn new(reason: impl std::fmt::Display) -> Self {
        let reason = reason.to_string();
        Self { reason }
    }
}

/// Why an address reaches nobody.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unresolved {
    /// Permanent (5.1.1).
    #[error("there is no such user")]
    NoSuchUser,
    /// Permanent (5.1.2, or a case for relaying).
    #[error("the domain is not one of this cluster")]
    NoSuchDomain,
    /// Permanent (5.2.1): an administrator decided so, and a sender should know now rather than in five days.
    #[error("the account is disabled")]
    Disabled,
    /// Temporary (4.2.1): the account is being made.
    #[error("the account is not ready yet")]
    NotReady,
    /// Temporary (4.3.5): an administrator has to shorten the aliases; no mail should be lost until then.
    #[error("the address leads to too many others")]
    TooMany,
    /// Temporary (4.3.5): no account is there yet that could be the postmaster's.
    #[error("no account takes mail for postmaster yet")]
    NoPostmaster,
    /// Temporary (4.3.0): the directory cannot say no for certain.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl Unresolved {
    /// Whether asking again later is pointless. Only said of what ReadIndex confirmed.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        matches!(self, Self::NoSuchUser | Self::NoSuchDomain | Self::Disabled)
    }
}

/// Why a change did not happen, or may not have happened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// The directory refuses it; nothing changed.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// It had no effect, or ([`ProposeError::Uncertain`]) nobody can say now whether it will.
    #[error(transparent)]
    Proposal(#[from] ProposeError),
    /// It took effect, but the reply is of a newer program.
    #[error("the directory took the change and gave an answer that this program cannot read: {0}")]
    Unreadable(String),
}

/// An account that [`Directory::add_account`] has given its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewAccount {
    /// Its id.
    pub account: AccountId,
    /// The mail group in which its mailboxes are to be made.
    pub group: GroupId,
    /// An earlier attempt had come as far as this.
    pub resumed: bool,
}

/// How new an answer has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// What the nearest replica knows: always at hand, may be a little old.
    Local,
    /// Everything that was acknowledged before: needs a majority of the system group.
    Fresh,
}

/// The directory, for whoever has a client. Cheap to clone.
#[derive(Clone)]
pub struct Directory {
    client: Arc<dyn GroupClient>,
}

impl Directory {
    /// A handle over `client`.
    #[must_use]
    pub fn new(client: Arc<dyn GroupClient>) -> Self {
        Self { client }
    }

    pub(super) fn client(&self) -> &Arc<dyn GroupClient> {
        &self.client
    }

    /// Proposes a change and waits until it is committed and applied.
    ///
    /// # Errors
    /// When it was refused, or could not be committed in time.
    pub async fn change(&self, command: impl Into<DirectoryCommand>) -> Result<Outcome, ChangeError> {
        let payload = Bytes::from(record::seal(&command.into()));
        let command = Command { payload, blob: None };
        let applied = self.client.propose(GroupId::SYSTEM, command, CHANGE_WITHIN).await?;
        match record::open(&applied.reply) {
            Ok(Outcome::Rejected(rejection)) => Err(rejection.into()),
            Ok(outcome) => Ok(outcome),
            Err(reason) => Err(ChangeError::Unreadable(reason)),
        }
    }

    /// Gives an account its id and its group, or finds those that an interrupted attempt gave it.
    ///
    /// # Errors
    /// When it was refused, or could not be committed in time.
    pub async fn add_account(&self, command: AddAccount) -> Result<NewAccount, ChangeError> {
        match self.change(command).await? {
            Outcome::AccountAdded {
                account,
                group,
                resumed,
            } => Ok(NewAccount {
                account,
                group,
                resumed,
            }),
            other => Err(ChangeError::Unreadable(format!("{other:?} to a new account"))),
        }
    }

    /// Who gets mail for `address`; never empty.
    ///
    /// # Errors
    /// When it is nobody, permanently or for now.
    pub async fn resolve(&self, address: &Address) -> Result<Vec<Recipient>, Unresolved> {
        self.recipients(&Request::Resolve(address.clone())).await
    }

    /// Who gets mail for `postmaster` without a domain (RFC 5321 4.5.1); never empty.
    ///
    /// # Errors
    /// When it is nobody for now.
    pub async fn resolve_postmaster(&self) -> Result<Vec<Recipient>, Unresolved> {
        self.recipients(&Request::ResolvePostmaster).await
    }

    async fn recipients(&self, request: &Request) -> Result<Vec<Recipient>, Unresolved> {
        let is_yes = |reply: &Reply| matches!(reply, Reply::Resolution(Resolution::Found(_)));
        match self.settle(request, is_yes).await? {
            Reply::Resolution(resolution) => match resolution {
                Resolution::Found(recipients) => Ok(recipients),
                Resolution::NoSuchUser => Err(Unresolved::NoSuchUser),
                Resolution::NoSuchDomain => Err(Unresolved::NoSuchDomain),
                Resolution::Disabled => Err(Unresolved::Disabled),
                Resolution::NotReady => Err(Unresolved::NotReady),
                Resolution::TooMany => Err(Unresolved::TooMany),
                Resolution::NoPostmaster => Err(Unresolved::NoPostmaster),
            },
            other => Err(unexpected(&other).into()),
        }
    }

    /// The account that logs in by `name`: a full address, or a bare name in the default domain.
    ///
    /// With [`Read::Local`] only a password that is right proves anything; what is wrong is to be read again, fresh.
    ///
    /// # Errors
    /// When the directory cannot answer.
    pub async fn login_record(&self, name: &str, read: Read) -> Result<Option<LoginRecord>, Unavailable> {
        match self.ask(&Request::Login(name.to_owned()), read).await? {
            Reply::Login(LoginReply::Known(record)) => Ok(Some(record)),
            Reply::Login(LoginReply::Unknown) => Ok(None),
            other => Err(unexpected(&other)),
        }
    }

    /// Whether `account` may send as `address`. A no is confirmed by ReadIndex.
    ///
    /// # Errors
    /// When the directory cannot say no for certain.
    pub async fn may_send_as(&self, account: AccountId, address: &Address) -> Result<bool, Unavailable> {
        let address = address.clone();
        let request = Request::MaySendAs { account, address };
        match self.settle(&request, |reply| *reply == Reply::MaySendAs(true)).await? {
            Reply::MaySendAs(may) => Ok(may),
            other => Err(unexpected(&other)),
        }
    }

    /// The addresses by which `account` may send, without details; the one that it is called by first.
    ///
    /// # Errors
    /// When the directory cannot answer.
    pub async fn identities(&self, account: AccountId, read: Read) -> Result<Vec<Address>, Unavailable> {
        match self.ask(&Request::Identities(account), read).await? {
            Reply::Identities(addresses) => Ok(addresses),
            other => Err(unexpected(&other)),
        }
    }

    /// An account by its id; `None` also for a removed one.
    ///
    /// # Errors
    /// When the directory cannot answer.
    pub async fn account(&self, id: AccountId, read: Read) -> Result<Option<Account>, Unavailable> {
        match self.ask(&Request::Account(id), read).await? {
            Reply::Account(account) => Ok(account),
            other => Err(unexpected(&other)),
        }
    }

    /// The account that has `address` among its own.
    ///
    /// # Errors
    /// When the directory cannot answer.
    pub async fn account_of(&self, address: &Address, read: Read) -> Result<Option<AccountId>, Unavailable> {
        match self.ask(&Request::AccountOf(address.clone()), read).await? {
            Reply::AccountOf(account) => Ok(account),
            other => Err(unexpected(&other)),
        }
    }

    /// A page of accounts by id, after `after`.
    ///
    /// # Errors
    /// When the directory cannot answer.
    pub async fn accounts(&self, after: Option<AccountId>, read: Read) -> Result<Page<AccountSummary>, Unavailable> {
        let limit = page_rows();
        match self.ask(&Request::Accounts { after, limit }, read).await? {
            Reply::Accounts(page) => Ok(page),
            other => Err(unexpected(&other)),
        }
    }

    /// A page of domains and domain aliases by name, after `after`.
    ///
    /// # Errors
    /// When the directory cannot answer.
    pub async fn domains(&self, after: Option<Domain>, read: Read) -> Result<Page<DomainSummary>, Unavailable> {
        let limit = page_rows();
        match self.ask(&Request::Domains { after, limit }, read).await? {
            Reply::Domains(page) => Ok(page),
            other => Err(unexpected(&other)),
        }
    }

    /// A page of aliases by domain and local part, after `after`.
    ///
    /// # Errors
    /// When the directory cannot answer.
    pub async fn aliases(&self, after: Option<Address>, read: Read) -> Result<Page<AliasSummary>, Unavailable> {
        let limit = page_rows();
        match self.ask(&Request::Aliases { after, limit }, read).await? {
            Reply::Aliases(page) => Ok(page),
            other => Err(unexpected(&other)),
        }
    }

    /// A page of removed accounts by id, after `after`.
    ///
    /// # Errors
    /// When the directory cannot answer.
    pub async fn removed(&self, after: Option<AccountId>, read: Read) -> Result<Page<RemovedSummary>, Unavailable> {
        let limit = page_rows();
        match self.ask(&Request::Removed { after, limit }, read).await? {
            Reply::Removed(page) => Ok(page),
            other => Err(unexpected(&other)),
        }
    }

    /// Nodes, shelves, groups and replicas; `None` before the cluster is founded.
    ///
    /// # Errors
    /// When the directory cannot answer.
    pub async fn topology(&self, read: Read) -> Result<Option<Topology>, Unavailable> {
        match self.ask(&Request::Topology, read).await? {
            Reply::Topology(topology) => Ok(topology),
            other => Err(unexpected(&other)),
        }
    }

    /// The key of the cluster's CA, sealed under the recovery key; `None` before the cluster is founded.
    ///
    /// # Errors
    /// When the directory cannot answer.
    pub async fn sealed_authority_key(&self, read: Read) -> Result<Option<String>, Unavailable> {
        match self.ask(&Request::AuthorityKey, read).await? {
            Reply::AuthorityKey(sealed) => Ok(sealed),
            other => Err(unexpected(&other)),
        }
    }

    /// Values that hold for the whole cluster.
    ///
    /// # Errors
    /// When the directory cannot answer.
    pub async fn policy(&self, read: Read) -> Result<Policy, Unavailable> {
        match self.ask(&Request::Policy, read).await? {
            Reply::Policy(policy) => Ok(policy),
            other => Err(unexpected(&other)),
        }
    }

    /// A local yes, or else whatever a fresh read says.
    async fn settle(&self, request: &Request, is_yes: impl Fn(&Reply) -> bool) -> Result<Reply, Unavailable> {
        if let Ok(reply) = self.ask(request, Read::Local).await
            && is_yes(&reply)
        {
            return Ok(reply);
        }
        self.ask(request, Read::Fresh).await
    }

    async fn ask(&self, request: &Request, read: Read) -> Result<Reply, Unavailable> {
        let token = match read {
            Read::Local => Token(0),
            Read::Fresh => {
                let index = self.client.read_index(GroupId::SYSTEM, READ_INDEX_WITHIN);
                index.await.map_err(Unavailable::new)?
            }
        };
        let request = Bytes::from(record::seal(request));
        let answer = self.client.query(GroupId::SYSTEM, token, request, LOCAL_READ_WITHIN);
        let answer = answer.await.map_err(Unavailable::new)?;
        record::open(&answer.reply).map_err(Unavailable::new)
    }
}

fn page_rows() -> u32 {
    u32::try_from(PAGE_ROWS_MAX).unwrap_or(u32::MAX)
}

/// A replica of another program version answered something else. It may be gone after the upgrade, so: temporary.
fn unexpected(reply: &Reply) -> Unavailable {
    match reply {
        Reply::Unreadable(reason) => Unavailable::new(format_args!("the replica cannot read the question: {reason}")),
        _ => Unavailable::new("the replica answered another question"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::command::{ActivateAccount, AddAlias, DisableAccount, RemoveAccount};
    use super::super::record::Target;
    use super::super::testing::{FakeClient, Replica, address};
    use super::*;

    fn with_ann() -> (Arc<FakeClient>, Directory, AccountId) {
        let mut replica = Replica::with_domain("a.org");
        let ann = replica.active("ann@a.org");
        let client = Arc::new(FakeClient::new(replica));
        let directory = Directory::new(client.clone());
        (client, directory, ann)
    }

    #[tokio::test]
    async fn a_local_yes_is_served_while_the_leader_is_unreachable() {
        let (client, directory, ann) = with_ann();
        client.lose_leader();
        let found = directory.resolve(&address("ann@a.org")).await.unwrap();
        assert_eq!(found[0].account, ann);
        assert!(directory.may_send_as(ann, &address("ann@a.org")).await.unwrap());
        let record = directory.login_record("ann", Read::Local).await.unwrap().unwrap();
        assert_eq!(record.account, ann);
        assert_eq!(directory.resolve_postmaster().await.unwrap()[0].account, ann);
    }

    #[tokio::test]
    async fn a_no_becomes_temporary_while_the_leader_is_unreachable() {
        let (client, directory, ann) = with_ann();
        client.lose_leader();
        for name in ["bob@a.org", "ann@elsewhere.org"] {
            let error = directory.resolve(&address(name)).await.unwrap_err();
            assert!(
                matches!(error, Unresolved::Unavailable(_)) && !error.is_permanent(),
                "{name}"
            );
        }
        assert!(directory.may_send_as(ann, &address("bob@a.org")).await.is_err());
        assert!(directory.login_record("bob", Read::Fresh).await.is_err());
        client.find_leader();
        let error = directory.resolve(&address("bob@a.org")).await.unwrap_err();
        assert_eq!(error, Unresolved::NoSuchUser);
        let error = directory.resolve(&address("ann@elsewhere.org")).await.unwrap_err();
        assert_eq!(error, Unresolved::NoSuchDomain);
        assert!(error.is_permanent());
        assert!(!directory.may_send_as(ann, &address("bob@a.org")).await.unwrap());
    }

    #[tokio::test]
    async fn what_the_local_replica_does_not_know_yet_is_found_by_read_index() {
        let (client, directory, ann) = with_ann();
        client.freeze_local_replica();
        let command = AddAlias {
            address: address("info@a.org"),
            targets: vec![Target::Account(ann)],
        };
        assert_eq!(directory.change(command).await, Ok(Outcome::Done));
        let found = directory.resolve(&address("info@a.org")).await.unwrap();
        assert_eq!(found[0].account, ann);
        client.lose_leader();
        assert!(
            !directory
                .resolve(&address("info@a.org"))
                .await
                .unwrap_err()
                .is_permanent()
        );
    }

    #[tokio::test]
    async fn a_disabled_account_is_a_permanent_no_once_confirmed() {
        let (client, directory, account) = with_ann();
        directory.change(DisableAccount { account }).await.unwrap();
        let error = directory.resolve(&address("ann@a.org")).await.unwrap_err();
        assert_eq!(error, Unresolved::Disabled);
        assert!(error.is_permanent());
        client.lose_leader();
        assert!(
            !directory
                .resolve(&address("ann@a.org"))
                .await
                .unwrap_err()
                .is_permanent()
        );
    }

    #[tokio::test]
    async fn an_account_is_made_in_two_steps_and_waits_in_between() {
        let (_, directory, _) = with_ann();
        let command = AddAccount {
            address: address("bob@a.org"),
            credentials: Vec::new(),
            quota_bytes: None,
        };
        let new = directory.add_account(command.clone()).await.unwrap();
        assert!(!new.resumed);
        let error = directory.resolve(&address("bob@a.org")).await.unwrap_err();
        assert!(error == Unresolved::NotReady && !error.is_permanent());
        let again = directory.add_account(command).await.unwrap();
        assert_eq!((again.account, again.resumed), (new.account, true));
        let account = new.account;
        directory.change(ActivateAccount { account }).await.unwrap();
        assert_eq!(
            directory.resolve(&address("bob@a.org")).await.unwrap()[0].group,
            new.group
        );
        assert_eq!(
            directory.account_of(&address("bob@a.org"), Read::Fresh).await,
            Ok(Some(account))
        );
    }

    #[tokio::test]
    async fn a_refused_change_says_why_and_a_lost_majority_is_uncertain() {
        let (client, directory, _) = with_ann();
        let account = AccountId(77);
        let refused = directory.change(RemoveAccount { account }).await.unwrap_err();
        assert_eq!(refused, ChangeError::Rejected(Rejection::NoSuchAccount { account }));
        client.lose_leader();
        let lost = directory.change(RemoveAccount { account }).await.unwrap_err();
        assert!(matches!(lost, ChangeError::Proposal(ProposeError::Uncertain { .. })));
    }

    #[tokio::test]
    async fn lists_and_records_are_readable_from_both_sides() {
        let (client, directory, ann) = with_ann();
        for read in [Read::Local, Read::Fresh] {
            assert_eq!(directory.accounts(None, read).await.unwrap().rows[0].account, ann);
            assert_eq!(directory.domains(None, read).await.unwrap().rows.len(), 1);
            assert!(directory.aliases(None, read).await.unwrap().rows.is_empty());
            assert!(directory.removed(None, read).await.unwrap().rows.is_empty());
            assert_eq!(directory.topology(read).await.unwrap().unwrap().nodes.len(), 3);
            assert!(directory.policy(read).await.unwrap().message_bytes_max > 0);
            assert_eq!(directory.identities(ann, read).await.unwrap(), [address("ann@a.org")]);
            let account = directory.account(ann, read).await.unwrap().unwrap();
            assert_eq!(account.primary(), Some(&address("ann@a.org")));
        }
        client.lose_leader();
        assert!(directory.accounts(None, Read::Fresh).await.is_err());
    }
}
