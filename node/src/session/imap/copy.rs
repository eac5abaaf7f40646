//! COPY (RFC 3501, section 6.4.7; COPYUID, RFC 4315): all messages or none.

use bytes::BytesMut;
use imap_wire::Numbering;
use imap_wire::command::CopyCommand;
use imap_wire::response::Code;
use mail_model::{MailboxId, MailboxName, Uid};
use mailstore::front::Freshness;
use mailstore::{Account, Rejection};

use super::error::Failure;
use super::outcome::{CopyUid, Done, DoneCode, Outcome};
use super::selected::{Selected, Telling};
use super::selection::{positions, uids};
use super::session::Session;

impl Session {
    pub(super) async fn copy(&mut self, command: CopyCommand) -> Outcome {
        let account = self.account()?.clone();
        let selected = self.selected.as_mut().ok_or(Failure::Bad("no mailbox is selected"))?;
        let out = &mut self.channel.out;
        let uids = named(selected, out, &command).await?;
        let target = target(&account, command.mailbox).await?;
        match account.copy(selected.view.mailbox(), &uids, target).await {
            Ok(copied) => {
                selected.changed(target);
                let code = CopyUid::new(&copied).map_or(DoneCode::None, DoneCode::CopyUid);
                Ok(Done::with(code, "copied"))
            }
            Err(error) => {
                // The mailbox that is missing may be the selected one.
                selected.tell_soon(out, Telling::NO_EXPUNGES).await?;
                Err(Failure::of_target(error))
            }
        }
    }
}

/// The UIDs of the messages that COPY or MOVE names. With sequence numbers none of them may be gone, since a copy is
/// whole or not at all; UIDs that are gone are passed over, as those that never were.
pub(super) async fn named(
    selected: &mut Selected,
    out: &mut BytesMut,
    command: &CopyCommand,
) -> Result<Vec<Uid>, Failure> {
    if command.numbering == Numbering::Sequence && selected.has_news(Telling::NO_EXPUNGES) {
        selected.tell_soon(out, Telling::NO_EXPUNGES).await?;
    }
    let view = &selected.view;
    let uids = uids(view, &positions(view, command.numbering, &command.set)?);
    if command.numbering == Numbering::Sequence && uids.iter().any(|uid| view.is_held_back(*uid)) {
        return Err(Failure::no(Code::ExpungeIssued, "some of the messages were expunged"));
    }
    Ok(uids)
}

/// The mailbox that messages are to go to.
pub(super) async fn target(account: &Account, name: MailboxName) -> Result<MailboxId, Failure> {
    let found = account.mailbox(name, Freshness::Latest).await;
    let info = found.map_err(Failure::of_target)?.info;
    if info.no_select {
        return Err(Failure::of_target(Rejection::NotSelectable.into()));
    }
    Ok(info.id)
}
