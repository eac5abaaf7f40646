//! SetQuota: how much an account may hold.

use mail_model::AccountId;
use minicbor::{Decode, Encode};
use replication::StateTxn;

use super::{Outcome, existing};
use crate::directory::key;
use crate::directory::rejection::Refused;
use crate::directory::rows;

/// Sets the quota of an account. What it holds already stays, also above it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SetQuota {
    /// Which one.
    #[n(0)]
    pub account: AccountId,
    /// Bytes, 0 for no limit; `None` follows the policy.
    #[n(1)]
    pub quota_bytes: Option<u64>,
}

impl SetQuota {
    pub(super) fn apply(&self, txn: &mut StateTxn<'_>) -> Result<Outcome, Refused> {
        let mut record = existing(txn, self.account)?;
        record.quota_bytes = self.quota_bytes;
        rows::write(txn, key::account(self.account), &record);
        Ok(Outcome::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::command::{PolicyChange, SetPolicy};
    use crate::directory::testing::Replica;

    #[test]
    fn an_own_quota_comes_before_the_policy_and_zero_is_no_limit() {
        let mut replica = Replica::with_domain("a.org");
        let account = replica.active("ann@a.org");
        let quota = |replica: &Replica| replica.recipients("ann@a.org")[0].quota_bytes;
        assert_eq!(quota(&replica), None);
        let changes = vec![PolicyChange::DefaultQuotaBytes(Some(1_000))];
        replica.done(SetPolicy { changes });
        assert_eq!(quota(&replica), Some(1_000));
        for (own, effective) in [(Some(5), Some(5)), (Some(0), None), (None, Some(1_000))] {
            let quota_bytes = own;
            replica.done(SetQuota { account, quota_bytes });
            assert_eq!(quota(&replica), effective, "{own:?}");
        }
    }
}
