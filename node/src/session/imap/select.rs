//! SELECT and EXAMINE (RFC 3501, sections 6.3.1 and 6.3.2).

use imap_wire::SessionState;
use imap_wire::response::{self, Code, Status};
use mail_model::{MailboxName, Uid};
use mailstore::front::{MailboxView, SelectMode};

use super::outcome::{Done, DoneCode, Outcome};
use super::selected::Selected;
use super::session::Session;

impl Session {
    pub(super) async fn select(&mut self, name: MailboxName) -> Outcome {
        self.open(name, SelectMode::ReadWrite).await?;
        Ok(Done::with(DoneCode::ReadWrite, "selected"))
    }

    pub(super) async fn examine(&mut self, name: MailboxName) -> Outcome {
        self.open(name, SelectMode::ReadOnly).await?;
        Ok(Done::with(DoneCode::ReadOnly, "open for reading"))
    }

    /// The mailbox selected before is left in any case.
    async fn open(&mut self, name: MailboxName, mode: SelectMode) -> Result<(), super::error::Failure> {
        self.leave();
        let selected = Selected::open(self.account()?, name, mode).await?;
        let out = &mut self.channel.out;
        let view = &selected.view;
        selected.write_flags(out);
        response::write_exists(out, view.exists());
        response::write_recent(out, view.recent());
        if let Some(first) = view.first_unseen() {
            response::write_untagged(out, Status::Ok, Some(&Code::Unseen(first)), "the first one not seen");
        }
        let validity = Code::UidValidity(view.selected().info.uid_validity);
        response::write_untagged(out, Status::Ok, Some(&validity), "UIDs hold as long as this");
        if let Some(next) = uid_next(view) {
            response::write_untagged(out, Status::Ok, Some(&Code::UidNext(next)), "the next UID");
        }
        self.selected = Some(selected);
        self.channel.machine.set_state(SessionState::Selected);
        Ok(())
    }
}

/// UIDNEXT; `None` once all UIDs are given. Messages that came while the view was opened are below it.
fn uid_next(view: &MailboxView) -> Option<Uid> {
    let last = view.entries().last().map_or(0, |last| u64::from(last.uid.get()));
    let next = view.selected().info.uid_next.max(last + 1);
    u32::try_from(next).ok().and_then(Uid::new)
}
