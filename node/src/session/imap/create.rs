//! CREATE (RFC 3501, section 6.3.3): levels above that are missing are made too.

use mail_model::MailboxName;

use super::outcome::{Done, Outcome};
use super::session::Session;

impl Session {
    pub(super) async fn create(&mut self, name: MailboxName) -> Outcome {
        self.account()?.create(name).await?;
        Ok(Done::new("created"))
    }
}
