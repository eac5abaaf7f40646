//! NOOP and CHECK (RFC 3501, sections 6.1.2 and 6.4.1): everything that any node acknowledged before is told (DESIGN
//! D6). There is nothing else for CHECK to do: what is acknowledged is durable.

use mailstore::front::Freshness;

use super::outcome::{Done, Outcome};
use super::selected::Telling;
use super::session::Session;

impl Session {
    pub(super) async fn noop(&mut self) -> Outcome {
        if let Some(selected) = &mut self.selected {
            let out = &mut self.channel.out;
            selected.tell(out, Freshness::Latest, Telling::ALL).await?;
        }
        Ok(Done::new("done"))
    }
}
