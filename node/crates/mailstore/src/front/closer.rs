//! Closing deliveries whose clients went on after our reply (DESIGN M14), many in one entry.
//!
//! Invariant: a delivery is closed only when its session says so. What a dying node had not closed yet stays open until
//! the end of the window, as that of a session that died. What waits is closed before the same message is delivered again
//! by this node.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use mail_model::{AccountId, GroupId};

use super::{Mailstore, StoreError};
use crate::command::{CloseDeliveries, ClosedDelivery, DeliverTo};
use crate::limits::{CLOSE_EVERY, CLOSES_PER_COMMAND, CLOSES_WAITING_MAX, COMMAND_WITHIN};

#[derive(Default)]
struct Waiting {
    /// Also those that are being closed now.
    deliveries: VecDeque<ClosedDelivery>,
    /// Held by whoever closes them, so that another one who has to wait for it can.
    turn: Arc<tokio::sync::Mutex<()>>,
}

/// What waits to be closed.
#[derive(Default)]
pub(super) struct Closing {
    groups: Mutex<BTreeMap<GroupId, Waiting>>,
}

impl Closing {
    fn with<T>(&self, group: GroupId, look: impl FnOnce(&mut Waiting) -> T) -> T {
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        look(groups.entry(group).or_default())
    }

    fn add(&self, group: GroupId, closed: ClosedDelivery) {
        self.with(group, |waiting| {
            waiting.deliveries.push_back(closed);
            let too_many = waiting.deliveries.len().saturating_sub(CLOSES_WAITING_MAX);
            waiting.deliveries.drain(..too_many);
        });
    }

    /// Whether one of them looks like a delivery to `to`, and is not closed yet.
    fn holds(&self, group: GroupId, to: &[DeliverTo]) -> bool {
        self.with(group, |waiting| {
            let is_of = |closed: &ClosedDelivery, to: &DeliverTo| {
                closed.account == to.account && to.key.as_ref() == Some(&closed.key)
            };
            waiting
                .deliveries
                .iter()
                .any(|closed| to.iter().any(|to| is_of(closed, to)))
        })
    }

    fn some(&self, group: GroupId) -> Vec<ClosedDelivery> {
        self.with(group, |waiting| {
            waiting.deliveries.iter().take(CLOSES_PER_COMMAND).copied().collect()
        })
    }

    fn remove(&self, group: GroupId, closed: &[ClosedDelivery]) {
        self.with(group, |waiting| {
            waiting.deliveries.retain(|delivery| !closed.contains(delivery))
        });
    }

    fn groups(&self) -> Vec<GroupId> {
        let groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        groups.keys().copied().collect()
    }
}

impl Mailstore {
    /// Before a delivery: closes those that look like it, if there are any. A client that went on after our reply and
    /// sends the same again means it, also when the closer has not had its turn yet.
    pub(super) async fn close_before(&self, group: GroupId, to: &[DeliverTo]) -> Result<(), StoreError> {
        if self.inner.closing.holds(group, to) {
            self.close_waiting(group).await?;
        }
        Ok(())
    }

    async fn close_waiting(&self, group: GroupId) -> Result<(), StoreError> {
        let closing = &self.inner.closing;
        let turn = closing.with(group, |waiting| waiting.turn.clone());
        let _turn = turn.lock().await;
        loop {
            let deliveries = closing.some(group);
            if deliveries.is_empty() {
                return Ok(());
            }
            let command = CloseDeliveries {
                deliveries: deliveries.clone(),
            };
            self.run(group, command, None, COMMAND_WITHIN).await?;
            closing.remove(group, &deliveries);
        }
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
            self.store.inner.closing.add(group, delivery);
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
            if let Err(error) = self.store.close_waiting(group).await {
                tracing::debug!(%group, %error, "deliveries are closed later");
            }
        }
    }
}
