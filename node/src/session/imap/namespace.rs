//! NAMESPACE (RFC 2342).

use imap_wire::response::write_namespace;

use super::outcome::{Done, Outcome};
use super::session::Session;

impl Session {
    pub(super) fn namespace(&mut self) -> Outcome {
        write_namespace(&mut self.channel.out);
        Ok(Done::new("that is all"))
    }
}
