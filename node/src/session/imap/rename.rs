//! RENAME (RFC 3501, section 6.3.5; DESIGN M5): what lies below comes along; INBOX gives its messages and stays.

use imap_wire::command::Rename;

use super::outcome::{Done, Outcome};
use super::session::Session;

impl Session {
    pub(super) async fn rename(&mut self, command: Rename) -> Outcome {
        self.account()?.rename(command.from, command.to).await?;
        if let Some(selected) = &mut self.selected {
            // INBOX has given its messages away.
            selected.changed(selected.view.mailbox());
        }
        Ok(Done::new("renamed"))
    }
}
