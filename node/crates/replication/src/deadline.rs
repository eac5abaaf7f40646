//! An instant by which a call must have ended, on whichever clock the runtime has.

use std::time::Duration;

use openraft::Instant;
use openraft::type_config::TypeConfigExt;

use crate::limits::{RETRY_MS_MAX, RETRY_MS_MIN};
use crate::types::{GroupTypes, InstantOf};

/// See the module.
pub(crate) struct Deadline<C: GroupTypes>(InstantOf<C>);

impl<C: GroupTypes> Clone for Deadline<C> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C: GroupTypes> Copy for Deadline<C> {}

impl<C: GroupTypes> Deadline<C> {
    pub(crate) fn after(within: Duration) -> Self {
        Self(C::now() + within)
    }

    /// This much earlier.
    pub(crate) fn earlier_by(self, by: Duration) -> Self {
        Self(self.0 - by)
    }

    /// Zero once it is over.
    pub(crate) fn left(self) -> Duration {
        self.0.saturating_duration_since(C::now())
    }

    pub(crate) fn is_over(self) -> bool {
        self.left().is_zero()
    }
}

/// Pauses between attempts: doubling, bounded, and jittered by half, so that many who fail together do not come back
/// together.
pub(crate) struct Pauses {
    next_ms: u64,
    /// Different for every caller; its bits give the jitter.
    seed: u64,
}

impl Pauses {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            next_ms: RETRY_MS_MIN,
            seed,
        }
    }

    /// The next pause.
    pub(crate) fn next(&mut self) -> Duration {
        let full = self.next_ms;
        self.next_ms = (full * 2).min(RETRY_MS_MAX);
        // One step of an LCG (Knuth): good enough to spread callers, and the same in every run of a simulation.
        self.seed = self
            .seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        Duration::from_millis(full / 2 + (self.seed >> 33) % (full / 2 + 1))
    }

    /// After news, which may make the next attempt succeed at once.
    pub(crate) fn reset(&mut self) {
        self.next_ms = RETRY_MS_MIN;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_their_bound_and_differ_between_callers() {
        let mut pauses = Pauses::new(1);
        let taken: Vec<_> = (0..40).map(|_| pauses.next()).collect();
        assert!(taken[0] <= Duration::from_millis(RETRY_MS_MIN));
        assert!(taken.iter().all(|pause| *pause <= Duration::from_millis(RETRY_MS_MAX)));
        assert!(
            taken[20..]
                .iter()
                .all(|pause| *pause >= Duration::from_millis(RETRY_MS_MAX / 2))
        );
        let mut other = Pauses::new(2);
        assert_ne!(taken, (0..40).map(|_| other.next()).collect::<Vec<_>>());
    }
}
