//! CLOSE (RFC 3501, section 6.4.2), which expunges without telling, and UNSELECT (RFC 3691), which does not.

use mailstore::front::{Expunges, Freshness};

use super::error::Failure;
use super::expunge::deleted;
use super::outcome::{Done, Outcome};
use super::session::Session;

impl Session {
    pub(super) async fn close(&mut self) -> Outcome {
        if let Some(selected) = self.selected.as_mut().filter(|selected| selected.is_writable()) {
            // Nobody wants to hear of a mailbox that is being left, unless it cannot be left.
            let updates = selected.sync(Freshness::Latest, Expunges::HoldBack).await?;
            let view = &selected.view;
            let uids = deleted(view, None);
            if let Err(error) = view.account().expunge(view.mailbox(), &uids).await {
                let out = &mut self.channel.out;
                updates.iter().for_each(|update| selected.write(out, update, false));
                return Err(Failure::of_selected(error));
            }
        }
        self.leave();
        Ok(Done::new("closed"))
    }

    pub(super) fn unselect(&mut self) -> Outcome {
        self.leave();
        Ok(Done::new("no longer selected"))
    }
}
