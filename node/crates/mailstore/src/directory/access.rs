//! Who may have lost their access: what `apply` announces when an account is closed or removed or its credentials
//! change, and the feed of it.
//!
//! An event says where to look, not what is there: whoever gets it reads the account, which may be open again by now.
//!
//! Must not know: sessions.

use mail_model::{AccountId, GroupId};
use minicbor::{Decode, Encode};
use replication::{Feed, FeedEvent, StateTxn};

use super::front::Directory;
use super::record;

/// The one topic of the system group. Topics are never reused.
const ACCESS_TOPIC: u64 = 0;

/// Sessions of an account may have to end.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
struct AccessEvent {
    /// Which one.
    #[n(0)]
    account: AccountId,
}

/// Announces that sessions of `account` may have to end.
pub(super) fn announce(txn: &mut StateTxn<'_>, account: AccountId) {
    txn.emit(ACCESS_TOPIC, record::seal(&AccessEvent { account }));
}

/// Something to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessNews {
    /// This account was closed or removed, or its credentials changed.
    Account(AccountId),
    /// Events may be missing: look at every account.
    Anything,
}

/// A subscription, see [`Directory::follow_access`].
pub struct AccessFeed {
    feed: Feed,
}

impl Directory {
    /// Follows, from now on, which accounts are closed or removed or get other credentials.
    #[must_use]
    pub fn follow_access(&self) -> AccessFeed {
        let feed = self.client().subscribe(GroupId::SYSTEM, ACCESS_TOPIC);
        AccessFeed { feed }
    }
}

impl AccessFeed {
    /// The next news; `None` once the node shuts down. Cancel safe.
    pub async fn next(&mut self) -> Option<AccessNews> {
        Some(match self.feed.next().await? {
            FeedEvent::Lagged => AccessNews::Anything,
            // An event of a newer program still says that something happened.
            FeedEvent::Event { event, .. } => record::open::<AccessEvent>(&event)
                .map_or(AccessNews::Anything, |event| AccessNews::Account(event.account)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::record::golden;

    #[test]
    fn events_of_version_1_stay_readable() {
        let account = AccountId(24);
        golden::check(&AccessEvent { account }, "01811818");
    }
}
