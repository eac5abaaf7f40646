//! Passwords that were right a moment ago, so that the tenth connection of a mail program costs no Argon2.
//!
//! Why it is safe: an entry is a MAC of account, credential version and password under a key that is drawn at start and
//! lives in this process's memory only, so whoever reads an entry without the key learns nothing, and whoever reads the key
//! could read passwords as they arrive. An entry answers for one version of the credentials: a new password makes it
//! useless at once. It says nothing about the account's state, which is looked at each time. Failures are not kept, so
//! guessing gets no cheaper.
//!
//! Invariants: at most [`SUCCESSES_MAX`] entries, none older than [`SUCCESS_AGE`] counts; `order` holds them by age.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use aws_lc_rs::hmac;
use mail_model::{AccountId, Secret};

use super::limits::{SUCCESS_AGE, SUCCESSES_MAX};

/// What stands for one right password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Entry([u8; 32]);

pub(super) struct SuccessCache {
    key: hmac::Key,
    entries: HashMap<Entry, Instant>,
    order: VecDeque<(Instant, Entry)>,
}

impl SuccessCache {
    /// An empty cache under a fresh key; `None` when the system has no randomness to give.
    pub(super) fn new() -> Option<Self> {
        let mut key = [0; 32];
        aws_lc_rs::rand::fill(&mut key).ok()?;
        Some(Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, &key),
            entries: HashMap::new(),
            order: VecDeque::new(),
        })
    }

    /// The entry of a password. The numbers have a fixed width, so that no two inputs read the same.
    pub(super) fn entry(&self, account: AccountId, credential_version: u64, password: &Secret) -> Entry {
        let mut mac = hmac::Context::with_key(&self.key);
        mac.update(&account.0.to_be_bytes());
        mac.update(&credential_version.to_be_bytes());
        mac.update(password.expose().as_bytes());
        let tag = mac.sign();
        let mut entry = [0; 32];
        entry.iter_mut().zip(tag.as_ref()).for_each(|(to, from)| *to = *from);
        Entry(entry)
    }

    /// Whether that password was right lately.
    pub(super) fn knows(&self, entry: &Entry, now: Instant) -> bool {
        self.entries.get(entry).is_some_and(|since| is_young(*since, now))
    }

    /// It was right just now. The age counts from here, not from later uses: each password is hashed again in the end.
    pub(super) fn remember(&mut self, entry: Entry, now: Instant) {
        while let Some((since, oldest)) = self.order.front()
            && (!is_young(*since, now) || self.order.len() >= SUCCESSES_MAX)
        {
            // Remembered anew meanwhile, it stays for the later place that it has in `order`.
            if self.entries.get(oldest) == Some(since) {
                self.entries.remove(oldest);
            }
            self.order.pop_front();
        }
        self.entries.insert(entry, now);
        self.order.push_back((now, entry));
    }
}

fn is_young(since: Instant, now: Instant) -> bool {
    now.saturating_duration_since(since) < SUCCESS_AGE
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    #[test]
    fn only_the_same_account_version_and_password_is_known() {
        let mut cache = SuccessCache::new().expect("random");
        let now = Instant::now();
        let entry = cache.entry(AccountId(1), 7, &secret("x"));
        cache.remember(entry, now);
        assert!(cache.knows(&cache.entry(AccountId(1), 7, &secret("x")), now));
        for other in [
            cache.entry(AccountId(2), 7, &secret("x")),
            cache.entry(AccountId(1), 8, &secret("x")),
            cache.entry(AccountId(1), 7, &secret("y")),
        ] {
            assert!(!cache.knows(&other, now));
        }
        let elsewhere = SuccessCache::new().expect("random");
        assert_ne!(
            elsewhere.entry(AccountId(1), 7, &secret("x")),
            entry,
            "two starts share a key"
        );
    }

    #[test]
    fn an_entry_ages_from_the_hash_on() {
        let mut cache = SuccessCache::new().expect("random");
        let start = Instant::now();
        let entry = cache.entry(AccountId(1), 7, &secret("x"));
        cache.remember(entry, start);
        assert!(cache.knows(&entry, start + SUCCESS_AGE - Duration::from_millis(1)));
        assert!(!cache.knows(&entry, start + SUCCESS_AGE));
        cache.remember(entry, start + SUCCESS_AGE);
        assert!(cache.knows(&entry, start + SUCCESS_AGE));
        assert_eq!((cache.entries.len(), cache.order.len()), (1, 1));
    }

    #[test]
    fn the_cache_has_a_bound_and_the_oldest_go() {
        let mut cache = SuccessCache::new().expect("random");
        let now = Instant::now();
        let entry = |cache: &SuccessCache, n: usize| cache.entry(AccountId(n as u64), 0, &secret("x"));
        for n in 0..SUCCESSES_MAX + 10 {
            cache.remember(entry(&cache, n), now);
        }
        assert_eq!((cache.entries.len(), cache.order.len()), (SUCCESSES_MAX, SUCCESSES_MAX));
        assert!(!cache.knows(&entry(&cache, 9), now));
        assert!(cache.knows(&entry(&cache, 10), now));
    }
}
