//! What is known of an account, and what is left of one that was removed.

use std::fmt;

use mail_model::{AccountId, Address, GroupId};
use minicbor::{Decode, Encode};

/// Where an account stands in its life. Creating -> Active <-> Disabled; from each to removed, which is the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum AccountState {
    /// Has its id, its group and its address; its mailboxes are being made. Mail for it is deferred.
    #[n(0)]
    Creating,
    /// In use.
    #[n(1)]
    Active,
    /// Keeps its mail; nobody logs in, mail for it is refused.
    #[n(2)]
    Disabled,
}

impl fmt::Display for AccountState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Creating => "creating",
            Self::Active => "active",
            Self::Disabled => "disabled",
        })
    }
}

/// One way to prove to be the owner of an account. What a scheme means is known above.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct Credential {
    /// Name of the scheme, in capitals.
    #[n(0)]
    pub scheme: String,
    /// What the scheme keeps; never a password in clear.
    #[n(1)]
    pub value: String,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credential({}, ..)", self.scheme)
    }
}

/// An account that exists.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Account {
    /// The mail group that holds its mailboxes.
    #[n(0)]
    pub group: GroupId,
    /// Where it stands.
    #[n(1)]
    pub state: AccountState,
    /// Its addresses, at least one; the first is the one it is called by.
    #[n(2)]
    pub addresses: Vec<Address>,
    /// Its own quota in bytes, 0 for none; `None` follows the policy.
    #[n(3)]
    pub quota_bytes: Option<u64>,
    /// How its owner may prove to be the owner; empty lets nobody in.
    #[n(4)]
    pub credentials: Vec<Credential>,
    /// Log index of the command that set the credentials: rises with each change.
    #[n(5)]
    pub credential_version: u64,
    /// Log time of its making, in milliseconds since 1970.
    #[n(6)]
    pub created_ms: u64,
}

impl Account {
    /// The address that it is called by.
    #[must_use]
    pub fn primary(&self) -> Option<&Address> {
        self.addresses.first()
    }

    /// What it may hold, in bytes, where the policy says `default_bytes`; `None` is no limit.
    #[must_use]
    pub fn effective_quota(&self, default_bytes: Option<u64>) -> Option<u64> {
        self.quota_bytes.or(default_bytes).filter(|bytes| *bytes > 0)
    }
}

/// Whose an address is: the row that an address leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub(in crate::directory) struct AddressOwner {
    /// An account that lists the address among its own.
    #[n(0)]
    pub(in crate::directory) account: AccountId,
}

/// The tombstone of an account: its id is never given again, and its group may still have to drop its mail.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct RemovedAccount {
    /// The mail group that held its mailboxes.
    #[n(0)]
    pub group: GroupId,
    /// What it was called; somebody else may be called so by now.
    #[n(1)]
    pub address: Option<Address>,
    /// Log time of its removal, in milliseconds since 1970.
    #[n(2)]
    pub removed_ms: u64,
}

#[cfg(test)]
mod tests {
    use super::super::golden;
    use super::*;

    fn ann() -> Address {
        Address::new("ann@b.c").unwrap()
    }

    #[test]
    fn accounts_of_version_1_stay_readable() {
        let account = Account {
            group: GroupId(3),
            state: AccountState::Disabled,
            addresses: vec![ann()],
            quota_bytes: Some(5),
            credentials: vec![Credential {
                scheme: "S".to_owned(),
                value: "v".to_owned(),
            }],
            credential_version: 9,
            created_ms: 7,
        };
        golden::check(&account, "01870302818263616e6e63622e63058182615361760907");
        let removed = RemovedAccount {
            group: GroupId(3),
            address: Some(ann()),
            removed_ms: 7,
        };
        golden::check(&removed, "0183038263616e6e63622e6307");
    }

    #[test]
    fn owners_of_version_1_stay_readable() {
        let account = AccountId(24);
        golden::check(&AddressOwner { account }, "01811818");
    }

    #[test]
    fn a_credential_does_not_show_its_value() {
        let credential = Credential {
            scheme: "S".to_owned(),
            value: "hidden".to_owned(),
        };
        assert_eq!(format!("{credential:?}"), "Credential(S, ..)");
    }
}
