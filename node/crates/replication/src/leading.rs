//! Keeps a node whose clock is off the median from leading (DESIGN D5).
//!
//! Invariants
//! - Such a node hands over what it leads and does not campaign, unless its group has been without a leader for
//!   [`LEADERLESS_MS`]: what only it can lead is led rather than lost, with the median for log time.
//! - Elections decide, as always in Raft; a wrong verdict here costs an election and nothing else.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use mail_model::{GroupId, NodeId};
use openraft::Instant;
use openraft::type_config::TypeConfigExt;

use crate::clock::{ClockJudge, ClockStatus, Instants};
use crate::limits::{HAND_OVER_RETRY_MS, LEADERLESS_MS};
use crate::node::{Inner, Replicator};
use crate::types::{GroupTypes, InstantOf, ReplicaPlace};

/// What is remembered between two looks.
pub(crate) struct ClockWatch<C: GroupTypes> {
    before: ClockStatus,
    /// When a group was last seen to have a leader that is in order, or this clock went off.
    led: HashMap<GroupId, InstantOf<C>>,
    handed_over: HashMap<GroupId, InstantOf<C>>,
}

impl<C: GroupTypes> Default for ClockWatch<C> {
    fn default() -> Self {
        Self {
            before: ClockStatus::default(),
            led: HashMap::new(),
            handed_over: HashMap::new(),
        }
    }
}

impl<C: GroupTypes> Replicator<C> {
    /// How this node's clock is, next to those of the others.
    #[must_use]
    pub fn clock(&self) -> ClockStatus {
        self.inner.clock_status()
    }
}

impl<C: GroupTypes> Inner<C> {
    pub(crate) fn mono_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn instants(&self) -> Instants {
        Instants {
            mono_ms: self.mono_ms(),
            wall_ms: self.clock.now_ms(),
        }
    }

    pub(crate) fn judge(&self) -> MutexGuard<'_, ClockJudge> {
        self.judge.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Log time for what is proposed now.
    pub(crate) fn stamp_ms(&self) -> u64 {
        self.judge().stamp_ms(self.instants())
    }

    /// This node's time, for the others to compare theirs with.
    pub(crate) fn timeline_ms(&self) -> u64 {
        self.judge().timeline_ms(self.instants())
    }

    pub(crate) fn clock_status(&self) -> ClockStatus {
        self.judge().status(self.instants())
    }

    /// Nodes, this one among them, whose clocks are off the median.
    pub(crate) fn off_clock(&self) -> BTreeSet<NodeId> {
        let now = self.instants();
        let mut judge = self.judge();
        let own = judge.status(now).is_off.then_some(self.node);
        judge.others_off(now).into_iter().chain(own).collect()
    }

    /// Who had better not lead: for its clock, or for its shelf or node.
    pub(crate) fn unfit_to_lead(&self) -> impl Fn(ReplicaPlace) -> bool + Send + Sync + use<C> {
        let (health, off) = (self.health.borrow().clone(), self.off_clock());
        move |place| health.is_bad(place) || off.contains(&place.node)
    }

    /// One look at the clock, and at what this node leads.
    pub(crate) fn keep_to_the_clock(self: &Arc<Self>, watch: &mut ClockWatch<C>) {
        let status = self.clock_status();
        tell(watch.before, status);
        let was_off = std::mem::replace(&mut watch.before, status).is_off;
        if !status.is_off {
            if was_off {
                self.all().iter().for_each(|replica| replica.set_campaigns(true));
            }
            watch.led.clear();
            return;
        }
        let health = self.health.borrow().clone();
        for replica in self.all() {
            let group = replica.group();
            let is_led = replica.leader().is_some_and(|(_, place)| !health.is_bad(place));
            let led = watch.led.entry(group).or_insert_with(C::now);
            if is_led {
                *led = C::now();
            }
            let leaderless = led.elapsed() >= Duration::from_millis(LEADERLESS_MS);
            replica.set_campaigns(leaderless);
            if !replica.leads() {
                continue;
            }
            let retry = Duration::from_millis(HAND_OVER_RETRY_MS);
            if watch.handed_over.get(&group).is_none_or(|at| at.elapsed() >= retry) {
                watch.handed_over.insert(group, C::now());
                let unfit = self.unfit_to_lead();
                drop(C::spawn(async move { replica.hand_over(unfit).await }));
            }
        }
    }
}

/// Says what has changed.
fn tell(before: ClockStatus, now: ClockStatus) {
    match (before.is_off, now.is_off) {
        (false, true) => tracing::error!(
            ahead_ms = now.ahead_ms,
            "the clock of this node is off the other nodes' clocks: it does not lead until the clock is set right"
        ),
        (true, false) => tracing::info!("the clock of this node is right again"),
        _ => {}
    }
    match (before.jumped_ms, now.jumped_ms) {
        (None, Some(jumped_ms)) => tracing::error!(
            jumped_ms,
            "the clock of this node has jumped: nothing expires by the new time until it is shown to be right"
        ),
        (Some(_), None) => tracing::info!("the clock of this node is believed again"),
        _ => {}
    }
}
