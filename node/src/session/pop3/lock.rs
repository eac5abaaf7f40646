//! The maildrop of a session, with its lock kept (RFC 1939 8; DESIGN M9), however long the client takes for whatever it
//! does.
//!
//! Invariant: the lock is renewed by a task that ends with this value, so that it runs out when the session does.

use std::sync::Arc;
use std::time::Duration;

use mailstore::front::Maildrop;
use mailstore::limits::MAILDROP_RENEW;
use mailstore::{Account, Rejection, StoreError};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};

/// How long a session waits to give its lock back; without an answer it runs out.
const RELEASE_WITHIN: Duration = Duration::from_secs(5);

/// See the module.
pub(super) struct LockedMaildrop {
    pub(super) account: Account,
    maildrop: Arc<Maildrop>,
    renewal: Renewal,
}

/// Ends its task when it is dropped.
struct Renewal(JoinHandle<()>);

impl Drop for Renewal {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl LockedMaildrop {
    /// Locks and lists the maildrop of an account.
    ///
    /// # Errors
    /// See [`StoreError`]; `MaildropInUse` when another session has it.
    pub(super) async fn open(account: Account) -> Result<Self, StoreError> {
        let maildrop = Arc::new(account.open_maildrop().await?);
        let renewal = Renewal(tokio::spawn(renew(maildrop.clone())));
        Ok(Self {
            account,
            maildrop,
            renewal,
        })
    }

    /// What is in it.
    pub(super) fn maildrop(&self) -> &Maildrop {
        &self.maildrop
    }

    /// Whether the lock ran out before it could be renewed, and another session has or had it.
    pub(super) fn is_lost(&self) -> bool {
        self.renewal.0.is_finished()
    }

    /// Stops renewing; what is left is the maildrop alone.
    pub(super) async fn settle(self) -> Option<Maildrop> {
        let mut renewal = self.renewal;
        renewal.0.abort();
        // It ends at once, by the abort or because the lock was lost.
        let _ = (&mut renewal.0).await;
        Arc::into_inner(self.maildrop)
    }

    /// Gives the lock back.
    pub(super) async fn release(self) {
        let Some(maildrop) = self.settle().await else {
            return;
        };
        match timeout(RELEASE_WITHIN, maildrop.release()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "a maildrop lock is left to run out"),
            Err(_) => tracing::debug!("a maildrop lock is left to run out"),
        }
    }
}

/// Renews until the lock is lost. What a group does not take now, it may take the next time.
async fn renew(maildrop: Arc<Maildrop>) {
    let mut turns = interval(MAILDROP_RENEW);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    turns.tick().await;
    loop {
        turns.tick().await;
        match maildrop.renew().await {
            Err(error) if error.rejection() == Some(Rejection::MaildropLockLost) => return,
            Err(error) => tracing::debug!(%error, "a maildrop lock was not renewed"),
            Ok(()) => {}
        }
    }
}
