//! Closing deliveries whose clients went on after our reply (DESIGN M14), many in one entry.
//!
//! Invariant: a delivery is closed only when its session says so. What a dying node had not closed yet stays open until
//! the end of the window, as that of a session that died. What waits is closed before the same message is delivered again
//! by this node.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mail_model::{AccountId, GroupId};

use super::{Mailstore, StoreError};
use crate::command::{CloseDeliveries, ClosedDelivery};
use crate::id::DeliveryKey;
use crate::limits::{CLOSE_EVERY, CLOSES_PER_COMMAND, CLOSES_WAITING_MAX, COMMAND_WITHIN};

/// A recipient, and what the delivery looks like.
type Name = (AccountId, DeliveryKey);

#[derive(Default)]
struct Waiting {
    /// Also those that are being closed now.
    deliveries: VecDeque<ClosedDelivery>,
    /// How many have left `deliveries`, all at its front: the number of the first one in it.
    gone: u64,
    /// Held by whoever closes them, so that another one who has to wait for it can.
    turn: Arc<tokio::sync::Mutex<()>>,
}

/// What waits to be closed.
#[derive(Default)]
pub(super) struct Closing {
    all: Mutex<All>,
}

#[derive(Default)]
struct All {
    groups: BTreeMap<GroupId, Waiting>,
    /// How often each name is in `groups`: hardly any delivery looks like one that waits, and this says so at once.
    names: HashMap<Name, u32>,
}

impl All {
    fn add(&mut self, group: GroupId, closed: ClosedDelivery) {
        *self.names.entry(name(&closed)).or_default() += 1;
        let waiting = self.groups.entry(group).or_default();
        waiting.deliveries.push_back(closed);
        if waiting.deliveries.len() > CLOSES_WAITING_MAX {
            self.remove_first(group);
        }
    }

    fn remove_first(&mut self, group: GroupId) {
        let Some(waiting) = self.groups.get_mut(&group) else {
            return;
        };
        let Some(first) = waiting.deliveries.pop_front() else {
            return;
        };
        waiting.gone += 1;
        if let Entry::Occupied(mut count) = self.names.entry(name(&first)) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }

    /// See [`Closing::holds`].
    fn holds(&self, group: GroupId, to: &[Name]) -> bool {
        let is_of = |closed: &ClosedDelivery| to.contains(&name(closed));
        to.iter().any(|name| self.names.contains_key(name))
            && self
                .groups
                .get(&group)
                .is_some_and(|waiting| waiting.deliveries.iter().any(is_of))
    }
}

fn name(closed: &ClosedDelivery) -> Name {
    (closed.account, closed.key)
}

impl Closing {
    fn lock(&self) -> MutexGuard<'_, All> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, group: GroupId, closed: ClosedDelivery) {
        self.lock().add(group, closed);
    }

    /// Whether something waits in `group` that looks like a delivery to one of `to`.
    fn holds(&self, group: GroupId, to: &[Name]) -> bool {
        self.lock().holds(group, to)
    }

    fn turn(&self, group: GroupId) -> Arc<tokio::sync::Mutex<()>> {
        self.lock().groups.entry(group).or_default().turn.clone()
    }

    /// The first ones of a group, and the number behind the last of them.
    fn some(&self, group: GroupId) -> (Vec<ClosedDelivery>, u64) {
        let mut all = self.lock();
        let waiting = all.groups.entry(group).or_default();
        let some: Vec<_> = waiting.deliveries.iter().take(CLOSES_PER_COMMAND).collect();
        let behind = waiting.gone + some.len() as u64;
        (some.into_iter().copied().collect(), behind)
    }

    /// Those before the number `behind` are closed.
    fn done(&self, group: GroupId, behind: u64) {
        let mut all = self.lock();
        while all.groups.get(&group).is_some_and(|waiting| waiting.gone < behind) {
            all.remove_first(group);
        }
    }

    fn groups(&self) -> Vec<GroupId> {
        self.lock().groups.keys().copied().collect()
    }
}

impl Mailstore {
    /// Before a delivery: closes those that look like it, if there are any. A client that went on after our reply and
    /// sends the same again means it, also when the closer has not had its turn yet.
    pub(super) async fn close_before(&self, group: GroupId, to: &[Name], within: Duration) -> Result<(), StoreError> {
        if self.inner.closing.holds(group, to) {
            self.close_waiting(group, within).await?;
        }
        Ok(())
    }

    async fn close_waiting(&self, group: GroupId, within: Duration) -> Result<(), StoreError> {
        let closing = &self.inner.closing;
        let turn = closing.turn(group);
        let _turn = turn.lock().await;
        loop {
            let (deliveries, behind) = closing.some(group);
            if deliveries.is_empty() {
                return Ok(());
            }
            self.run(group, CloseDeliveries { deliveries }, None, within).await?;
            closing.done(group, behind);
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

    /// One to be closed in `group`.
    pub(super) fn add(&mut self, group: GroupId, closed: ClosedDelivery) {
        self.deliveries.push((group, closed));
    }

    /// Leaves those of other accounts open for good: the client was told that they do not have the message, and will
    /// send it again.
    pub fn retain(&mut self, is_told: impl Fn(AccountId) -> bool) {
        self.deliveries.retain(|(_, closed)| is_told(closed.account));
    }

    /// The client sent its next command after a reply that took the message. Never waits.
    pub fn close(self) {
        for (group, closed) in self.deliveries {
            self.store.inner.closing.add(group, closed);
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
            if let Err(error) = self.store.close_waiting(group, COMMAND_WITHIN).await {
                tracing::debug!(%group, %error, "deliveries are closed later");
            }
        }
    }
}
