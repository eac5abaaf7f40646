//! AddAccount: gives an account its id, its group and its first address. Its mailboxes are made in that group next; then
//! comes ActivateAccount. Whoever is interrupted in between sends the same command again and goes on.

use mail_model::{AccountId, Address, GroupId};
use minicbor::{Decode, Encode};
use replication::{AppliedAt, KeyRange, StateTxn};

use super::{Outcome, ensure_credentials, ensure_free, ensure_own_domain, founded};
use crate::directory::key;
use crate::directory::limits::FOUND_ROWS_MAX;
use crate::directory::record::{Account, AccountState, AddressOwner, Cluster, Credential, Group};
use crate::directory::rejection::{Refused, Rejection};
use crate::directory::rows::{self, Rows};

/// Adds an account in state `Creating`, in the mail group that has the fewest.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct AddAccount {
    /// Its first address.
    #[n(0)]
    pub address: Address,
    /// How its owner may prove to be the owner.
    #[n(1)]
    pub credentials: Vec<Credential>,
    /// Its own quota in bytes, 0 for none; `None` follows the policy.
    #[n(2)]
    pub quota_bytes: Option<u64>,
}

impl AddAccount {
    pub(super) fn apply(&self, txn: &mut StateTxn<'_>, at: &AppliedAt) -> Result<Outcome, Refused> {
        let cluster = founded(txn)?;
        ensure_own_domain(txn, self.address.domain())?;
        ensure_credentials(&self.credentials)?;
        if let Some((account, record)) = self.unfinished(txn)? {
            return Ok(self.resume(txn, at, account, record));
        }
        ensure_free(txn, &self.address)?;
        let (group, Group { accounts }) = emptiest_group(txn)?;
        let account = cluster.next_account;
        // 2^64 accounts are never made; the counter stands rather than give an id twice.
        let next_account = account.0.checked_add(1).map(AccountId).ok_or(Rejection::NoMailGroup)?;
        rows::write(
            txn,
            key::CLUSTER.to_vec(),
            &Cluster {
                next_account,
                ..cluster
            },
        );
        let accounts = accounts.saturating_add(1);
        rows::write(txn, key::group(group), &Group { accounts });
        rows::write(txn, key::address(&self.address), &AddressOwner { account });
        rows::write(txn, key::account(account), &self.record(group, at));
        Ok(Outcome::AccountAdded {
            account,
            group,
            resumed: false,
        })
    }

    fn record(&self, group: GroupId, at: &AppliedAt) -> Account {
        Account {
            group,
            state: AccountState::Creating,
            addresses: vec![self.address.clone()],
            quota_bytes: self.quota_bytes,
            credentials: self.credentials.clone(),
            credential_version: at.index.0,
            created_ms: at.log_time_ms,
        }
    }

    /// The account that an earlier attempt left behind.
    fn unfinished(&self, rows: &dyn Rows) -> Result<Option<(AccountId, Account)>, Refused> {
        let Some(id) = rows::owner(rows, &self.address)? else {
            return Ok(None);
        };
        let ours =
            |account: &Account| account.state == AccountState::Creating && account.primary() == Some(&self.address);
        Ok(rows::account(rows, id)?.filter(ours).map(|account| (id, account)))
    }

    /// Nobody has used the account yet, so the last word on password and quota counts.
    fn resume(&self, txn: &mut StateTxn<'_>, at: &AppliedAt, account: AccountId, record: Account) -> Outcome {
        let group = record.group;
        let renewed = Account {
            quota_bytes: self.quota_bytes,
            credentials: self.credentials.clone(),
            credential_version: at.index.0,
            ..record
        };
        rows::write(txn, key::account(account), &renewed);
        Outcome::AccountAdded {
            account,
            group,
            resumed: true,
        }
    }
}

