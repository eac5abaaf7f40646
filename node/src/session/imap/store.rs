//! STORE (RFC 3501, section 6.4.6). With `.SILENT` the client is not told what it did itself; where the flags came out
//! otherwise, because somebody else changed them too, it is.

use std::collections::BTreeMap;

use imap_wire::Numbering;
use imap_wire::command::{Store, StoreAction};
use imap_wire::response::Code;
use mail_model::{Keyword, SystemFlags, Uid};
use mailstore::command::StoreMode;
use mailstore::front::{Freshness, Update, ViewEntry};
use mailstore::record::KeywordBits;

use super::error::Failure;
use super::outcome::{Done, DoneCode, Outcome};
use super::selected::{Selected, Telling};
use super::selection::{positions, uids};
use super::session::Session;

impl Session {
    pub(super) async fn store(&mut self, command: Store) -> Outcome {
        let selected = self.selected.as_mut().ok_or(Failure::Bad("no mailbox is selected"))?;
        if !selected.is_writable() {
            return Err(Failure::read_only());
        }
        let view = &selected.view;
        let positions = positions(view, command.numbering, &command.set)?;
        let uids = uids(view, &positions);
        let before: BTreeMap<Uid, ViewEntry> = if command.silent {
            let entries = positions.iter().filter_map(|at| view.entries().get(*at));
            entries.map(|entry| (entry.uid, entry.clone())).collect()
        } else {
            BTreeMap::new()
        };
        let mode = mode_of(command.action);
        let stored = view
            .account()
            .store_flags(view.mailbox(), &uids, mode, &command.flags)
            .await;
        stored.map_err(Failure::of_selected)?;
        let telling = Telling::during(command.numbering);
        match selected.sync(Freshness::Seen, telling.expunges).await {
            Ok(updates) => self.tell_stored(&command, &updates, &uids, &before).await?,
            Err(Failure::End(end)) => return Err(end.into()),
            // The flags are stored; what came of them is told later.
            Err(failure) => tracing::debug!(?failure, "changes are told later"),
        }
        self.stored(&command, &uids)
    }

    async fn tell_stored(
        &mut self,
        command: &Store,
        updates: &[Update],
        uids: &[Uid],
        before: &BTreeMap<Uid, ViewEntry>,
    ) -> Result<(), Failure> {
        let Some(selected) = &self.selected else { return Ok(()) };
        let by_uid = command.numbering == Numbering::Uid;
        for update in updates {
            let is_told_otherwise = match update {
                Update::Flags(seq) => selected
                    .view
                    .entry(*seq)
                    .is_some_and(|entry| match before.get(&entry.uid) {
                        Some(before) => is_expected(command, before, entry, selected.view.keywords()),
                        None => uids.binary_search(&entry.uid).is_ok(),
                    }),
                _ => false,
            };
            if !is_told_otherwise {
                selected.write(&mut self.channel.out, update, by_uid);
                self.channel.relieve().await?;
            }
        }
        if !command.silent {
            let view = &selected.view;
            let there = uids.iter().filter(|uid| !view.is_held_back(**uid));
            for seq in there.filter_map(|uid| view.seq_of(*uid)) {
                selected.write_flags_of(&mut self.channel.out, seq, by_uid);
                self.channel.relieve().await?;
            }
        }
        Ok(())
    }

    /// Messages that were expunged meanwhile have no flags any more; UIDs that are not there are no error. With `.SILENT`
    /// the client did not ask what came of it (RFC 2180, sections 4.2.1 to 4.2.3).
    fn stored(&self, command: &Store, uids: &[Uid]) -> Outcome {
        let is_gone = |selected: &Selected| uids.iter().any(|uid| selected.view.is_held_back(*uid));
        let some_gone = self.selected.as_ref().is_some_and(is_gone);
        match (command.numbering, command.silent) {
            (Numbering::Sequence, true) if some_gone => Ok(Done::with(DoneCode::ExpungeIssued, "stored")),
            (Numbering::Sequence, false) if some_gone => {
                Err(Failure::no(Code::ExpungeIssued, "some of the messages were expunged"))
            }
            _ => Ok(Done::new("stored")),
        }
    }
}

fn mode_of(action: StoreAction) -> StoreMode {
    match action {
        StoreAction::Replace => StoreMode::Replace,
        StoreAction::Add => StoreMode::Add,
        StoreAction::Remove => StoreMode::Remove,
    }
}

/// Whether the flags are what the command alone would have made of them.
fn is_expected(command: &Store, before: &ViewEntry, after: &ViewEntry, known: &[Keyword]) -> bool {
    let mut keywords = match command.action {
        StoreAction::Replace => KeywordBits::default(),
        StoreAction::Add | StoreAction::Remove => before.keywords.clone(),
    };
    let named = known
        .iter()
        .enumerate()
        .filter(|(_, keyword)| command.flags.keywords.contains(keyword));
    for (number, _) in named {
        match command.action {
            StoreAction::Remove => keywords.remove(number),
            StoreAction::Replace | StoreAction::Add => keywords.insert(number),
        }
    }
    let system: SystemFlags = match command.action {
        StoreAction::Replace => command.flags.system,
        StoreAction::Add => before.flags | command.flags.system,
        StoreAction::Remove => before.flags.without(command.flags.system),
    };
    (system, &keywords) == (after.flags, &after.keywords)
}
