//! A value that tasks wait on. As tokio's `watch`, but who waits is woken in the order of waiting: tokio wakes in an order
//! that it draws by lot, and a simulation has to be the same each time.
//!
//! Invariant: nobody waits for a change that happened after it began to look.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Watched<T> {
    value: Mutex<T>,
    changed: Notify,
}

impl<T> Watched<T> {
    pub(crate) fn new(value: T) -> Self {
        Self {
            value: Mutex::new(value),
            changed: Notify::new(),
        }
    }

    /// What it is now. Not to be held for long, and not across a wait.
    pub(crate) fn borrow(&self) -> MutexGuard<'_, T> {
        self.value.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn replace(&self, value: T) {
        *self.borrow() = value;
        self.changed.notify_waiters();
    }

    /// Wakes who waits if `modify` says that it changed something, and returns what it says.
    pub(crate) fn modify(&self, modify: impl FnOnce(&mut T) -> bool) -> bool {
        let has_changed = modify(&mut self.borrow());
        if has_changed {
            self.changed.notify_waiters();
        }
        has_changed
    }

    /// Waits until the value is as wanted. Cancel safe.
    pub(crate) async fn wait_for(&self, is_wanted: impl Fn(&T) -> bool) {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if is_wanted(&self.borrow()) {
                return;
            }
            changed.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn who_waits_is_woken_by_what_it_waits_for_in_its_order() {
        let watched = Arc::new(Watched::new(0));
        let woken = Arc::new(Mutex::new(Vec::new()));
        let waits = (0..20).map(|number| {
            let (watched, woken) = (watched.clone(), woken.clone());
            tokio::spawn(async move {
                watched.wait_for(|value| *value >= 2).await;
                woken.lock().unwrap().push(number);
            })
        });
        let waits: Vec<_> = waits.collect();
        tokio::task::yield_now().await;
        watched.replace(1);
        tokio::task::yield_now().await;
        assert!(!watched.modify(|_| false) && woken.lock().unwrap().is_empty());
        assert!(watched.modify(|value| {
            *value = 2;
            true
        }));
        for wait in waits {
            wait.await.unwrap();
        }
        assert_eq!(*woken.lock().unwrap(), (0..20).collect::<Vec<_>>());
        watched.wait_for(|value| *value == 2).await;
    }
}
