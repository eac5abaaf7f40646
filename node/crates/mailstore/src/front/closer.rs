//! Closing deliveries whose clients went on after our reply (DESIGN M14), many in one entry.
//!
//! Invariant: a delivery is closed only when its session says so. What a dying node had not closed yet stays open until
//! the end of the window, as that of a session that died.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use mail_model::{AccountId, GroupId};

use super::{Mailstore, StoreError};
use crate::command::{CloseDeliveries, ClosedDelivery};
use crate::limits::{CLOSE_EVERY, CLOSES_PER_COMMAND, CLOSES_WAITING_MAX, COMMAND_WITHIN};

/// What waits to be closed.
#[derive(Default)]
pub(super) struct Closing {
    groups: Mutex<BTreeMap<GroupId, VecDeque<ClosedDelivery>>>,
}

impl Closing {
    fn add(&self, group: GroupId, closed: impl IntoIterator<Item = ClosedDelivery>) {
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = groups.entry(group).or_default();
        waiting.extend(closed);
        let too_many = waiting.len().saturating_sub(CLOSES_WAITING_MAX);
        waiting.drain(..too_many);
    }

    fn take_some(&self, group: GroupId) -> Vec<ClosedDelivery> {
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = groups.entry(group).or_default();
        let count = waiting.len().min(CLOSES_PER_COMMAND);
        waiting.drain(..count).collect()
    }

    fn groups(&self) -> Vec<GroupId> {
        let groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        groups.keys().copied().collect()
    }
}

/// The deliveries of one transaction, open until the client is known to have our reply.
#[must_use = "close it when the client goes on"]
pub struct OpenDeliveries {
    store: Mailstore,
    deliveries: Vec<(GroupId, ClosedDelivery)>,
}

impl OpenDeliveries {
    pub(super) fn new(store: Mailstore) -> Self {
        let deliveries = Vec::new();
        Self { store, deliveries }
    }

    pub(super) fn add(&mut self, group: GroupId, delivery: ClosedDelivery) {
        self.deliveries.push((group, delivery));
    }

    /// Leaves those of other accounts open for good: the client was told that they do not have the message, and will
    /// send it again.
    pub fn retain(&mut self, is_told: impl Fn(AccountId) -> bool) {
        self.deliveries.retain(|(_, delivery)| is_told(delivery.account));
    }

    /// The client sent its next command after a reply that took the message. Never waits.
    pub fn close(self) {
        for (group, delivery) in self.deliveries {
            self.store.inner.closing.add(group, [delivery]);
        }
    }
}

/// Closes what sessions of this node say, until it is dropped.
pub struct DeliveryCloser {
    store: Mailstore,
}

impl DeliveryCloser {
    /// For the sessions that use `store` or a clone of it.
    #[must_use]
    pub fn new(store: Mailstore) -> Self {
        Self { store }
    }

    /// Runs for ever. Cancel safe: what is not closed stays open.
    pub async fn run(self) {
        let mut turns = tokio::time::interval(CLOSE_EVERY);
        turns.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            turns.tick().await;
            self.turn().await;
        }
    }

    /// Closes what waits now; what a group does not take waits for the next turn.
    pub(crate) async fn turn(&self) {
        for group in self.store.inner.closing.groups() {
            if let Err(error) = self.close(group).await {
                tracing::debug!(%group, %error, "deliveries are closed later");
            }
        }
    }

    async fn close(&self, group: GroupId) -> Result<(), StoreError> {
        loop {
            let deliveries = self.store.inner.closing.take_some(group);
            if deliveries.is_empty() {
                return Ok(());
            }
            let command = CloseDeliveries {
                deliveries: deliveries.clone(),
            };
            if let Err(error) = self.store.run(group, command, None, COMMAND_WITHIN).await {
                self.store.inner.closing.add(group, deliveries);
                return Err(error);
            }
        }
    }
}
