//! ReadIndex, coalesced: however many sessions ask, one question per group is under way (DESIGN D6).
//!
//! Invariant: an answer comes from a round that began after it was asked for, so it covers everything acknowledged
//! before.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mail_model::GroupId;
use openraft::type_config::TypeConfigExt;
use tokio::sync::oneshot;

use crate::api::{ReadError, Token};
use crate::deadline::Deadline;
use crate::limits::ATTEMPT_MS;
use crate::node::{Inner, Replicator};
use crate::types::GroupTypes;

type Waiter = oneshot::Sender<Result<Token, ReadError>>;

#[derive(Default)]
struct Round {
    is_running: bool,
    waiting: Vec<Waiter>,
}

/// Who waits for which group.
#[derive(Default)]
pub(crate) struct ReadIndexes {
    rounds: Mutex<HashMap<GroupId, Round>>,
}

impl ReadIndexes {
    /// Joins the next round of a group. Returns whether the caller has to start one.
    fn join(&self, group: GroupId, waiter: Waiter) -> bool {
        let mut rounds = self.rounds.lock().unwrap_or_else(PoisonError::into_inner);
        let round = rounds.entry(group).or_default();
        round.waiting.push(waiter);
        !std::mem::replace(&mut round.is_running, true)
    }

    /// Those for whom the round that begins now is; empty, and the end, when there is nobody.
    fn begin(&self, group: GroupId) -> Vec<Waiter> {
        let mut rounds = self.rounds.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = rounds
            .get_mut(&group)
            .map(|round| std::mem::take(&mut round.waiting))
            .unwrap_or_default();
        if waiting.is_empty() {
            rounds.remove(&group);
        }
        waiting
    }
}

impl<C: GroupTypes> Replicator<C> {
    pub(crate) async fn read_index_coalesced(&self, group: GroupId, within: Duration) -> Result<Token, ReadError> {
        let (waiter, answer) = oneshot::channel();
        if self.inner.reads.join(group, waiter) {
            drop(C::spawn(run_rounds(self.inner.clone(), group)));
        }
        match C::timeout(within, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(unavailable(group, "the node is stopping")),
            Err(_) => Err(unavailable(group, "no leader confirmed itself in time")),
        }
    }
}

fn unavailable(group: GroupId, reason: &str) -> ReadError {
    let reason = reason.to_owned();
    ReadError::Unavailable { group, reason }
}

async fn run_rounds<C: GroupTypes>(inner: Arc<Inner<C>>, group: GroupId) {
    loop {
        let waiting = inner.reads.begin(group);
        if waiting.is_empty() {
            return;
        }
        let answer = inner
            .ask_read_index(group, Deadline::after(Duration::from_millis(ATTEMPT_MS)))
            .await;
        for waiter in waiting {
            // Whoever gave up needs no answer.
            let _ = waiter.send(answer.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_during_a_round_waits_for_the_next_one() {
        let (reads, group) = (ReadIndexes::default(), GroupId(1));
        let waiter = || oneshot::channel().0;
        assert!(reads.join(group, waiter()));
        assert_eq!(reads.begin(group).len(), 1);
        assert!(!reads.join(group, waiter()));
        assert!(!reads.join(group, waiter()));
        assert_eq!(reads.begin(group).len(), 2);
        assert!(reads.begin(group).is_empty());
        assert!(reads.join(group, waiter()));
    }
}
