//! FETCH (RFC 3501, section 6.4.5), in pages of rows, message by message.
//!
//! | what is asked for | what is read |
//! |---|---|
//! | FLAGS, UID | the view |
//! | INTERNALDATE, RFC822.SIZE | hot rows |
//! | ENVELOPE, BODY, BODYSTRUCTURE | structure rows |
//! | octets | structure rows where a part is named, and the message |
//!
//! `\Seen` is set when everything was sent, of all messages by one command, and committed before OK (DESIGN M8); a client
//! that breaks off in between has not seen them.
//!
//! Messages that another session expunged are sent as long as they are kept; for those that are not there is `NO
//! [EXPUNGEISSUED]` when all others were sent (DESIGN M11).

mod message;
mod octets;
mod section;

use futures::StreamExt as _;
use futures::stream;
use imap_wire::Numbering;
use imap_wire::command::{Fetch, FetchItem, SectionItem};
use imap_wire::response::Code;
use mail_model::{SystemFlags, Uid};
use mailstore::command::StoreMode;
use mailstore::query::Details;
use mailstore::{Account, StoreError};
use tokio::sync::watch;

use super::channel::Channel;
use super::error::Failure;
use super::limits::{BATCH_BYTES, BATCH_MESSAGES, BATCHES_READ_AHEAD, MESSAGES_PER_TURN, MESSAGES_READ_AHEAD};
use super::outcome::{Done, Outcome};
use super::rows::Pages;
use super::selected::{Selected, Telling};
use super::selection::positions;
use super::session::{Session, check_end_of};
use crate::auth::Pass;
use message::{Loaded, Needs};

/// What a FETCH has come to.
#[derive(Default)]
struct Progress {
    /// What was sent and is not `\Seen`.
    unseen: Vec<Uid>,
    /// Some messages are gone for good.
    gone: bool,
}

impl Session {
    pub(super) async fn fetch(&mut self, mut command: Fetch) -> Outcome {
        require_uid(&mut command);
        let selected = self.selected.as_ref().ok_or(Failure::Bad("no mailbox is selected"))?;
        let positions = positions(&selected.view, command.numbering, &command.set)?;
        let sets_seen = command.sets_seen() && selected.is_writable();
        let mut progress = Progress::default();
        match Needs::of(&command.items) {
            Needs::View => self.fetch_from_view(&command, &positions).await?,
            Needs::Rows => self.fetch_rows(&command, &positions, &mut progress).await?,
            needs => self.fetch_details(&command, &positions, needs, &mut progress).await?,
        }
        if sets_seen {
            self.set_seen(&progress.unseen, Telling::during(command.numbering))
                .await?;
        }
        if progress.gone {
            return Err(Failure::no(Code::ExpungeIssued, "some of the messages were expunged"));
        }
        Ok(Done::new("that is all"))
    }