/// The mail group with the fewest accounts, of several the one with the lowest id.
fn emptiest_group(rows: &dyn Rows) -> Result<(GroupId, Group), Refused> {
    let groups = rows::list::<Group>(rows, &KeyRange::prefix(key::GROUPS), FOUND_ROWS_MAX)?;
    let numbered = groups
        .into_iter()
        .filter_map(|(row, group)| Some((GroupId(key::last_u32(&row)?), group)));
    let mail_groups = numbered.filter(|(id, _)| *id != GroupId::SYSTEM);
    let emptiest = mail_groups.min_by_key(|(id, group)| (group.accounts, *id));
    emptiest.ok_or_else(|| Rejection::NoMailGroup.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::command::{ActivateAccount, RemoveAccount};
    use crate::directory::limits::{CREDENTIAL_BYTES_MAX, CREDENTIALS_MAX};
    use crate::directory::testing::{Replica, address, credential, founding};

    fn add(name: &str) -> AddAccount {
        AddAccount {
            address: address(name),
            credentials: vec![credential("first")],
            quota_bytes: None,
        }
    }

    #[test]
    fn accounts_go_to_the_group_with_the_fewest() {
        let mut replica = Replica::with_domain("a.org");
        let groups: Vec<_> = (0..4).map(|n| replica.added(add(&format!("u{n}@a.org"))).1).collect();
        assert_eq!(groups, [1, 2, 1, 2].map(GroupId));
        replica.done(RemoveAccount { account: AccountId(1) });
        assert_eq!(replica.added(add("u9@a.org")).1, GroupId(1));
    }

    #[test]
    fn an_interrupted_making_goes_on_with_the_same_id_and_the_last_password() {
        let mut replica = Replica::with_domain("a.org");
        let (account, group) = replica.added(add("ann@a.org"));
        let again = AddAccount {
            credentials: vec![credential("second")],
            quota_bytes: Some(7),
            ..add("ann@a.org")
        };
        let resumed = Outcome::AccountAdded {
            account,
            group,
            resumed: true,
        };
        assert_eq!(replica.apply(again), resumed);
        let record = replica.account(account);
        assert_eq!(
            (record.quota_bytes, &record.credentials[0]),
            (Some(7), &credential("second"))
        );
        replica.done(ActivateAccount { account });
        assert!(matches!(
            replica.refusal(add("ann@a.org")),
            Rejection::AddressTaken { .. }
        ));
    }

    #[test]
    fn ids_are_not_given_twice() {
        let mut replica = Replica::with_domain("a.org");
        let first = replica.add("ann@a.org");
        replica.done(RemoveAccount { account: first });
        assert_eq!(replica.add("ann@a.org"), AccountId(first.0 + 1));
    }

    #[test]
    fn an_address_outside_of_the_cluster_or_in_use_is_refused() {
        let mut replica = Replica::with_domain("a.org");
        replica.active("ann@a.org");
        replica.alias("all@a.org", &["ann@a.org"]);
        assert!(matches!(
            replica.refusal(add("ann@b.org")),
            Rejection::NoSuchDomain { .. }
        ));
        assert!(matches!(
            replica.refusal(add("ANN@a.org")),
            Rejection::AddressTaken { .. }
        ));
        assert!(matches!(
            replica.refusal(add("all@a.org")),
            Rejection::AddressTaken { .. }
        ));
    }

    #[test]
    fn credentials_have_bounds() {
        let mut replica = Replica::with_domain("a.org");
        let with = |credentials| AddAccount {
            credentials,
            ..add("ann@a.org")
        };
        let many = vec![credential("x"); CREDENTIALS_MAX + 1];
        assert!(matches!(replica.refusal(with(many)), Rejection::TooMany { .. }));
        let long = vec![credential(&"x".repeat(CREDENTIAL_BYTES_MAX + 1))];
        assert!(matches!(replica.refusal(with(long)), Rejection::BadCredential { .. }));
        assert!(matches!(
            replica.refusal(with(vec![credential("")])),
            Rejection::BadCredential { .. }
        ));
    }

    #[test]
    fn a_cluster_without_mail_groups_holds_no_account() {
        let mut found = founding();
        found.groups = vec![GroupId::SYSTEM];
        found.replicas.retain(|replica| replica.group == GroupId::SYSTEM);
        let mut replica = Replica::new();
        replica.done(found);
        replica.domain("a.org");
        assert_eq!(replica.refusal(add("ann@a.org")), Rejection::NoMailGroup);
    }
}
