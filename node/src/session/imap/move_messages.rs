//! MOVE (RFC 6851): COPYUID first, then the messages go from here, then OK. Each message is in one of the two mailboxes
//! at every instant.

use imap_wire::Numbering;
use imap_wire::command::CopyCommand;
use imap_wire::response::{Status, write_untagged};
use mailstore::command::Copied;

use super::copy::{named, target};
use super::error::Failure;
use super::outcome::{CopyUid, Done, Outcome};
use super::selected::Telling;
use super::session::Session;

impl Session {
    pub(super) async fn move_messages(&mut self, command: CopyCommand) -> Outcome {
        let account = self.account()?.clone();
        let selected = self.selected.as_mut().ok_or(Failure::Bad("no mailbox is selected"))?;
        if !selected.is_writable() {
            return Err(Failure::read_only());
        }
        let telling = match command.numbering {
            Numbering::Sequence => Telling::ALL,
            Numbering::Uid => Telling::ALL_BY_UID,
        };
        let out = &mut self.channel.out;
        let uids = named(selected, out, &command).await?;
        let target = target(&account, command.mailbox).await?;
        // Entries before one that failed have moved their messages: that is told too.
        let (moved, error) = match account.move_messages(selected.view.mailbox(), &uids, target).await {
            Ok(moved) => (moved, None),
            Err((moved, error)) => (moved, Some(error)),
        };
        if let Some(copy) = copy_uid(&moved) {
            let text = "they are there now";
            write_untagged(out, Status::Ok, Some(&copy.code()), text);
        }
        // The mailbox that is missing may be the selected one: then this ends the session.
        selected.tell_soon(out, telling).await?;
        if let Some(error) = error {
            return Err(Failure::of_target(error));
        }
        Ok(Done::new("moved"))
    }
}

fn copy_uid(moved: &[Copied]) -> Option<CopyUid> {
    moved.iter().filter_map(CopyUid::new).reduce(|mut all, more| {
        all.extend(more);
        all
    })
}
