//! SetQuota: how many bytes an account may hold. A quota below what is there takes nothing away.

use mail_model::AccountId;
use minicbor::{Decode, Encode};

use crate::command::GroupCommand;
use crate::rows::{Failure, Work};
use crate::state::AccountWork;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SetQuota {
    /// Whose.
    #[n(0)]
    pub account: AccountId,
    /// Bytes; `None` for any number.
    #[n(1)]
    pub quota_bytes: Option<u64>,
}

impl GroupCommand for SetQuota {
    type Reply = ();

    fn apply(&self, work: &mut Work<'_, '_>) -> Result<(), Failure> {
        let mut account = AccountWork::begin(work, self.account)?;
        account.row.quota_bytes = self.quota_bytes;
        account.finish_quietly();
        Ok(())
    }
}
