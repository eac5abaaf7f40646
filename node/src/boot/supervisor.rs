//! What the program is told that started the node, if it wants to know (`sd_notify(3)`): when the node serves, that it is
//! alive, and that it stops.
//!
//! Invariants
//! - Nothing depends on it: without a `NOTIFY_SOCKET` nothing is said, and what cannot be said is one warning.
//! - The sign of life comes from where sessions run. While it comes, they get their turn; a disk that hangs stops neither.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::{MissedTickBehavior, interval};

use crate::limits::SIGNS_OF_LIFE_PER_WATCHDOG;

/// The node serves.
pub(crate) fn tell_ready(node: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(&format!("node {node} serves"))]);
    if let Some(within) = sd_notify::watchdog_enabled() {
        tokio::spawn(show_life(within / SIGNS_OF_LIFE_PER_WATCHDOG));
    }
}

/// The node has begun to stop.
pub(crate) fn tell_stopping() {
    tell(&[NotifyState::Stopping]);
}

async fn show_life(every: Duration) {
    if every.is_zero() {
        return;
    }
    let mut turns = interval(every);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        turns.tick().await;
        tell(&[NotifyState::Watchdog]);
    }
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "the service manager cannot be told how this node is");
    }
}
