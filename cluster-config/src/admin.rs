//! What administrators' tools and nodes say to each other over the admin listener: HTTP/1.1 under mutual TLS, one
//! `POST` per call, JSON both ways. Here are the calls, their replies, and how a failure is told.
//!
//! Invariants
//! - A call is named by its path alone; fields are only added, with a default, so that tool and node may differ in age.
//! - A password never shows itself in a trace.
//! - A failure says whether the change may still take effect ([`FailureKind::Uncertain`]).
//!
//! Must not know: HTTP, JSON, what a node does with a call.

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::settings::Setting;

/// One kind of call: the JSON of the type itself is the request.
pub trait Call: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Where it is posted to.
    const PATH: &'static str;
    /// Whether it changes anything. One that does not may be asked again, of any node.
    const IS_CHANGE: bool;
    /// What a success carries.
    type Reply: Serialize + DeserializeOwned + Send + 'static;
}

macro_rules! call {
    ($name:ident, $path:literal, $reply:ty) => {
        call!($name, $path, $reply, false);
    };
    (change $name:ident, $path:literal, $reply:ty) => {
        call!($name, $path, $reply, true);
    };
    ($name:ident, $path:literal, $reply:ty, $is_change:literal) => {
        impl Call for $name {
            const PATH: &'static str = concat!("/v1/", $path);
            const IS_CHANGE: bool = $is_change;
            type Reply = $reply;
        }
    };
}

/// A password on its way. Shown as `Password(..)`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Password(pub String);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

/// The success of a change that has nothing more to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {}

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What that means for the caller.
    pub kind: FailureKind,
    /// What went wrong, for a human.
    pub error: String,
}

/// What a failure means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FailureKind {
    /// It cannot be done as asked. Nothing changed.
    Refused,
    /// It cannot be done now. Nothing changed; trying again later may help.
    Unavailable,
    /// Nobody can say now whether it takes effect.
    Uncertain,
}

/// Some rows of a list, in ascending order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// Whether there are more, after the last one.
    pub more: bool,
}

/// What a node knows of itself and of the others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GetNode {}
call!(GetNode, "node", NodeReport);

/// See [`GetNode`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeReport {
    /// Id of the cluster.
    pub cluster: String,
    /// Name of the node.
    pub node: String,
    /// Version of its program.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// For how long it has been running, in seconds.
    pub uptime_s: u64,
    /// Its shelves.
    pub shelves: Vec<ShelfRow>,
    /// The replicas that run on it.
    pub replicas: Vec<ReplicaRow>,
    /// Names of nodes that do not answer it.
    pub dead_nodes: Vec<String>,
    /// What is wrong with its clock, if anything is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<String>,
}

/// What a node runs with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GetConfig {}
call!(GetConfig, "config", NodeSettings);

/// See [`GetConfig`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeSettings {
    /// Name of the node.
    pub node: String,
    /// Version of its program.
    pub version: String,
    /// The cluster file as the node read it when it started, merged with what holds without it.
    pub settings: Vec<Setting>,
    /// Every bound of the program.
    pub limits: Vec<LimitRow>,
}

/// One bound of a program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitRow {
    /// The part of the program that holds to it.
    pub part: String,
    /// Its name there.
    pub name: String,
    /// How much.
    pub value: u64,
    /// Of what: `bytes`, `KiB`, `ms`, `days` or `count`.
    pub unit: String,
    /// What it bounds and protects.
    pub protects: String,
}

impl From<mail_model::Limit> for LimitRow {
    fn from(limit: mail_model::Limit) -> Self {
        Self {
            part: limit.part.to_owned(),
            name: limit.name,
            value: limit.value,
            unit: limit.unit.to_owned(),
            protects: limit.protects,
        }
    }
}

/// What certificates of the cluster are made with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GetAuthority {}
call!(GetAuthority, "authority", Authority);

/// See [`GetAuthority`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authority {
    /// Id of the cluster.
    pub cluster: String,
    /// The key of its CA, sealed under the recovery key.
    pub sealed_key: String,
    /// Its nodes.
    pub nodes: Vec<NodeIdRow>,
}

/// A node by its two names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeIdRow {
    /// What the cluster file calls it.
    pub name: String,
    /// What its certificate calls it.
    pub id: String,
}

/// One shelf of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShelfRow {
    /// Its name on its node.
    pub name: String,
    /// How it is.
    pub state: ShelfState,
    /// Why it is not in use, or what is wrong with it although it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Bytes free on its file system, if that is known.
    pub free_bytes: Option<u64>,
    /// Bytes of its file system, if that is known.
    pub total_bytes: Option<u64>,
}

