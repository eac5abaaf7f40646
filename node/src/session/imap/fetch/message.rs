//! The answer about one message.
//!
//! Invariant: an answer is sent whole, or nothing of it is, or the connection ends: nothing else would put the client
//! right about a literal that is cut short.

use bytes::{Bytes, BytesMut};
use imap_wire::command::{FetchItem, SectionText};
use imap_wire::response::FetchReply;
use mail_message::{Structure, append_body, append_body_structure, append_envelope};
use mailstore::query::Details;
use mailstore::record::HotRow;
use mailstore::{Account, StoreError};

use super::super::channel::Channel;
use super::super::error::{End, Failure};
use super::super::selected::Selected;
use super::super::selection::seq_at;
use super::octets::Octets;
use super::section::{self, Cut};
use super::sections;

/// What has to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Needs {
    /// Nothing: the view has it.
    View,
    /// Hot rows.
    Rows,
    /// Details.
    Details {
        /// The structure among them.
        structure: bool,
        /// The message itself.
        octets: bool,
    },
}

impl Needs {
    /// What `items` need.
    pub(super) fn of(items: &[FetchItem]) -> Self {
        let octets = sections(items).next().is_some();
        let of_part = |item: &imap_wire::command::SectionItem| {
            !item.section.part.is_empty() || item.section.text != SectionText::Whole
        };
        let in_structure =
            |item: &FetchItem| matches!(item, FetchItem::Envelope | FetchItem::Body | FetchItem::BodyStructure);
        let structure = items.iter().any(in_structure) || sections(items).any(of_part);
        let in_row = |item: &FetchItem| matches!(item, FetchItem::InternalDate | FetchItem::Size);
        if octets || structure {
            Self::Details { structure, octets }
        } else if items.iter().any(in_row) {
            Self::Rows
        } else {
            Self::View
        }
    }

    pub(super) fn structure(self) -> bool {
        matches!(self, Self::Details { structure: true, .. })
    }

    pub(super) fn octets(self) -> bool {
        matches!(self, Self::Details { octets: true, .. })
    }
}

/// One message with everything that is needed of it.
pub(super) struct Loaded {
    hot: HotRow,
    structure: Option<Structure>,
    octets: Octets,
}

impl Loaded {
    /// Reads what is needed; `None` when the message is gone for good.
    pub(super) async fn load(
        account: &Account,
        details: Option<Details>,
        needs: Needs,
        body: Option<Bytes>,
    ) -> Result<Option<Self>, StoreError> {
        let Some(details) = details else { return Ok(None) };
        let hot = details.hot()?;
        let structure = if needs.structure() {
            Some(account.structure(&details).await?)
        } else {
            None
        };
        let octets = Octets::load(account.clone(), details, needs.octets(), body).await?;
        Ok(Some(Self { hot, structure, octets }))
    }
}

/// Writes an answer without structure and octets.
pub(super) fn write_small(
    selected: &Selected,
    out: &mut BytesMut,
    position: usize,
    items: &[FetchItem],
    hot: Option<&HotRow>,
) {
    let mut reply = FetchReply::begin(out, seq_at(position));
    for item in items {
        write_small_item(&mut reply, selected, out, position, item, hot);
    }
    reply.finish(out);
}

fn write_small_item(
    reply: &mut FetchReply,
    selected: &Selected,
    out: &mut BytesMut,
    position: usize,
    item: &FetchItem,
    hot: Option<&HotRow>,
) {
    let Some(entry) = selected.view.entries().get(position) else {
        return;
    };
    match (item, hot) {
        (FetchItem::Flags, _) => reply.flags(out, &selected.flags_of(entry), selected.view.is_recent(entry.uid)),
        (FetchItem::Uid, _) => reply.uid(out, entry.uid),
        (FetchItem::InternalDate, Some(hot)) => reply.internal_date(out, hot.date),
        (FetchItem::Size, Some(hot)) => reply.size(out, hot.size.into()),
        _ => {}
    }
}

/// Writes any answer. What was not yet sent of one that fails is taken back.
pub(super) async fn write(
    channel: &mut Channel,
    selected: &Selected,
    position: usize,
    items: &[FetchItem],
    loaded: &Loaded,
) -> Result<(), Failure> {
    let (mark, sent) = (channel.out.len(), channel.sent());
    match write_items(channel, selected, position, items, loaded).await {
        Ok(()) => Ok(()),
        Err(Cut::Gone(gone)) => Err(gone.into()),
        Err(Cut::Before(error)) if channel.sent() == sent => {
            channel.out.truncate(mark);
            Err(error.into())
        }
        Err(Cut::Before(error) | Cut::Within(error)) => {
            tracing::warn!(%error, "a message could not be read while it was sent");
            Err(End::Silent.into())
        }
    }
}

async fn write_items(
    channel: &mut Channel,
    selected: &Selected,
    position: usize,
    items: &[FetchItem],
    loaded: &Loaded,
) -> Result<(), Cut> {
    let mut reply = FetchReply::begin(&mut channel.out, seq_at(position));
    let mut text = Vec::new();
    for item in items {
        let out = &mut channel.out;
        text.clear();
        match (item, &loaded.structure) {
            (FetchItem::Section(item), structure) => {
                section::write(channel, &mut reply, item, structure.as_ref(), &loaded.octets).await?;
            }
            (FetchItem::Envelope, Some(structure)) => {
                if let Some(envelope) = structure.envelope() {
                    append_envelope(envelope, &mut text);
                }
                reply.envelope(out, &text);
            }
            (FetchItem::Body, Some(structure)) => {
                append_body(structure, &mut text);
                reply.body(out, &text);
            }
            (FetchItem::BodyStructure, Some(structure)) => {
                append_body_structure(structure, &mut text);
                reply.body_structure(out, &text);
            }
            _ => write_small_item(&mut reply, selected, out, position, item, Some(&loaded.hot)),
        }
    }
    reply.finish(&mut channel.out);
    Ok(())
}
