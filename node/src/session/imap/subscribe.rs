//! SUBSCRIBE and UNSUBSCRIBE (RFC 3501, sections 6.3.6 and 6.3.7). Subscriptions are names: a mailbox need not be there
//! (DESIGN M6).

use mail_model::MailboxName;

use super::outcome::{Done, Outcome};
use super::session::Session;

impl Session {
    pub(super) async fn subscribe(&mut self, name: MailboxName) -> Outcome {
        self.account()?.set_subscription(name, true).await?;
        Ok(Done::new("subscribed"))
    }

    pub(super) async fn unsubscribe(&mut self, name: MailboxName) -> Outcome {
        self.account()?.set_subscription(name, false).await?;
        Ok(Done::new("no longer subscribed"))
    }
}
