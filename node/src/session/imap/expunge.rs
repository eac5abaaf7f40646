//! EXPUNGE (RFC 3501, section 6.4.3) and UID EXPUNGE (RFC 4315, section 2.1).

use imap_wire::{Numbering, SequenceSet};
use mail_model::{SystemFlags, Uid};
use mailstore::front::{Freshness, MailboxView};

use super::error::Failure;
use super::outcome::{Done, Outcome};
use super::selected::Telling;
use super::selection::ranges;
use super::session::Session;

impl Session {
    /// Expunges what has `\Deleted`, whoever set it; of a set of UIDs, if there is one.
    pub(super) async fn expunge(&mut self, set: Option<&SequenceSet>) -> Outcome {
        let selected = self.selected.as_mut().ok_or(Failure::Bad("no mailbox is selected"))?;
        if !selected.is_writable() {
            return Err(Failure::read_only());
        }
        let telling = match set {
            Some(_) => Telling::ALL_BY_UID,
            None => Telling::ALL,
        };
        let out = &mut self.channel.out;
        selected.tell(out, Freshness::Latest, telling).await?;
        let view = &selected.view;
        let uids = deleted(view, set);
        let expunged = view.account().expunge(view.mailbox(), &uids).await;
        expunged.map_err(Failure::of_selected)?;
        selected.tell_soon(out, telling).await?;
        Ok(Done::new("expunged"))
    }
}

/// What of the view has `\Deleted`.
pub(super) fn deleted(view: &MailboxView, set: Option<&SequenceSet>) -> Vec<Uid> {
    let wanted = set.map(|set| ranges(view, Numbering::Uid, set));
    let entries = view.entries().iter().filter(|entry| {
        let is_wanted = wanted.as_ref().is_none_or(|wanted| wanted.contains(entry.uid.get()));
        is_wanted && entry.flags.contains(SystemFlags::DELETED)
    });
    entries.map(|entry| entry.uid).collect()
}
