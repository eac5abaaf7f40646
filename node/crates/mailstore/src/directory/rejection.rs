//! Why a command was refused: recorded in its reply, the same on every replica, in words for an administrator.

use mail_model::{AccountId, Address, ClusterId, Domain};
use minicbor::{Decode, Encode};
use replication::ShelfError;

use super::record::{AccountState, Target};

/// A command that has had no effect, and why.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, thiserror::Error)]
pub enum Rejection {
    /// The bytes are no command that this program knows.
    #[n(0)]
    #[error("the command cannot be read: {reason}")]
    Unreadable {
        /// What is wrong with them.
        #[n(0)]
        reason: String,
    },
    /// There is no cluster yet.
    #[n(1)]
    #[error("the cluster has not been founded yet; start its nodes once with the cluster file of `init`")]
    NotFounded,
    /// There is a cluster, and it is another one.
    #[n(2)]
    #[error("the directory belongs to cluster {cluster} already")]
    FoundedAlready {
        /// That cluster.
        #[n(0)]
        cluster: ClusterId,
    },
    /// What a cluster should be founded with contradicts itself.
    #[n(3)]
    #[error("the cluster cannot be founded: {reason}")]
    BadFounding {
        /// How.
        #[n(0)]
        reason: String,
    },
    /// A domain or domain alias of this name is there.
    #[n(4)]
    #[error("the domain {domain} exists already")]
    DomainExists {
        /// Its name.
        #[n(0)]
        domain: Domain,
    },
    /// No domain of this name is there.
    #[n(5)]
    #[error("the domain {domain} is not one of this cluster; add it first")]
    NoSuchDomain {
        /// The name.
        #[n(0)]
        domain: Domain,
    },
    /// Only a domain that holds addresses will do.
    #[n(6)]
    #[error("{domain} is another name of the domain {of}; use that one")]
    DomainIsAlias {
        /// The name.
        #[n(0)]
        domain: Domain,
        /// What it stands for.
        #[n(1)]
        of: Domain,
    },
    /// Only another name of a domain will do.
    #[n(7)]
    #[error("{domain} is a domain of its own, not another name of one")]
    DomainIsNoAlias {
        /// The name.
        #[n(0)]
        domain: Domain,
    },
    /// The domain still holds an address.
    #[n(8)]
    #[error("the domain {domain} still has addresses, {address} among them; remove them first")]
    DomainInUse {
        /// The domain.
        #[n(0)]
        domain: Domain,
        /// One of them.
        #[n(1)]
        address: Address,
    },
    /// The domain still has other names.
    #[n(9)]
    #[error("{alias} is another name of the domain {domain}; remove that first")]
    DomainHasAlias {
        /// The domain.
        #[n(0)]
        domain: Domain,
        /// One of its other names.
        #[n(1)]
        alias: Domain,
    },
    /// The address leads somewhere already.
    #[n(10)]
    #[error("the address {address} is taken by {by}")]
    AddressTaken {
        /// The address.
        #[n(0)]
        address: Address,
        /// "account 7" or "an alias".
        #[n(1)]
        by: String,
    },
    /// The account has no such address.
    #[n(11)]
    #[error("account {account} has no address {address}")]
    NotItsAddress {
        /// The account.
        #[n(0)]
        account: AccountId,
        /// The address.
        #[n(1)]
        address: Address,
    },
    /// An account keeps one address at least.
    #[n(12)]
    #[error("{address} is the last address of account {account}; add another one first, or remove the account")]
    LastAddress {
        /// The account.
        #[n(0)]
        account: AccountId,
        /// The address.
        #[n(1)]
        address: Address,
    },
    /// Something names what should go.
    #[n(13)]
    #[error("{what} is named by {by}; change that first")]
    StillNamed {
        /// What should go.
        #[n(0)]
        what: Target,
        /// Who names it.
        #[n(1)]
        by: String,
    },
    /// No account has this id.
    #[n(14)]
    #[error("there is no account {account}")]
    NoSuchAccount {
        /// The id.
        #[n(0)]
        account: AccountId,
    },
    /// The account is gone, and its id with it.
    #[n(15)]
    #[error("account {account} has been removed")]
    AccountRemoved {
        /// The id.
        #[n(0)]
        account: AccountId,
    },
    /// The account is not in a state for this.
    #[n(16)]
    #[error("account {account} is {state}")]
    WrongState {
        /// The account.
        #[n(0)]
        account: AccountId,
        /// Where it stands.
        #[n(1)]
        state: AccountState,
    },
    /// There is nowhere to put an account.
    #[n(17)]
    #[error("the cluster has no mail group that could hold an account")]
    NoMailGroup,
    /// No alias has this address.
    #[n(18)]
    #[error("there is no alias {address}")]
    NoSuchAlias {
        /// The address.
        #[n(0)]
        address: Address,
    },
    /// The alias does not name this target.
    #[n(19)]
    #[error("the alias {address} does not name {target}")]
    NotItsTarget {
        /// The alias.
        #[n(0)]
        address: Address,
        /// The target.
        #[n(1)]
        target: Target,
    },
    /// There is nothing of that name.
    #[n(20)]
    #[error("{target} does not exist in this cluster")]
    NoSuchTarget {
        /// What was named.
        #[n(0)]
        target: Target,
    },
    /// Mail would go round in circles.
    #[n(21)]
    #[error("{target} leads back to {address}")]
    Loop {
        /// The alias that was to name it.
        #[n(0)]
        address: Address,
        /// The target.
        #[n(1)]
        target: Target,
    },
    /// A limit of the directory.
    #[n(22)]
    #[error("{what}: at most {limit}")]
    TooMany {
        /// Of what.
        #[n(0)]
        what: String,
        /// How many there may be.
        #[n(1)]
        limit: u64,
    },
    /// A value that policy does not allow.
    #[n(23)]
    #[error("{what} must lie between {min} and {max}")]
    OutOfRange {
        /// What it is.
        #[n(0)]
        what: String,
        /// Lowest value.
        #[n(1)]
        min: u64,
        /// Highest value.
        #[n(2)]
        max: u64,
    },
    /// A credential without a scheme or a value, or one that is too long.
    #[n(24)]
    #[error("a credential has a scheme of 1 to {scheme_max} octets and a value of 1 to {value_max}")]
    BadCredential {
        /// Most octets of the scheme.
        #[n(0)]
        scheme_max: u64,
        /// Most octets of the value.
        #[n(1)]
        value_max: u64,
    },
    /// An alias that names nobody would lose mail.
    #[n(25)]
    #[error("an alias names one target at least")]
    NoTargets,
}

