//! The selected mailbox: the view that the client has been shown, and news of what others do to it.
//!
//! Invariants
//! - The feed began before the view was opened, so that no change falls between them.
//! - A look that failed is made up for: `stale` stays set until one succeeds.

use bytes::BytesMut;
use imap_wire::Numbering;
use imap_wire::response::{self, Code, FetchReply, Status};
use mail_model::{FlagSet, MailboxId, MailboxName, SeqNum, SystemFlags};
use mailstore::Account;
use mailstore::front::{AccountFeed, Expunges, FeedNews, Freshness, MailboxView, SelectMode, Update, ViewEntry};
use mailstore::limits::KEYWORDS_PER_MAILBOX;

use super::error::{End, Failure};

/// See the module.
pub(super) struct Selected {
    pub(super) view: MailboxView,
    feed: AccountFeed,
    /// Something happened that the view may not have.
    stale: bool,
    /// Expunges may be held back.
    owes_expunges: bool,
}

/// What may be told, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Telling {
    pub(super) expunges: Expunges,
    /// Whether FETCH has the UID, as in answers to UID commands (RFC 3501, section 6.4.8).
    pub(super) uids: bool,
}

impl Telling {
    /// Everything.
    pub(super) const ALL: Self = Self {
        expunges: Expunges::Tell,
        uids: false,
    };
    /// Everything but expunges.
    pub(super) const NO_EXPUNGES: Self = Self {
        expunges: Expunges::HoldBack,
        uids: false,
    };
    /// Everything, under UIDs.
    pub(super) const ALL_BY_UID: Self = Self {
        expunges: Expunges::Tell,
        uids: true,
    };

    /// During FETCH, STORE and SEARCH, or their forms with UID (RFC 3501, section 7.4.1).
    pub(super) fn during(numbering: Numbering) -> Self {
        match numbering {
            Numbering::Sequence => Self::NO_EXPUNGES,
            Numbering::Uid => Self::ALL_BY_UID,
        }
    }
}

impl Selected {
    /// Opens a mailbox.
    pub(super) async fn open(account: &Account, name: MailboxName, mode: SelectMode) -> Result<Self, Failure> {
        let feed = account.follow();
        let view = account.select(name, mode).await?;
        Ok(Self {
            view,
            feed,
            stale: false,
            owes_expunges: false,
        })
    }

    /// Whether flags and messages may be changed.
    pub(super) fn is_writable(&self) -> bool {
        self.view.mode() == SelectMode::ReadWrite
    }

    /// Whether there may be something to tell.
    pub(super) fn has_news(&mut self, telling: Telling) -> bool {
        while let Some(news) = self.feed.try_next() {
            self.stale |= self.concerns(&news);
        }
        self.stale || (self.owes_expunges && telling.expunges == Expunges::Tell)
    }

    /// This session itself changed a mailbox: if it is this one, there is something to tell, whether or not the feed has
    /// it already.
    pub(super) fn changed(&mut self, mailbox: MailboxId) {
        self.stale |= mailbox == self.view.mailbox();
    }

    /// Waits until there may be something to tell. Cancel safe.
    pub(super) async fn news(&mut self) {
        while !self.stale {
            match self.feed.next().await {
                Some(news) => self.stale |= self.concerns(&news),
                // The node shuts down, and says so in another way.
                None => std::future::pending().await,
            }
        }
    }

    fn concerns(&self, news: &FeedNews) -> bool {
        match news {
            FeedNews::Anything => true,
            FeedNews::Changed(event) => {
                event.mailboxes.contains(&self.view.mailbox()) && event.modseq > self.view.known()
            }
        }
    }

    /// Brings the view up to date; what it returns is to be told.
    pub(super) async fn sync(&mut self, freshness: Freshness, expunges: Expunges) -> Result<Vec<Update>, Failure> {
        self.stale = true;
        let updates = self
            .view
            .sync(freshness, expunges)
            .await
            .map_err(Failure::of_selected)?;
        self.stale = false;
        self.owes_expunges = expunges == Expunges::HoldBack;
        Ok(updates)
    }

    /// Brings the view up to date and tells the client.
    pub(super) async fn tell(
        &mut self,
        out: &mut BytesMut,
        freshness: Freshness,
        telling: Telling,
    ) -> Result<(), Failure> {
        let updates = self.sync(freshness, telling.expunges).await?;
        updates.iter().for_each(|update| self.write(out, update, telling.uids));
        Ok(())
    }

    /// The same where a failure must not take back what is done: what cannot be read now is told later.
    pub(super) async fn tell_soon(&mut self, out: &mut BytesMut, telling: Telling) -> Result<(), End> {
        match self.tell(out, Freshness::Seen, telling).await {
            Ok(()) => Ok(()),
            Err(Failure::End(end)) => Err(end),
            Err(failure) => {
                tracing::debug!(?failure, "changes are told later");
                Ok(())
            }
        }
    }

    /// Writes one update.
    pub(super) fn write(&self, out: &mut BytesMut, update: &Update, uids: bool) {
        match update {
            Update::Expunged(seq) => response::write_expunge(out, *seq),
            Update::Exists(messages) => response::write_exists(out, *messages),
            Update::Recent(messages) => response::write_recent(out, *messages),
            Update::Keywords => self.write_flags(out),
            Update::Flags(seq) => self.write_flags_of(out, *seq, uids),
        }
    }

    /// FETCH of the flags of one message.
    pub(super) fn write_flags_of(&self, out: &mut BytesMut, seq: SeqNum, uids: bool) {
        let Some(entry) = self.view.entry(seq) else { return };
        let mut reply = FetchReply::begin(out, seq);
        if uids {
            reply.uid(out, entry.uid);
        }
        reply.flags(out, &self.flags_of(entry), self.view.is_recent(entry.uid));
        reply.finish(out);
    }

    /// FLAGS and PERMANENTFLAGS.
    pub(super) fn write_flags(&self, out: &mut BytesMut) {
        let keywords = self.view.keywords();
        let mut flags = FlagSet::from(
            SystemFlags::NAMED
                .iter()
                .fold(SystemFlags::NONE, |all, (flag, _)| all | *flag),
        );
        flags.keywords = keywords.to_vec();
        response::write_flags(out, &flags);
        let (flags, more, text) = if self.is_writable() {
            (flags, keywords.len() < KEYWORDS_PER_MAILBOX, "flags that are kept")
        } else {
            (FlagSet::default(), false, "nothing can be changed")
        };
        let code = Code::PermanentFlags { flags: &flags, more };
        response::write_untagged(out, Status::Ok, Some(&code), text);
    }

    /// The flags of a message, keywords by name.
    pub(super) fn flags_of(&self, entry: &ViewEntry) -> FlagSet {
        let known = self.view.keywords();
        FlagSet {
            system: entry.flags,
            keywords: entry
                .keywords
                .iter()
                .filter_map(|number| known.get(number).cloned())
                .collect(),
        }
    }
}
