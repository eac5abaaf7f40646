//! Log-in by name and password, over the directory.
//!
//! The order of one attempt: look at the local replica, wait what the throttle asks for, check; when that says no, read
//! fresh and, where something newer is known, check again. Every way to "wrong" takes the same steps, so that time does not
//! tell whether a name exists.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use mail_model::{AccountId, Address, GroupId, Secret};
use mailstore::directory::{AccountState, Credential, Directory, LoginRecord, Read, Unavailable};

use super::credential;
use super::password::{self, UnfitPassword};
use super::pool::{Busy, HashPool};
use super::success_cache::SuccessCache;
use super::throttle::{Aim, Network, Throttle};

/// Somebody who has proved to be the owner of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedIn {
    /// Which account.
    pub account: AccountId,
    /// The mail group that holds it.
    pub group: GroupId,
    /// The address that the account is called by, whatever name was given.
    pub address: Address,
    /// Of the credentials that were proved: others are newer or older.
    pub credential_version: u64,
}

/// Why somebody is not let in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    /// Permanent: no such name, or not its password; nobody is told which.
    #[error("name or password is wrong")]
    Denied,
    /// Permanent, until an administrator changes it. Said to those only who know the password.
    #[error("the account is disabled")]
    Disabled,
    /// Temporary: the account is being made.
    #[error("the account is not ready yet")]
    NotReady,
    /// Temporary: too many passwords are being checked.
    #[error("the server is busy checking passwords")]
    Busy,
    /// Temporary: the directory cannot say no for certain.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl LoginError {
    /// Whether the same attempt would fail again: `AUTHENTICATIONFAILED` rather than `UNAVAILABLE`.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        matches!(self, Self::Denied | Self::Disabled)
    }
}

/// What metrics call the ways in which a log-in may end.
pub(crate) const LOGIN_OUTCOMES: [&str; 3] = ["accepted", "denied", "unavailable"];

fn label(outcome: &Result<LoggedIn, LoginError>) -> &'static str {
    let [accepted, denied, unavailable] = LOGIN_OUTCOMES;
    match outcome {
        Ok(_) => accepted,
        Err(error) if error.is_permanent() => denied,
        Err(_) => unavailable,
    }
}

impl From<Busy> for LoginError {
    fn from(_: Busy) -> Self {
        Self::Busy
    }
}

/// Why a password was not made into credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MakeError {
    /// No password should be that.
    #[error(transparent)]
    Unfit(#[from] UnfitPassword),
    /// Too many passwords are being checked.
    #[error("the server is busy checking passwords")]
    Busy,
    /// The system has no randomness to give.
    #[error("the system gives no random bytes")]
    NoRandomness,
}

/// Checks log-ins of one node. One per process, shared by all listeners.
pub struct Authenticator {
    directory: Directory,
    pool: HashPool,
    names: RandomState,
    memory: Mutex<Memory>,
}

/// What earlier attempts left behind. Locked for look-ups only, never across an await.
struct Memory {
    successes: SuccessCache,
    throttle: Throttle,
}

impl Authenticator {
    /// An authenticator over `directory`, with an empty memory.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn new(directory: Directory) -> Result<Self, MakeError> {
        let memory = Memory {
            successes: SuccessCache::new().ok_or(MakeError::NoRandomness)?,
            throttle: Throttle::default(),
        };
        Ok(Self {
            directory,
            pool: HashPool::for_this_machine(),
            names: RandomState::new(),
            memory: Mutex::new(memory),
        })
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        // Look-ups and counters: whoever panicked in between left nothing half-done that matters.
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the credentials of a new password: of every scheme, under fresh salts.
    ///
    /// # Errors
    /// When it cannot be a password, or cannot be hashed now.
    pub async fn make_credentials(&self, password: &Secret) -> Result<Vec<Credential>, MakeError> {
        let password = password::prepare(password);
        password::check(&password)?;
        let made = self.pool.run(move || credential::make(&password));
        made.await
            .map_err(|Busy| MakeError::Busy)?
            .ok_or(MakeError::NoRandomness)
    }

