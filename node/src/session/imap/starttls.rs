//! STARTTLS (RFC 3501, section 6.2.1). What came in clear behind it is dropped: anybody could have put it there.

use imap_wire::Tag;

use super::error::Failure;
use super::outcome::Done;
use super::session::Session;

impl Session {
    /// Answers and takes TLS up.
    pub(super) async fn start_tls(&mut self, tag: &Tag) -> Result<(), Failure> {
        if !self.channel.connection.can_start_tls() {
            return Err(Failure::Bad("TLS cannot be started here"));
        }
        self.complete(tag, Ok(Done::new("begin TLS")))?;
        Ok(self.channel.start_tls().await?)
    }
}
