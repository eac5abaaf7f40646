//! Hashing on a bounded pool: a flood of log-ins takes neither all cores nor all memory (DESIGN D22).
//!
//! Invariant: at most `at_once` hashes run and at most [`HASHES_QUEUED_MAX`] run or wait.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::limits::{HASH_WAIT, HASHES_QUEUED_MAX};

/// Too much is to be hashed: come again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many passwords are being checked")]
pub(super) struct Busy;

pub(super) struct HashPool {
    running: Arc<Semaphore>,
    queued: Arc<Semaphore>,
}

impl HashPool {
    pub(super) fn new(at_once: usize) -> Self {
        Self {
            running: Arc::new(Semaphore::new(at_once.max(1))),
            queued: Arc::new(Semaphore::new(HASHES_QUEUED_MAX)),
        }
    }

    /// Half of the cores: the other half serves those who are in already.
    pub(super) fn for_this_machine() -> Self {
        Self::new(std::thread::available_parallelism().map_or(1, |cores| cores.get() / 2))
    }

    /// Runs `hash` when its turn comes. Cancel safe: a dropped call gives up its place, or lets what runs come to its end
    /// under its permit.
    pub(super) async fn run<T: Send + 'static>(&self, hash: impl FnOnce() -> T + Send + 'static) -> Result<T, Busy> {
        let place = self.queued.clone().try_acquire_owned().map_err(|_| Busy)?;
        let turn = tokio::time::timeout(HASH_WAIT, self.running.clone().acquire_owned());
        let turn = turn.await.map_err(|_| Busy)?.map_err(|_| Busy)?;
        let hashed = tokio::task::spawn_blocking(move || {
            let hashed = hash();
            drop((place, turn));
            hashed
        });
        // It ends without a result only when the runtime shuts down.
        hashed.await.map_err(|_| Busy)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn no_more_run_at_once_than_allowed() {
        static RUNNING: AtomicUsize = AtomicUsize::new(0);
        static MOST: AtomicUsize = AtomicUsize::new(0);
        let pool = Arc::new(HashPool::new(2));
        let hashes = (0..50).map(|_| {
            let pool = pool.clone();
            tokio::spawn(async move {
                let hash = || {
                    MOST.fetch_max(RUNNING.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    std::thread::yield_now();
                    RUNNING.fetch_sub(1, Ordering::SeqCst);
                };
                pool.run(hash).await
            })
        });
        for hash in hashes.collect::<Vec<_>>() {
            assert_eq!(hash.await.expect("ran"), Ok(()));
        }
        assert!((1..=2).contains(&MOST.load(Ordering::SeqCst)));
    }

    #[tokio::test]
    async fn past_the_queue_s_bound_one_is_told_to_come_again() {
        let pool = Arc::new(HashPool::new(1));
        let (release, blocked) = mpsc::channel::<()>();
        let first = tokio::spawn({
            let pool = pool.clone();
            async move { pool.run(move || blocked.recv().is_ok()).await }
        });
        let waiting: Vec<_> = (1..HASHES_QUEUED_MAX)
            .map(|n| {
                let pool = pool.clone();
                tokio::spawn(async move { pool.run(move || n).await })
            })
            .collect();
        while pool.queued.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(pool.run(|| ()).await, Err(Busy));
        waiting.iter().take(10).for_each(tokio::task::JoinHandle::abort);
        while pool.queued.available_permits() < 10 {
            tokio::task::yield_now().await;
        }
        release.send(()).expect("still running");
        assert_eq!(first.await.expect("ran"), Ok(true));
        assert_eq!(
            pool.run(|| 7).await,
            Ok(7),
            "places of those who gave up are free again"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_too_long_is_told_to_come_again() {
        let pool = HashPool::new(1);
        let turn = pool.running.clone().acquire_owned().await.expect("open");
        assert_eq!(pool.run(|| ()).await, Err(Busy));
        drop(turn);
        assert_eq!(pool.queued.available_permits(), HASHES_QUEUED_MAX);
    }
}
