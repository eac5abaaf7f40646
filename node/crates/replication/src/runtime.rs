//! The runtime that openraft has on a node: tokio, with the timers of all groups falling due together.
//!
//! openraft looks at the timers of a group five times a heartbeat. With many groups that nobody asks anything, each look
//! alone would wake a thread; at common instants one wake serves them all.
//!
//! Invariants
//! - A sleep never ends before its deadline, and at most [`TICK_MS`] after it; a short one ends at its deadline.
//! - Where the common instants fall is drawn anew by each process, and some sleeps end between two: replicas of a group do
//!   not campaign together for ever.

use std::future::Future;
use std::sync::OnceLock;
use std::time::Duration;

use openraft::OptionalSend;
use openraft::async_runtime::{AsyncRuntime, Instant};
use openraft::impls::TokioRuntime;
use rand::RngExt;

use crate::limits::{SHORT_SLEEP_MS, TICK_MS, TICKS_PER_ODD_ONE};

type TokioInstant = <TokioRuntime as AsyncRuntime>::Instant;

/// tokio, with long sleeps that end together.
#[derive(Debug)]
pub struct NodeRuntime(TokioRuntime);

/// An instant at which timers fall due; all others are whole ticks from it.
fn origin() -> TokioInstant {
    static ORIGIN: OnceLock<TokioInstant> = OnceLock::new();
    *ORIGIN.get_or_init(|| TokioInstant::now() - Duration::from_millis(rand::rng().random_range(0..TICK_MS)))
}

/// When a sleep from `now` until `deadline` ends: a long one at the first instant that is whole steps from `origin`.
fn due(
    origin: TokioInstant,
    now: TokioInstant,
    deadline: TokioInstant,
    step: impl FnOnce() -> Duration,
) -> TokioInstant {
    // The short ones come with every write, the long ones are looks at timers.
    if deadline < now + Duration::from_millis(SHORT_SLEEP_MS) {
        return deadline;
    }
    let at_us = (deadline - origin).as_micros();
    let late_us = at_us.next_multiple_of(step().as_micros()) - at_us;
    deadline + Duration::from_micros(u64::try_from(late_us).unwrap_or(0))
}

/// Time between the instants of which one ends the next sleep: a tick, at times half of it.
fn next_step() -> Duration {
    let tick = Duration::from_millis(TICK_MS);
    let is_odd = rand::rng().random_ratio(1, TICKS_PER_ODD_ONE);
    if is_odd { tick / 2 } else { tick }
}

impl AsyncRuntime for NodeRuntime {
    type JoinError = <TokioRuntime as AsyncRuntime>::JoinError;
    type JoinHandle<T: OptionalSend + 'static> = <TokioRuntime as AsyncRuntime>::JoinHandle<T>;
    type Sleep = <TokioRuntime as AsyncRuntime>::Sleep;
    type Instant = TokioInstant;
    type TimeoutError = <TokioRuntime as AsyncRuntime>::TimeoutError;
    type Timeout<R, T: Future<Output = R> + OptionalSend> = <TokioRuntime as AsyncRuntime>::Timeout<R, T>;
    type ThreadLocalRng = <TokioRuntime as AsyncRuntime>::ThreadLocalRng;
    type Mpsc = <TokioRuntime as AsyncRuntime>::Mpsc;
    type Watch = <TokioRuntime as AsyncRuntime>::Watch;
    type Oneshot = <TokioRuntime as AsyncRuntime>::Oneshot;
    type Mutex<T: OptionalSend + 'static> = <TokioRuntime as AsyncRuntime>::Mutex<T>;

    fn spawn<T>(future: T) -> Self::JoinHandle<T::Output>
    where
        T: Future + OptionalSend + 'static,
        T::Output: OptionalSend + 'static,
    {
        TokioRuntime::spawn(future)
    }

    fn sleep(duration: Duration) -> Self::Sleep {
        TokioRuntime::sleep(duration)
    }

    fn sleep_until(deadline: Self::Instant) -> Self::Sleep {
        TokioRuntime::sleep_until(due(origin(), TokioInstant::now(), deadline, next_step))
    }

    fn timeout<R, F: Future<Output = R> + OptionalSend>(duration: Duration, future: F) -> Self::Timeout<R, F> {
        TokioRuntime::timeout(duration, future)
    }

    fn timeout_at<R, F: Future<Output = R> + OptionalSend>(deadline: Self::Instant, future: F) -> Self::Timeout<R, F> {
        TokioRuntime::timeout_at(deadline, future)
    }

    fn is_panic(join_error: &Self::JoinError) -> bool {
        TokioRuntime::is_panic(join_error)
    }

    fn thread_rng() -> Self::ThreadLocalRng {
        TokioRuntime::thread_rng()
    }

    fn new(threads: usize) -> Self {
        Self(TokioRuntime::new(threads))
    }

    fn block_on<F: Future<Output = T>, T>(&mut self, future: F) -> T {
        self.0.block_on(future)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_sleeps_end_together_and_short_ones_in_time() {
        let now = TokioInstant::now();
        let after = |ms| now + Duration::from_millis(ms);
        let due = |step, ms| due(now, now, after(ms), || Duration::from_millis(step));
        assert_eq!(due(500, SHORT_SLEEP_MS - 1), after(SHORT_SLEEP_MS - 1));
        for ms in [SHORT_SLEEP_MS, 250, 499, 500] {
            assert_eq!(due(500, ms), after(500));
        }
        assert_eq!(due(500, 501), after(1_000));
        assert_eq!((due(250, 249), due(250, 251)), (after(250), after(500)));
    }

    #[test]
    fn no_sleep_ends_early() {
        let now = TokioInstant::now();
        let deadline = now + Duration::from_millis(500) + Duration::from_nanos(1);
        assert!(due(now, now, deadline, || Duration::from_millis(500)) >= deadline);
    }

    #[test]
    fn a_step_is_a_tick_or_half_of_one() {
        let tick = Duration::from_millis(TICK_MS);
        let steps: Vec<_> = (0..1_000).map(|_| next_step()).collect();
        assert!(steps.contains(&tick) && steps.contains(&(tick / 2)));
        assert!(steps.iter().all(|step| [tick, tick / 2].contains(step)));
    }
}