/// How a shelf is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ShelfState {
    /// In use.
    Ok,
    /// It failed while in use.
    Failed,
    /// It was not taken into use at the start.
    Refused,
}

/// One replica, as it sees its group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicaRow {
    /// Its id.
    pub replica: u64,
    /// Its group.
    pub group: u32,
    /// Whether it leads.
    pub leads: bool,
    /// Its Raft term.
    pub term: u64,
    /// The last log entry that it knows to be committed.
    pub committed_index: u64,
    /// The last log entry that it has applied.
    pub applied_index: u64,
    /// All replicas of its group.
    pub members: Vec<MemberRow>,
    /// Why it has stopped, if it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<String>,
}

/// One member of a group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MemberRow {
    /// The replica.
    pub replica: u64,
    /// Name of its node.
    pub node: String,
    /// Name of its shelf there.
    pub shelf: String,
    /// Whether it has a vote.
    pub votes: bool,
}

/// A page of accounts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListAccounts {
    /// Those with higher ids only.
    #[serde(default)]
    pub after: Option<u64>,
}
call!(ListAccounts, "account/list", Page<AccountRow>);

/// One account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountRow {
    /// Its id.
    pub account: u64,
    /// The mail group that holds it.
    pub group: u32,
    /// `creating`, `active` or `disabled`.
    pub state: String,
    /// Its addresses; the first is the one it is called by.
    pub addresses: Vec<String>,
    /// Its own quota in bytes, 0 for no limit; absent where the policy's holds.
    pub quota_bytes: Option<u64>,
    /// When it was made, in milliseconds since 1970.
    pub created_ms: u64,
}

/// Makes an account, or finishes one that was left half made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddAccount {
    /// Its address.
    pub address: String,
    /// Its password.
    pub password: Password,
    /// Its own quota in bytes, 0 for no limit; absent for the policy's.
    #[serde(default)]
    pub quota_bytes: Option<u64>,
}
call!(change AddAccount, "account/add", AccountMade);

/// See [`AddAccount`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountMade {
    /// Its id.
    pub account: u64,
    /// The mail group that holds it.
    pub group: u32,
}

/// Lets an account log in and get mail, or keeps it from that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetAccountEnabled {
    /// An address of it.
    pub address: String,
    /// Which of the two.
    pub enabled: bool,
}
call!(change SetAccountEnabled, "account/enable", Done);

/// Removes an account from the directory. Its mail stays on the shelves until the record of the removal goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoveAccount {
    /// An address of it.
    pub address: String,
}
call!(change RemoveAccount, "account/remove", Done);

/// Sets the password of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetPassword {
    /// An address of it.
    pub address: String,
    /// The new one.
    pub password: Password,
}
call!(change SetPassword, "account/password", Done);

/// Sets the quota of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetQuota {
    /// An address of it.
    pub address: String,
    /// In bytes, 0 for no limit; absent for the policy's.
    #[serde(default)]
    pub quota_bytes: Option<u64>,
}
call!(change SetQuota, "account/quota", Done);

/// A page of domains.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListDomains {
    /// Those with higher names only.
    #[serde(default)]
    pub after: Option<String>,
}
call!(ListDomains, "domain/list", Page<DomainRow>);

/// One domain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DomainRow {
    /// Its name.
    pub domain: String,
    /// The domain that it stands for, if it is an alias.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias_of: Option<String>,
    /// Who gets mail for addresses that nobody has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub catch_all: Option<String>,
}

/// Adds a domain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddDomain {
    /// Its name.
    pub domain: String,
    /// The domain that it is to stand for.
    #[serde(default)]
    pub alias_of: Option<String>,
}
call!(change AddDomain, "domain/add", Done);

/// Removes a domain that has no addresses, or a domain alias.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoveDomain {
    /// Its name.
    pub domain: String,
}
call!(change RemoveDomain, "domain/remove", Done);

/// A page of aliases.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListAliases {
    /// Those with higher addresses only.
    #[serde(default)]
    pub after: Option<String>,
}
call!(ListAliases, "alias/list", Page<AliasRow>);

/// One alias.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AliasRow {
    /// The address that stands for others.
    pub address: String,
    /// The addresses that it stands for.
    pub targets: Vec<String>,
}

/// Makes an alias, or adds targets to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddAlias {
    /// The address that stands for others.
    pub address: String,
    /// The addresses that it is to stand for.
    pub targets: Vec<String>,
}
call!(change AddAlias, "alias/add", Done);

