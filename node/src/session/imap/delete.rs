//! DELETE (RFC 3501, section 6.3.4). Whoever deletes the mailbox that is selected has none selected then.

use mail_model::MailboxName;
use mailstore::front::Freshness;

use super::outcome::{Done, Outcome};
use super::session::Session;

impl Session {
    pub(super) async fn delete(&mut self, name: MailboxName) -> Outcome {
        let account = self.account()?;
        let is_selected = match &self.selected {
            // By id, since a rename elsewhere may have changed the name.
            Some(selected) => {
                let named = account.mailbox(name.clone(), Freshness::Latest).await?;
                named.info.id == selected.view.mailbox()
            }
            None => false,
        };
        account.delete(name).await?;
        if is_selected {
            self.leave();
        }
        Ok(Done::new("deleted"))
    }
}
