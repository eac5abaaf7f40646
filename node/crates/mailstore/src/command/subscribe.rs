//! SetSubscription: SUBSCRIBE and UNSUBSCRIBE (RFC 3501, sections 6.3.6 and 6.3.7). Subscriptions are names and survive
//! DELETE (DESIGN M6).

use mail_model::{AccountId, MailboxName};
use minicbor::{Decode, Encode};

use crate::command::GroupCommand;
use crate::command::create_mailbox::check_name;
use crate::key;
use crate::limits::SUBSCRIPTIONS_MAX;
use crate::rejection::{LimitKind, Rejection};
use crate::rows::{Failure, Rows, Work};
use crate::state::AccountWork;

/// See the module. Whoever subscribes twice, or to a name without a mailbox, is right to.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SetSubscription {
    /// Whose.
    #[n(0)]
    pub account: AccountId,
    /// The name.
    #[n(1)]
    pub name: MailboxName,
    /// Whether it is to be subscribed.
    #[n(2)]
    pub subscribed: bool,
}

impl GroupCommand for SetSubscription {
    type Reply = ();

    fn apply(&self, work: &mut Work<'_, '_>) -> Result<(), Failure> {
        check_name(&self.name)?;
        let key = key::subscription(self.account, self.name.as_str());
        let is = work.bytes(&key)?.is_some();
        let mut account = AccountWork::begin(work, self.account)?;
        if is == self.subscribed {
            return Ok(());
        }
        if self.subscribed {
            if account.row.subscriptions as usize >= SUBSCRIPTIONS_MAX {
                return Err(Rejection::Limit(LimitKind::Subscriptions).into());
            }
            account.row.subscriptions += 1;
            let modseq = account.modseq;
            account.work.put(key, &modseq);
        } else {
            account.row.subscriptions = account.row.subscriptions.saturating_sub(1);
            account.work.delete(key);
        }
        account.finish();
        Ok(())
    }
}