    async fn fetch_from_view(&mut self, command: &Fetch, positions: &[usize]) -> Result<(), Failure> {
        for turn in positions.chunks(MESSAGES_PER_TURN) {
            self.check_end()?;
            let Some(selected) = &self.selected else { break };
            for at in turn {
                message::write_small(selected, &mut self.channel.out, *at, &command.items, None);
                self.channel.relieve().await?;
            }
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    async fn fetch_rows(
        &mut self,
        command: &Fetch,
        positions: &[usize],
        progress: &mut Progress,
    ) -> Result<(), Failure> {
        let Some(selected) = &self.selected else { return Ok(()) };
        let mut pages = Pages::new(&selected.view, positions);
        while !pages.is_over() {
            self.check_end()?;
            for (at, hot) in pages.hot().await? {
                match hot {
                    Some(hot) => {
                        message::write_small(selected, &mut self.channel.out, at, &command.items, Some(&hot));
                        self.channel.relieve().await?;
                    }
                    None => progress.gone = true,
                }
            }
        }
        Ok(())
    }

    async fn fetch_details(
        &mut self,
        command: &Fetch,
        positions: &[usize],
        needs: Needs,
        progress: &mut Progress,
    ) -> Result<(), Failure> {
        let stopping = self.stopping();
        let Some(selected) = &self.selected else { return Ok(()) };
        let writer = PageWriter {
            selected,
            command,
            needs,
            stopping: &stopping,
            pass: self.pass.as_ref(),
        };
        let mut pages = Pages::new(&selected.view, positions);
        if pages.is_over() {
            return Ok(());
        }
        let mut page = pages.details(needs.structure()).await?;
        loop {
            let is_last = pages.is_over();
            // The next page is read while this one is sent; it comes first, so that it is asked for before a write waits.
            let next = async {
                if is_last {
                    return Ok(Vec::new());
                }
                pages.details(needs.structure()).await
            };
            let (next, written) = futures::join!(next, writer.write(&mut self.channel, page, progress));
            written?;
            if is_last {
                return Ok(());
            }
            page = next?;
        }
    }

    async fn set_seen(&mut self, uids: &[Uid], telling: Telling) -> Result<(), Failure> {
        let Some(selected) = self.selected.as_mut().filter(|_| !uids.is_empty()) else {
            return Ok(());
        };
        let view = &selected.view;
        let seen = SystemFlags::SEEN.into();
        let stored = view
            .account()
            .store_flags(view.mailbox(), uids, StoreMode::Add, &seen)
            .await;
        stored.map_err(Failure::of_selected)?;
        let out = &mut self.channel.out;
        Ok(selected.tell_soon(out, telling).await?)
    }
}

/// What the pages of one FETCH have in common.
struct PageWriter<'a> {
    selected: &'a Selected,
    command: &'a Fetch,
    needs: Needs,
    stopping: &'a watch::Receiver<bool>,
    pass: Option<&'a Pass>,
}

impl PageWriter<'_> {
    async fn write(&self, channel: &mut Channel, page: Vec<Listed>, progress: &mut Progress) -> Result<(), Failure> {
        let account = self.selected.view.account();
        let loads = batches(page).into_iter().map(|batch| load(account, batch, self.needs));
        let loaded = stream::iter(loads).buffered(1 + BATCHES_READ_AHEAD);
        let mut loaded = std::pin::pin!(loaded.flat_map(stream::iter));
        while let Some((at, loaded)) = loaded.next().await {
            check_end_of(self.stopping, self.pass)?;
            match loaded {
                Ok(Some(loaded)) => {
                    let written = message::write(channel, self.selected, at, &self.command.items, &loaded);
                    match written.await {
                        Err(Failure::Store(StoreError::Expunged)) => {
                            progress.gone = true;
                            continue;
                        }
                        written => written?,
                    }
                    let entry = self.selected.view.entries().get(at);
                    let unseen = entry.filter(|entry| !entry.flags.contains(SystemFlags::SEEN));
                    progress.unseen.extend(unseen.map(|entry| entry.uid));
                    channel.relieve().await?;
                }
                Ok(None) | Err(StoreError::Expunged) => progress.gone = true,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

/// One message of a page: its position, and what is known of it.
type Listed = (usize, Option<Details>);

/// Cuts a page into batches that are read at once: of one message, or of small ones.
fn batches(page: Vec<Listed>) -> Vec<Vec<Listed>> {
    let mut batches: Vec<Vec<Listed>> = Vec::new();
    let mut room = 0;
    for (at, details) in page {
        let size = details.as_ref().map_or(0, |details| details.body.facts.size);
        match batches
            .last_mut()
            .filter(|batch| size <= room && batch.len() < BATCH_MESSAGES)
        {
            Some(batch) => batch.push((at, details)),
            None => {
                batches.push(vec![(at, details)]);
                room = BATCH_BYTES;
            }
        }
        room = room.saturating_sub(size);
    }
    batches
}

async fn load(account: &Account, batch: Vec<Listed>, needs: Needs) -> Vec<(usize, Result<Option<Loaded>, StoreError>)> {
    let listed: Vec<&Details> = batch.iter().filter_map(|(_, details)| details.as_ref()).collect();
    let bodies = if needs.octets() && listed.len() > 1 {
        account.read_bodies(&listed).await
    } else {
        Vec::new()
    };
    let mut bodies = bodies.into_iter();
    let loads = batch.into_iter().map(|(at, details)| {
        let body = details.as_ref().and_then(|_| bodies.next().flatten());
        async move { (at, Loaded::load(account, details, needs, body).await) }
    });
    let loads: Vec<_> = loads.collect();
    stream::iter(loads).buffered(MESSAGES_READ_AHEAD).collect().await
}

/// The sections among some items.
fn sections(items: &[FetchItem]) -> impl Iterator<Item = &SectionItem> {
    items.iter().filter_map(|item| match item {
        FetchItem::Section(section) => Some(section),
        _ => None,
    })
}

/// Every answer to UID FETCH has the UID, asked for or not (RFC 3501, section 6.4.8).
fn require_uid(command: &mut Fetch) {
    if command.numbering == Numbering::Uid && !command.items.contains(&FetchItem::Uid) {
        command.items.insert(0, FetchItem::Uid);
    }
}
