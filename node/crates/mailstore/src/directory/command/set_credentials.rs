//! SetCredentials: replaces how the owner of an account may prove to be the owner, all at once.

use mail_model::AccountId;
use minicbor::{Decode, Encode};
use replication::{AppliedAt, StateTxn};

use super::{Outcome, ensure_credentials, existing};
use crate::directory::access;
use crate::directory::key;
use crate::directory::record::Credential;
use crate::directory::rejection::Refused;
use crate::directory::rows;

/// Sets all credentials of an account.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SetCredentials {
    /// Which one.
    #[n(0)]
    pub account: AccountId,
    /// What counts from now on; empty lets nobody in.
    #[n(1)]
    pub credentials: Vec<Credential>,
}

impl SetCredentials {
    pub(super) fn apply(&self, txn: &mut StateTxn<'_>, at: &AppliedAt) -> Result<Outcome, Refused> {
        let mut record = existing(txn, self.account)?;
        ensure_credentials(&self.credentials)?;
        record.credentials.clone_from(&self.credentials);
        record.credential_version = at.index.0;
        rows::write(txn, key::account(self.account), &record);
        access::announce(txn, self.account);
        Ok(Outcome::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::limits::CREDENTIALS_MAX;
    use crate::directory::rejection::Rejection;
    use crate::directory::testing::{Replica, credential};

    fn set(account: AccountId, values: &[&str]) -> SetCredentials {
        SetCredentials {
            account,
            credentials: values.iter().map(|value| credential(value)).collect(),
        }
    }

    #[test]
    fn the_version_rises_with_each_change_even_to_the_same_password() {
        let mut replica = Replica::with_domain("a.org");
        let ann = replica.active("ann@a.org");
        let mut versions = vec![replica.account(ann).credential_version];
        for _ in 0..2 {
            replica.done(set(ann, &["x", "y"]));
            versions.push(replica.account(ann).credential_version);
        }
        assert!(versions.is_sorted_by(|a, b| a < b), "{versions:?}");
        assert_eq!(replica.account(ann).credentials, [credential("x"), credential("y")]);
    }

    #[test]
    fn too_many_and_unknown_accounts_are_refused() {
        let mut replica = Replica::with_domain("a.org");
        let ann = replica.active("ann@a.org");
        let many = vec!["x"; CREDENTIALS_MAX + 1];
        assert!(matches!(replica.refusal(set(ann, &many)), Rejection::TooMany { .. }));
        let account = AccountId(77);
        assert_eq!(replica.refusal(set(account, &[])), Rejection::NoSuchAccount { account });
    }
}
