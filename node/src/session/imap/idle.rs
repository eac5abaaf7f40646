//! IDLE (RFC 2177): what happens in the selected mailbox is told as it happens, until the client says DONE.

use imap_wire::Tag;
use imap_wire::limits::IDLE_KEEPALIVE;
use imap_wire::response::{Status, write_continuation, write_untagged};
use mailstore::front::Freshness;
use tokio::time::Instant;

use super::error::{End, Failure};
use super::limits::IDLE_RETRY;
use super::selected::Telling;
use super::session::{Doing, Session};

impl Session {
    /// Begins with everything that any node acknowledged before (DESIGN D6).
    pub(super) async fn idle(&mut self, tag: &Tag) -> Result<(), Failure> {
        write_continuation(&mut self.channel.out, "idling");
        self.channel.machine.begin_idle(tag.clone());
        Ok(self.tell_idler(Freshness::Latest).await?)
    }

    /// Others did something, or it is time to look again for what could not be read.
    pub(super) async fn idle_news(&mut self) -> Result<(), End> {
        let freshness = match self.doing {
            Doing::Idle { retry: Some(_), .. } => Freshness::Latest,
            _ => Freshness::Seen,
        };
        self.tell_idler(freshness).await
    }

    /// Nothing was sent for a while.
    pub(super) fn keep_alive(&mut self) {
        write_untagged(&mut self.channel.out, Status::Ok, None, "still here");
        if let Doing::Idle { keep_alive, .. } = &mut self.doing {
            *keep_alive = Instant::now() + IDLE_KEEPALIVE;
        }
    }

    async fn tell_idler(&mut self, freshness: Freshness) -> Result<(), End> {
        let told = match &mut self.selected {
            Some(selected) => selected.tell(&mut self.channel.out, freshness, Telling::ALL).await,
            None => Ok(()),
        };
        let retry = match told {
            Ok(()) => None,
            Err(Failure::End(end)) => return Err(end),
            Err(failure) => {
                tracing::debug!(?failure, "changes are told later");
                Some(Instant::now() + IDLE_RETRY)
            }
        };
        let keep_alive = Instant::now() + IDLE_KEEPALIVE;
        self.doing = Doing::Idle { keep_alive, retry };
        Ok(())
    }
}