impl Rejection {
    pub(super) fn too_many(what: &str, limit: usize) -> Self {
        Self::TooMany {
            what: what.to_owned(),
            limit: limit as u64,
        }
    }
}

/// Why `apply` of a command ended early. Nothing has been written then.
#[derive(Debug)]
pub(super) enum Refused {
    /// The command is impossible: an answer like any other.
    Rejection(Rejection),
    /// The shelf cannot be read: the replica stops.
    Shelf(ShelfError),
}

impl From<Rejection> for Refused {
    fn from(rejection: Rejection) -> Self {
        Self::Rejection(rejection)
    }
}

impl From<ShelfError> for Refused {
    fn from(error: ShelfError) -> Self {
        Self::Shelf(error)
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::golden;
    use super::*;

    #[test]
    fn rejections_say_what_to_do() {
        let address = Address::new("ann@b.c").unwrap();
        let text = Rejection::LastAddress {
            account: AccountId(7),
            address,
        }
        .to_string();
        assert_eq!(
            text,
            "ann@b.c is the last address of account 7; add another one first, or remove the account"
        );
    }

    #[test]
    fn rejections_of_version_1_stay_readable() {
        golden::check(&Rejection::NotFounded, "01820180");
        golden::check(&Rejection::too_many("x", 5), "01821682617805");
        golden::check(&Rejection::AccountRemoved { account: AccountId(7) }, "01820f8107");
    }
}
