//! Background work of the groups that this node leads: what log time has made due is done by `Sweep` commands.

use mail_model::GroupId;
use replication::Token;

use super::{Mailstore, StoreError, now_ms};
use crate::command::Sweep;
use crate::limits::{COMMAND_WITHIN, SWEEP_EVERY, SWEEPS_PER_TURN};
use crate::query::GetDue;

/// Sweeps until it is dropped.
pub struct Sweeper {
    store: Mailstore,
}

impl Sweeper {
    /// For the groups that this node leads at each time.
    #[must_use]
    pub fn new(store: Mailstore) -> Self {
        Self { store }
    }

    /// Runs for ever. Cancel safe: a sweep that was proposed takes effect or not.
    pub async fn run(self) {
        let mut turns = tokio::time::interval(SWEEP_EVERY);
        turns.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            turns.tick().await;
            self.turn(now_ms()).await;
        }
    }

    /// One turn over all groups that this node leads.
    async fn turn(&self, now_ms: u64) {
        let client = self.store.client();
        for group in client.mail_groups().into_iter().filter(|group| client.leads(*group)) {
            if let Err(error) = self.sweep(group, now_ms).await {
                tracing::debug!(%group, %error, "sweep is put off to the next turn");
            }
        }
    }

    pub(crate) async fn sweep(&self, group: GroupId, now_ms: u64) -> Result<(), StoreError> {
        let (due, _) = self
            .store
            .ask(group, Token::default(), GetDue { by_ms: now_ms })
            .await?;
        if !due {
            return Ok(());
        }
        for _ in 0..SWEEPS_PER_TURN {
            let (swept, _) = self.store.run(group, Sweep, None, COMMAND_WITHIN).await?;
            if !swept.more {
                break;
            }
        }
        Ok(())
    }
}