    /// Lets in whoever knows the password of the account called `name`: a full address, or a bare name in the default
    /// domain. `peer` is where the connection comes from. Cancel safe.
    ///
    /// # Errors
    /// When the name or the password is wrong, the account is not in use, or nobody can say for now.
    pub async fn log_in(&self, name: &str, password: &Secret, peer: IpAddr) -> Result<LoggedIn, LoginError> {
        let network = Network::of(peer);
        let password = Arc::new(password::prepare(password));
        let local = self.directory.login_record(name, Read::Local).await?;
        let aim = self.aim(name, local.as_ref());
        let delay = self.memory().throttle.delay(network, aim, now());
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let outcome = self.decide(name, &password, local).await;
        metrics::counter!("holdfast_logins_total", "outcome" => label(&outcome)).increment(1);
        match &outcome {
            Ok(_) => self.memory().throttle.succeeded(network, aim, now()),
            Err(LoginError::Denied) => self.memory().throttle.failed(network, aim, now()),
            Err(_) => {}
        }
        outcome
    }

    fn aim(&self, name: &str, record: Option<&LoginRecord>) -> Aim {
        match record {
            Some(record) => Aim::Account(record.account),
            None => Aim::Unknown(self.names.hash_one(name.to_ascii_lowercase())),
        }
    }

    async fn decide(
        &self,
        name: &str,
        password: &Arc<Secret>,
        local: Option<LoginRecord>,
    ) -> Result<LoggedIn, LoginError> {
        let proved = self.proves(local.as_ref(), password).await?;
        if let Some(record) = local
            .as_ref()
            .filter(|record| proved && record.state == AccountState::Active)
        {
            return Ok(let_in(record));
        }
        // The local replica says no. It may lag behind; only what ReadIndex covers is permanent.
        let fresh = self.directory.login_record(name, Read::Fresh).await?;
        let same = version(local.as_ref()) == version(fresh.as_ref());
        let proved = if same {
            proved
        } else {
            self.proves(fresh.as_ref(), password).await?
        };
        let record = fresh.filter(|_| proved).ok_or(LoginError::Denied)?;
        match record.state {
            AccountState::Active => Ok(let_in(&record)),
            AccountState::Disabled => Err(LoginError::Disabled),
            AccountState::Creating => Err(LoginError::NotReady),
        }
    }

    /// Whether `password` is one of the record's. Costs a hash also without a record.
    async fn proves(&self, record: Option<&LoginRecord>, password: &Arc<Secret>) -> Result<bool, Busy> {
        let entry = record.map(|record| {
            let memory = self.memory();
            let entry = memory
                .successes
                .entry(record.account, record.credential_version, password);
            (entry, memory.successes.knows(&entry, now()))
        });
        if let Some((_, true)) = entry {
            return Ok(true);
        }
        let credentials = record.map(|record| record.credentials.clone()).unwrap_or_default();
        let password = password.clone();
        let right = self
            .pool
            .run(move || credential::check(&credentials, &password))
            .await?;
        if let Some((entry, _)) = entry.filter(|_| right) {
            self.memory().successes.remember(entry, now());
        }
        Ok(right)
    }
}

/// The clock that sleeps go by, which tests can stop.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// What a password was checked against.
fn version(record: Option<&LoginRecord>) -> Option<(AccountId, u64)> {
    record.map(|record| (record.account, record.credential_version))
}

fn let_in(record: &LoginRecord) -> LoggedIn {
    LoggedIn {
        account: record.account,
        group: record.group,
        address: record.address.clone(),
        credential_version: record.credential_version,
    }
}

#[cfg(test)]
mod tests {
    use mailstore::directory::{DisableAccount, EnableAccount, RemoveAccount, SetCredentials};

    use super::super::limits::{ACCOUNT_DELAY_MAX, ACCOUNT_FAILURES_FREE, DELAY_FIRST};
    use super::super::testing::{Cluster, HOME, TRAIN, address, secret};
    use super::*;

    #[tokio::test]
    async fn the_right_password_lets_in_by_every_name() {
        let cluster = Cluster::with_ann("pencil").await;
        for name in ["ann", "ANN@a.org", "ann@a.org"] {
            let logged_in = cluster.log_in(name, "pencil").await.expect("let in");
            assert_eq!(
                (logged_in.account, logged_in.address),
                (cluster.ann, address("ann@a.org")),
                "{name}"
            );
        }
        for (name, password) in [("ann", "Pencil"), ("bob", "pencil"), ("", "pencil"), ("ann", "")] {
            let error = cluster.log_in(name, password).await.expect_err("kept out");
            assert!(error == LoginError::Denied && error.is_permanent(), "{name} {password}");
        }
    }

