//! The change feed of one account: what IDLE waits for.

use replication::{Feed, FeedEvent};

use super::Account;
use crate::event::AccountEvent;

/// Something to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FeedNews {
    /// A command changed these mailboxes.
    Changed(AccountEvent),
    /// Events may be missing: look at everything.
    Anything,
}

/// A subscription. Whoever reads after an event, with [`super::Freshness::Seen`], sees its change.
pub struct AccountFeed {
    account: Account,
    feed: Feed,
}

impl Account {
    /// Follows the account from now on.
    #[must_use]
    pub fn follow(&self) -> AccountFeed {
        let feed = self.store().client().subscribe(self.group(), self.id().0);
        AccountFeed {
            account: self.clone(),
            feed,
        }
    }
}

impl AccountFeed {
    /// The next news; `None` once the node shuts down. Cancel safe.
    pub async fn next(&mut self) -> Option<FeedNews> {
        let event = self.feed.next().await?;
        Some(self.read(event))
    }

    /// News that are there already.
    pub fn try_next(&mut self) -> Option<FeedNews> {
        let event = self.feed.try_next()?;
        Some(self.read(event))
    }

    fn read(&self, event: FeedEvent) -> FeedNews {
        match event {
            FeedEvent::Lagged => FeedNews::Anything,
            FeedEvent::Event { token, event } => {
                self.account.saw(token);
                // An event of a newer program still says that something happened.
                AccountEvent::from_bytes(&event).map_or(FeedNews::Anything, FeedNews::Changed)
            }
        }
    }
}