/// Takes targets from an alias; the alias goes with the last one, or when none is named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoveAlias {
    /// The alias.
    pub address: String,
    /// What it shall not stand for any more.
    #[serde(default)]
    pub targets: Vec<String>,
}
call!(change RemoveAlias, "alias/remove", Done);

/// Says who gets mail for the addresses of a domain that nobody has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetCatchAll {
    /// The domain.
    pub domain: String,
    /// An address; absent refuses such mail.
    #[serde(default)]
    pub target: Option<String>,
}
call!(change SetCatchAll, "alias/catch-all", Done);

/// Checks whether what is stored of an account agrees with itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckAccount {
    /// An address of it.
    pub address: String,
}
call!(CheckAccount, "check", CheckRow);

/// See [`CheckAccount`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckRow {
    /// Its id.
    pub account: u64,
    /// Mailboxes looked at.
    pub mailboxes: u32,
    /// Messages looked at.
    pub messages: u64,
    /// What is wrong, in words; empty when all is well.
    pub findings: Vec<String>,
}

/// Checks whether the bodies of a mail group agree with the messages that refer to them, of all accounts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckGroup {
    /// Which group.
    pub group: u32,
}
call!(CheckGroup, "check/group", GroupCheckRow);

/// See [`CheckGroup`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupCheckRow {
    /// The group.
    pub group: u32,
    /// Bodies looked at.
    pub bodies: u64,
    /// What refers to them.
    pub references: u64,
    /// What is wrong, in words; empty when all is well.
    pub findings: Vec<String>,
}

/// What waits in the queue of a mail group, for recipients in other groups; the soonest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListQueue {
    /// Which group.
    pub group: u32,
}
call!(ListQueue, "queue/list", Page<QueueRow>);

/// A delivery that waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueRow {
    /// The transaction, as its 250 reply named it.
    pub id: String,
    /// The reverse path, empty for `<>`.
    pub sender: String,
    /// The forward path.
    pub recipient: String,
    /// The Message-ID, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// The group that holds it meanwhile.
    pub group: u32,
    /// The group where the recipient's account is.
    pub target: u32,
    /// When it was queued, in milliseconds since 1970.
    pub queued_ms: u64,
    /// How often it could not be delivered.
    pub attempts: u32,
    /// When it is tried again, in milliseconds since 1970.
    pub next_ms: u64,
}

/// Searches the delivery log of the node that is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    /// The id of a transaction, a Message-ID, or a part of sender or recipient.
    pub text: String,
    /// Most records wanted.
    pub limit: usize,
}
call!(Trace, "trace", TraceReply);

/// See [`Trace`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceReply {
    /// Newest first.
    pub records: Vec<TraceRow>,
    /// Whether the whole log was read.
    pub is_whole: bool,
}

/// What became of one recipient of one message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceRow {
    /// When that was settled, in milliseconds since 1970.
    pub time_ms: u64,
    /// The id of the transaction.
    pub id: String,
    /// The node that the client was connected to.
    pub node: String,
    /// How the message came, such as `ESMTPS`.
    pub protocol: String,
    /// The client's address.
    pub peer: String,
    /// The reverse path without brackets; empty for `<>`.
    pub sender: String,
    /// The forward path without brackets.
    pub recipient: String,
    /// The Message-ID without brackets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// Bytes of the message as received.
    pub bytes: u64,
    /// `accepted`, `refused` or `deferred`.
    pub outcome: String,
    /// Where it is, or what the client was told.
    pub detail: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_do_not_show() {
        let call = AddAccount {
            address: "a@b.c".to_owned(),
            password: Password("sesame".to_owned()),
            quota_bytes: None,
        };
        assert!(!format!("{call:?}").contains("sesame"));
    }

    #[test]
    fn every_call_has_a_path_of_its_own() {
        let paths = [
            GetNode::PATH,
            ListAccounts::PATH,
            AddAccount::PATH,
            SetAccountEnabled::PATH,
            RemoveAccount::PATH,
            SetPassword::PATH,
            SetQuota::PATH,
            ListDomains::PATH,
            AddDomain::PATH,
            RemoveDomain::PATH,
            ListAliases::PATH,
            AddAlias::PATH,
            RemoveAlias::PATH,
            SetCatchAll::PATH,
            CheckAccount::PATH,
            CheckGroup::PATH,
            GetAuthority::PATH,
            ListQueue::PATH,
            Trace::PATH,
        ];
        let distinct: std::collections::BTreeSet<_> = paths.iter().collect();
        assert_eq!(distinct.len(), paths.len());
    }
}
