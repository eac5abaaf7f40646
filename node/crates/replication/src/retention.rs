//! How long a replica keeps its log: by bytes, and for followers that were away twice as long (DESIGN D7).
//!
//! Invariant: nothing is purged that is not applied, and no leader purges what a follower that is not far behind still
//! needs.

use std::sync::Weak;
use std::time::Duration;

use openraft::type_config::TypeConfigExt;

use crate::limits::LOG_CHECK_MS;
use crate::node::{Inner, Replicator};
use crate::replica::ReplicaStatus;
use crate::types::GroupTypes;

/// Up to which entry a replica may purge its log, that has grown by `grown` bytes since it was purged last and should
/// keep about `keep`.
fn purge_upto(status: &ReplicaStatus, grown: u64, keep: u64) -> Option<u64> {
    if grown < keep || status.applied_index == 0 {
        return None;
    }
    if !status.leads || grown >= keep.saturating_mul(2) {
        return Some(status.applied_index);
    }
    let slowest = status.matched.iter().map(|(_, index)| *index).min();
    Some(slowest.unwrap_or(u64::MAX).min(status.applied_index)).filter(|upto| *upto > 0)
}

impl<C: GroupTypes> Replicator<C> {
    /// Starts looking after the logs of the replicas here, each of which keeps about `keep_bytes`
    /// ([`crate::limits::LOG_KEEP_BYTES`]), and takes founding learners in; ends with the last handle.
    pub fn tend_logs(&self, keep_bytes: u64) {
        drop(C::spawn(tend(std::sync::Arc::downgrade(&self.inner), keep_bytes)));
    }
}

async fn tend<C: GroupTypes>(inner: Weak<Inner<C>>, keep_bytes: u64) {
    loop {
        C::sleep(Duration::from_millis(LOG_CHECK_MS)).await;
        let Some(inner) = inner.upgrade() else { return };
        for replica in inner.all() {
            let status = replica.status();
            if let Some(upto) = purge_upto(&status, replica.log_grown(), keep_bytes) {
                replica.purge(upto).await;
            }
            if status.leads {
                inner.take_learners_in(&status).await;
            }
        }
    }
}

impl<C: GroupTypes> Inner<C> {
    async fn take_learners_in(&self, status: &ReplicaStatus) {
        let Some((plan, replica)) = self.groups.get(&status.group).zip(self.replica(status.replica)) else {
            return;
        };
        for (id, place) in &plan.learners {
            if status.members.iter().all(|(member, ..)| member != id)
                && let Err(error) = replica.add_learner(*id, *place).await
            {
                tracing::warn!(group = %status.group, learner = %id, error, "learner was not taken in, trying again later");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mail_model::{GroupId, ReplicaId};

    const KEEP: u64 = 1_000;

    fn leader(applied_index: u64, matched: &[u64]) -> ReplicaStatus {
        ReplicaStatus {
            replica: ReplicaId(1),
            group: GroupId(1),
            leads: true,
            votes: true,
            leader: Some(ReplicaId(1)),
            term: 1,
            last_index: applied_index,
            committed_index: applied_index,
            applied_index,
            members: Vec::new(),
            matched: (1..).map(ReplicaId).zip(matched.iter().copied()).collect(),
            stopped: None,
        }
    }

    #[test]
    fn a_small_log_stays() {
        assert_eq!(purge_upto(&leader(100, &[100, 100]), KEEP - 1, KEEP), None);
    }

    #[test]
    fn a_follower_that_was_away_keeps_the_log_for_a_while() {
        assert_eq!(purge_upto(&leader(100, &[100, 40]), KEEP, KEEP), Some(40));
        assert_eq!(purge_upto(&leader(100, &[100, 0]), KEEP, KEEP), None);
        assert_eq!(purge_upto(&leader(100, &[100, 40]), 2 * KEEP, KEEP), Some(100));
    }

    #[test]
    fn a_follower_purges_what_it_has_applied() {
        let follower = ReplicaStatus {
            leads: false,
            ..leader(70, &[])
        };
        assert_eq!(purge_upto(&follower, KEEP, KEEP), Some(70));
    }
}
