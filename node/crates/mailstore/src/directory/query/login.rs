//! From the name that somebody logs in by to the account and its credentials.

use mail_model::{AccountId, Address, GroupId};
use minicbor::{Decode, Encode};
use replication::ShelfError;

use crate::directory::record::{AccountState, Credential};
use crate::directory::rows::{self, Rows};

/// What is needed to let somebody in.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct LoginRecord {
    /// Which account.
    #[n(0)]
    pub account: AccountId,
    /// The mail group that holds it.
    #[n(1)]
    pub group: GroupId,
    /// The address that the account is called by, which need not be the one given.
    #[n(2)]
    pub address: Address,
    /// Whether it is in use. To be looked at after the password only.
    #[n(3)]
    pub state: AccountState,
    /// Any of them will do.
    #[n(4)]
    pub credentials: Vec<Credential>,
    /// Rises with every change of the credentials.
    #[n(5)]
    pub credential_version: u64,
    /// What the account may hold, in bytes; `None` is no limit.
    #[n(6)]
    pub quota_bytes: Option<u64>,
}

/// Who logs in by a name.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(in crate::directory) enum LoginReply {
    /// This account, if it can prove it.
    #[n(0)]
    Known(#[n(0)] LoginRecord),
    /// Nobody.
    #[n(1)]
    Unknown,
}

/// By a full address of an account, or by a local part in the default domain. Aliases and details do not log in.
pub(super) fn login(rows: &dyn Rows, name: &str) -> Result<LoginReply, ShelfError> {
    let policy = rows::policy(rows)?;
    let address = if name.contains('@') {
        Address::new(name).ok()
    } else {
        let domain = policy.default_domain;
        domain.and_then(|domain| Address::of(name, domain).ok())
    };
    let Some(address) = address else {
        return Ok(LoginReply::Unknown);
    };
    let Some(id) = owner_of(rows, &address)? else {
        return Ok(LoginReply::Unknown);
    };
    let Some(account) = rows::account(rows, id)? else {
        return Ok(LoginReply::Unknown);
    };
    Ok(LoginReply::Known(LoginRecord {
        account: id,
        group: account.group,
        address: account.primary().unwrap_or(&address).clone(),
        state: account.state,
        quota_bytes: account.effective_quota(policy.default_quota_bytes),
        credentials: account.credentials,
        credential_version: account.credential_version,
    }))
}

/// The account that has `address`, under any name of its domain.
pub(super) fn owner_of(rows: &dyn Rows, address: &Address) -> Result<Option<AccountId>, ShelfError> {
    match rows::canonical(rows, address)? {
        Some((address, _)) => rows::owner(rows, &address),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use crate::directory::command::{AddDomainAlias, PolicyChange, SetPolicy};
    use crate::directory::testing::{Replica, address, domain};

    #[test]
    fn a_full_address_or_a_bare_name_in_the_default_domain_logs_in() {
        let mut replica = Replica::with_domain("a.org");
        let ann = replica.active("ann@a.org");
        replica.domain("b.org");
        let other = replica.active("ann@b.org");
        replica.also(ann, "second@a.org");
        replica.done(AddDomainAlias {
            alias: domain("a.net"),
            of: domain("a.org"),
        });
        for name in ["ann", "ANN", "ann@a.org", "Ann@A.ORG", "second", "ann@a.net"] {
            let record = replica.login(name).unwrap();
            assert_eq!(
                (record.account, &record.address),
                (ann, &address("ann@a.org")),
                "{name}"
            );
        }
        assert_eq!(replica.login("ann@b.org").unwrap().account, other);
        let changes = vec![PolicyChange::DefaultDomain(Some(domain("b.org")))];
        replica.done(SetPolicy { changes });
        assert_eq!(replica.login("ann").unwrap().account, other);
    }

    #[test]
    fn aliases_details_and_odd_names_do_not_log_in() {
        let mut replica = Replica::with_domain("a.org");
        replica.active("ann@a.org");
        replica.alias("all@a.org", &["ann@a.org"]);
        for name in [
            "all@a.org",
            "ann+x@a.org",
            "ann+x",
            "",
            "@",
            "ann@",
            "postmaster",
            "bob",
            "ann\u{0}",
        ] {
            assert_eq!(replica.login(name), None, "{name:?}");
        }
    }

    #[test]
    fn without_a_default_domain_only_full_addresses_log_in() {
        let mut replica = Replica::with_domain("a.org");
        replica.active("ann@a.org");
        let changes = vec![PolicyChange::DefaultDomain(None)];
        replica.done(SetPolicy { changes });
        assert_eq!(replica.login("ann"), None);
        assert!(replica.login("ann@a.org").is_some());
    }
}
