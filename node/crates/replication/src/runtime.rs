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

/// When a sleep until `deadline` ends, if it begins at `now`; halfway between two common instants at times, if `is_odd`.
fn due(origin: TokioInstant, now: TokioInstant, deadline: TokioInstant, is_odd: bool) -> TokioInstant {
    if deadline < now + Duration::from_millis(SHORT_SLEEP_MS) {
        return deadline;
    }
    let step_us = u128::from(TICK_MS * if is_odd { 500 } else { 1_000 });
    let late_us = step_us - (deadline - origin).as_micros() % step_us;
    deadline + Duration::from_micros(u64::try_from(late_us).unwrap_or(0))
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
        let is_odd = rand::rng().random_ratio(1, TICKS_PER_ODD_ONE);
        TokioRuntime::sleep_until(due(origin(), TokioInstant::now(), deadline, is_odd))
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
        let due = |ms, is_odd| due(now, now, after(ms), is_odd);
        assert_eq!(due(SHORT_SLEEP_MS - 1, false), after(SHORT_SLEEP_MS - 1));
        for ms in [SHORT_SLEEP_MS, TICK_MS / 2, TICK_MS - 1] {
            assert_eq!(due(ms, false), after(TICK_MS));
        }
        assert_eq!(due(3 * TICK_MS + 1, false), after(4 * TICK_MS));
        assert_eq!(due(TICK_MS / 2 - 1, true), after(TICK_MS / 2));
        assert_eq!(due(TICK_MS / 2 + 1, true), after(TICK_MS));
    }
}