    #[tokio::test]
    async fn without_a_leader_the_right_password_lets_in_and_a_wrong_one_is_a_temporary_no() {
        let cluster = Cluster::with_ann("pencil").await;
        cluster.client.lose_leader();
        assert!(cluster.log_in("ann", "pencil").await.is_ok());
        for (name, password) in [("ann", "wrong"), ("bob", "pencil")] {
            let error = cluster.log_in(name, password).await.expect_err("kept out");
            assert!(
                matches!(error, LoginError::Unavailable(_)) && !error.is_permanent(),
                "{name}"
            );
        }
        cluster.client.find_leader();
        assert_eq!(cluster.log_in("ann", "wrong").await, Err(LoginError::Denied));
    }

    #[tokio::test]
    async fn a_new_password_counts_before_the_local_replica_has_it() {
        let cluster = Cluster::with_ann("old").await;
        assert!(cluster.log_in("ann", "old").await.is_ok());
        cluster.client.freeze_local_replica();
        cluster.set_password("new").await;
        assert!(cluster.log_in("ann", "new").await.is_ok());
        cluster.client.thaw_local_replica();
        assert!(cluster.log_in("ann", "new").await.is_ok());
        assert_eq!(
            cluster.log_in("ann", "old").await,
            Err(LoginError::Denied),
            "not even from the cache"
        );
    }

    #[tokio::test]
    async fn a_disabled_account_is_told_to_those_only_who_know_its_password() {
        let cluster = Cluster::with_ann("pencil").await;
        let account = cluster.ann;
        assert!(cluster.log_in("ann", "pencil").await.is_ok());
        cluster.change(DisableAccount { account }).await;
        assert_eq!(cluster.log_in("ann", "pencil").await, Err(LoginError::Disabled));
        assert_eq!(cluster.log_in("ann", "wrong").await, Err(LoginError::Denied));
        cluster.client.freeze_local_replica();
        cluster.change(EnableAccount { account }).await;
        assert!(
            cluster.log_in("ann", "pencil").await.is_ok(),
            "the local replica's no is asked about"
        );
        cluster.client.thaw_local_replica();
        cluster.change(RemoveAccount { account }).await;
        assert_eq!(cluster.log_in("ann", "pencil").await, Err(LoginError::Denied));
    }

    #[tokio::test]
    async fn an_account_without_a_password_lets_nobody_in() {
        let cluster = Cluster::with_ann("pencil").await;
        let (account, credentials) = (cluster.ann, Vec::new());
        cluster.change(SetCredentials { account, credentials }).await;
        assert_eq!(cluster.log_in("ann", "pencil").await, Err(LoginError::Denied));
        assert_eq!(cluster.log_in("ann", "").await, Err(LoginError::Denied));
    }

    #[tokio::test]
    async fn an_account_that_is_being_made_is_a_temporary_no() {
        let cluster = Cluster::with_ann("pencil").await;
        cluster.add_unfinished("bob@a.org", "pencil").await;
        let error = cluster.log_in("bob", "pencil").await.expect_err("not yet");
        assert!(error == LoginError::NotReady && !error.is_permanent());
    }

    #[tokio::test(start_paused = true)]
    async fn failures_slow_down_and_never_lock_out() {
        let cluster = Cluster::with_ann("pencil").await;
        assert!(cluster.log_in("ann", "pencil").await.is_ok());
        let timed = async |password: &str, from| {
            let start = tokio::time::Instant::now();
            let outcome = cluster.authenticator.log_in("ann", &secret(password), from).await;
            (outcome.is_ok(), start.elapsed())
        };
        for _ in 0..=ACCOUNT_FAILURES_FREE {
            assert!(!timed("wrong", TRAIN).await.0);
        }
        let (let_in, took) = timed("pencil", TRAIN).await;
        assert!(let_in && took >= DELAY_FIRST, "{took:?}");
        for _ in 0..20 {
            timed("wrong", TRAIN).await;
        }
        let (let_in, took) = timed("pencil", HOME).await;
        assert!(let_in && took <= ACCOUNT_DELAY_MAX, "{took:?}");
    }

    #[tokio::test]
    async fn unfit_passwords_are_not_made() {
        let cluster = Cluster::with_ann("pencil").await;
        let made = cluster.authenticator.make_credentials(&secret("")).await;
        assert_eq!(made, Err(MakeError::Unfit(UnfitPassword::Empty)));
    }

    #[tokio::test]
    async fn a_password_typed_on_another_keyboard_is_the_same() {
        let cluster = Cluster::with_ann("gr\u{fc}n").await;
        assert!(cluster.log_in("ann", "gru\u{308}n").await.is_ok());
    }
}
