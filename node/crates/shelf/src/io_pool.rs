//! A few threads on which one shelf's blocking calls run, so that none ever runs on an async worker.
//!
//! Invariants
//! - A job that panics ends that job alone.
//! - Closing lets queued jobs finish; failing drops them, and nobody waits for a thread that hangs in the disk.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::error::{ErrorClass, ShelfError, ShelfLabel};
use crate::limits::{IO_QUEUE_LEN_MAX, IO_THREADS};

type Job = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct Jobs {
    waiting: VecDeque<Job>,
    closing: bool,
    threads: usize,
}

struct Shared {
    jobs: Mutex<Jobs>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Jobs> {
        self.jobs.lock()
    }
}

/// Handle to the threads of one shelf.
pub(crate) struct IoPool {
    shared: Arc<Shared>,
}

impl IoPool {
    pub(crate) fn start(label: &ShelfLabel) -> Result<Self, ShelfError> {
        let shared = Arc::new(Shared {
            jobs: Mutex::default(),
            changed: Condvar::new(),
        });
        for number in 0..IO_THREADS {
            let of_thread = shared.clone();
            shared.lock().threads += 1;
            let thread = std::thread::Builder::new().name(format!("{}-io{number}", label.name));
            let started = thread.spawn(move || run(&of_thread));
            if let Err(error) = started {
                shared.lock().threads -= 1;
                Self { shared }.close();
                return Err(ShelfError::io(label, "start thread", "io", &error));
            }
        }
        Ok(Self { shared })
    }

    /// Queues a job.
    pub(crate) fn submit(&self, label: &ShelfLabel, job: Job) -> Result<(), ShelfError> {
        let mut jobs = self.shared.lock();
        if jobs.closing {
            return Err(ShelfError::new(
                label,
                ErrorClass::Closed,
                "start i/o",
                "the shelf is closed",
            ));
        }
        if jobs.waiting.len() >= IO_QUEUE_LEN_MAX {
            return Err(ShelfError::new(
                label,
                ErrorClass::Stalled,
                "start i/o",
                "too many calls wait for the shelf",
            ));
        }
        jobs.waiting.push_back(job);
        self.shared.changed.notify_one();
        Ok(())
    }

    /// Takes no more jobs; what is queued still runs.
    pub(crate) fn close(&self) {
        self.shared.lock().closing = true;
        self.shared.changed.notify_all();
    }

    /// Takes no more jobs and drops what is queued: those who wait for them are told by their dropped channel.
    pub(crate) fn fail(&self) {
        let dropped = {
            let mut jobs = self.shared.lock();
            jobs.closing = true;
            std::mem::take(&mut jobs.waiting)
        };
        drop(dropped);
        self.shared.changed.notify_all();
    }

    /// Whether all threads have ended by `deadline`.
    pub(crate) fn wait_ended(&self, deadline: Instant) -> bool {
        let mut jobs = self.shared.lock();
        while jobs.threads > 0 {
            if self.shared.changed.wait_until(&mut jobs, deadline).timed_out() {
                return jobs.threads == 0;
            }
        }
        true
    }
}

fn run(shared: &Shared) {
    let mut jobs = shared.lock();
    loop {
        if let Some(job) = jobs.waiting.pop_front() {
            drop(jobs);
            if catch_unwind(AssertUnwindSafe(job)).is_err() {
                tracing::error!("a call on a shelf's i/o thread panicked");
            }
            jobs = shared.lock();
        } else if jobs.closing {
            break;
        } else {
            shared.changed.wait(&mut jobs);
        }
    }
    jobs.threads -= 1;
    shared.changed.notify_all();
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_panicking_job_leaves_the_threads_running() {
        let label = ShelfLabel::new("s", 1);
        let pool = IoPool::start(&label).expect("starts");
        for _ in 0..2 * IO_THREADS {
            pool.submit(&label, Box::new(|| panic!("injected"))).expect("queued");
        }
        let (sender, receiver) = mpsc::channel();
        pool.submit(&label, Box::new(move || sender.send(5).expect("test waits")))
            .expect("queued");
        assert_eq!(receiver.recv().expect("ran"), 5);
        pool.close();
        assert!(pool.wait_ended(Instant::now() + Duration::from_secs(60)));
        assert!(pool.submit(&label, Box::new(|| ())).is_err());
    }
}
