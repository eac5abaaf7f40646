//! ID (RFC 2971): names for the trace, decided upon by nobody.

use imap_wire::command::IdPairs;
use imap_wire::response::write_id;

use super::outcome::{Done, Outcome};
use super::session::Session;

impl Session {
    pub(super) fn id(&mut self, client: &IdPairs) -> Outcome {
        tracing::debug!(?client, "a client says what it is");
        let ours = [("name", "Holdfast"), ("version", env!("CARGO_PKG_VERSION"))];
        write_id(&mut self.channel.out, &ours);
        Ok(Done::new("pleased to meet you"))
    }
}
