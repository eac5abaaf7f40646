//! LOGOUT (RFC 3501, section 6.1.3): BYE, then OK.

use imap_wire::response::write_bye;
use imap_wire::{SessionState, Tag};

use super::error::{End, Failure};
use super::outcome::Done;
use super::session::Session;

impl Session {
    /// Says good-bye and ends the session.
    pub(super) async fn logout(&mut self, tag: &Tag) -> Result<Option<Done>, Failure> {
        self.selected = None;
        self.channel.machine.set_state(SessionState::Logout);
        write_bye(&mut self.channel.out, None, "see you");
        self.complete(tag, Ok(Done::new("logged out")))?;
        self.channel.close().await;
        Err(End::Silent.into())
    }
}
