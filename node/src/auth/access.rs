//! Ends the sessions of whom an administrator has locked out: at every node, by the directory's change feed.
//!
//! A session that has logged in holds a [`Pass`]. One task per node follows the directory; when an account is closed or
//! removed, or its credentials change, it looks who holds a pass for it and ends those that are no longer good.
//!
//! Invariants
//! - A pass is looked at once after it was given: what changed between the log-in and the pass is not missed.
//! - A pass ends only on what ReadIndex has confirmed (DESIGN D16). Until that can be had, the account stays in doubt
//!   and is looked at again.
//! - A pass ends once, and for ever.
//!
//! Must not know: protocols, and how they say good-bye.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::StreamExt;
use mail_model::AccountId;
use mailstore::directory::{AccessFeed, AccessNews, Account, AccountState, Directory, Read};
use tokio::sync::Notify;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::authenticator::LoggedIn;
use super::limits::{ACCESS_CHECKS_MAX, ACCESS_RETRY};

/// The passes of a node. Cheap to clone.
#[derive(Clone)]
pub struct Access {
    shared: Arc<Shared>,
}

struct Shared {
    directory: Directory,
    /// Locked for look-ups only, never across an await.
    registry: Mutex<Registry>,
    /// There is a doubt.
    doubt: Notify,
}

#[derive(Default)]
struct Registry {
    passes: BTreeMap<(AccountId, u64), Given>,
    next: u64,
    /// Accounts to look at, and how.
    doubts: BTreeMap<AccountId, Read>,
}

/// A pass, as the registry knows it.
struct Given {
    credential_version: u64,
    end: CancellationToken,
}

/// The right of a session to go on. Given back when it is dropped.
pub struct Pass {
    shared: Arc<Shared>,
    account: AccountId,
    number: u64,
    end: CancellationToken,
}

impl Access {
    /// No pass is given yet. [`Access::run`] has to run for any to end.
    #[must_use]
    pub fn new(directory: Directory) -> Self {
        let shared = Shared {
            directory,
            registry: Mutex::default(),
            doubt: Notify::new(),
        };
        let shared = Arc::new(shared);
        Self { shared }
    }

    /// Gives a pass to a session of `user`.
    #[must_use]
    pub fn admit(&self, user: &LoggedIn) -> Pass {
        let end = CancellationToken::new();
        let given = Given {
            credential_version: user.credential_version,
            end: end.clone(),
        };
        let mut registry = self.shared.registry();
        let number = registry.next;
        registry.next += 1;
        registry.passes.insert((user.account, number), given);
        registry.doubts.entry(user.account).or_insert(Read::Local);
        drop(registry);
        self.shared.doubt.notify_one();
        Pass {
            shared: self.shared.clone(),
            account: user.account,
            number,
            end,
        }
    }

    /// Ends passes until the node stops.
    pub async fn run(self) {
        let mut feed = self.shared.directory.follow_access();
        while self.wait(&mut feed).await {
            self.settle().await;
        }
    }

    /// Waits for a doubt; `false` once the node stops.
    async fn wait(&self, feed: &mut AccessFeed) -> bool {
        let is_left = !self.shared.registry().doubts.is_empty();
        tokio::select! {
            news = feed.next() => {
                let Some(news) = news else { return false };
                self.shared.registry().doubt(news);
            }
            () = self.shared.doubt.notified() => {}
            () = sleep(ACCESS_RETRY), if is_left => {}
        }
        true
    }

    /// Looks at everybody in doubt. Who cannot be looked at now stays in doubt.
    async fn settle(&self) {
        let doubts = std::mem::take(&mut self.shared.registry().doubts);
        let looks = futures::stream::iter(doubts);
        looks
            .for_each_concurrent(ACCESS_CHECKS_MAX, |(account, read)| self.look(account, read))
            .await;
    }

    async fn look(&self, account: AccountId, read: Read) {
        let directory = &self.shared.directory;
        if read == Read::Local
            && let Ok(record) = directory.account(account, Read::Local).await
            && self.shared.registry().lost(account, record.as_ref()).next().is_none()
        {
            return;
        }
        if self.shared.registry().of(account).next().is_none() {
            return;
        }
        match directory.account(account, Read::Fresh).await {
            Ok(record) => {
                let registry = self.shared.registry();
                registry
                    .lost(account, record.as_ref())
                    .for_each(|given| given.end.cancel());
            }
            Err(error) => {
                tracing::debug!(%account, %error, "sessions may have to end, which cannot be told for now");
                self.shared.registry().doubts.insert(account, Read::Fresh);
            }
        }
    }
}

impl Shared {
    fn registry(&self) -> MutexGuard<'_, Registry> {
        // Maps without relations between them that a panic could break.
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Registry {
    fn doubt(&mut self, news: AccessNews) {
        match news {
            AccessNews::Account(account) => drop(self.doubts.insert(account, Read::Fresh)),
            AccessNews::Anything => {
                let all = self.passes.keys().map(|(account, _)| (*account, Read::Fresh));
                self.doubts.extend(all);
            }
        }
    }

    /// The passes of an account.
    fn of(&self, account: AccountId) -> impl Iterator<Item = &Given> {
        let range = (account, 0)..=(account, u64::MAX);
        self.passes.range(range).map(|(_, given)| given)
    }

    /// Those that are no longer good where the directory says this of the account.
    fn lost(&self, account: AccountId, record: Option<&Account>) -> impl Iterator<Item = &Given> {
        let good_from = record
            .filter(|record| record.state == AccountState::Active)
            .map(|record| record.credential_version);
        // One that is newer than the record was given on a later read than this.
        self.of(account)
            .filter(move |given| good_from.is_none_or(|version| given.credential_version < version))
    }
}

impl Pass {
    /// Waits until the session has to end. Cancel safe.
    pub async fn ended(&self) {
        self.end.cancelled().await;
    }

    /// Whether the session has to end.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.end.is_cancelled()
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.shared.registry().passes.remove(&(self.account, self.number));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mailstore::directory::{DisableAccount, EnableAccount, RemoveAccount, SetQuota};
    use tokio::task::JoinHandle;
    use tokio::time::timeout;

    use super::super::testing::Cluster;
    use super::*;

    /// Time for a pass to end. Paused clocks make it short.
    const PATIENCE: Duration = Duration::from_secs(60);

    struct Following {
        access: Access,
        task: JoinHandle<()>,
    }

    impl Drop for Following {
        fn drop(&mut self) {
            self.task.abort();
        }
    }

    fn follow(cluster: &Cluster) -> Following {
        let access = Access::new(cluster.directory.clone());
        let task = tokio::spawn(access.clone().run());
        Following { access, task }
    }

    async fn admit(cluster: &Cluster, access: &Access, password: &str) -> Pass {
        let user = cluster.log_in("ann", password).await.expect("let in");
        access.admit(&user)
    }

    async fn ends(pass: &Pass) -> bool {
        timeout(PATIENCE, pass.ended()).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_password_ends_sessions_of_the_old_one_alone() {
        let cluster = Cluster::with_ann("old").await;
        let following = follow(&cluster);
        let old = admit(&cluster, &following.access, "old").await;
        cluster.set_password("new").await;
        assert!(ends(&old).await);
        let new = admit(&cluster, &following.access, "new").await;
        assert!(!ends(&new).await);
    }

    #[tokio::test(start_paused = true)]
    async fn disabling_and_removing_end_sessions_and_other_changes_do_not() {
        let cluster = Cluster::with_ann("pencil").await;
        let following = follow(&cluster);
        let account = cluster.ann;
        let pass = admit(&cluster, &following.access, "pencil").await;
        let quota_bytes = Some(1 << 20);
        cluster.change(SetQuota { account, quota_bytes }).await;
        assert!(!ends(&pass).await);
        cluster.change(DisableAccount { account }).await;
        assert!(ends(&pass).await);
        cluster.change(EnableAccount { account }).await;
        let pass = admit(&cluster, &following.access, "pencil").await;
        assert!(!ends(&pass).await);
        cluster.change(RemoveAccount { account }).await;
        assert!(ends(&pass).await && pass.has_ended());
    }

    #[tokio::test(start_paused = true)]
    async fn what_changed_between_the_log_in_and_the_pass_is_not_missed() {
        let cluster = Cluster::with_ann("pencil").await;
        let user = cluster.log_in("ann", "pencil").await.expect("let in");
        cluster.change(DisableAccount { account: cluster.ann }).await;
        let following = follow(&cluster);
        assert!(ends(&following.access.admit(&user)).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_replica_that_lags_behind_ends_nobody() {
        let cluster = Cluster::with_ann("old").await;
        cluster.change(DisableAccount { account: cluster.ann }).await;
        cluster.client.freeze_local_replica();
        cluster.change(EnableAccount { account: cluster.ann }).await;
        let following = follow(&cluster);
        let pass = admit(&cluster, &following.access, "old").await;
        assert!(!ends(&pass).await);
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_leader_sessions_go_on_until_there_is_one() {
        let cluster = Cluster::with_ann("pencil").await;
        let following = follow(&cluster);
        let pass = admit(&cluster, &following.access, "pencil").await;
        assert!(!ends(&pass).await);
        cluster.change(DisableAccount { account: cluster.ann }).await;
        // The event is there, and nobody has looked yet.
        cluster.client.lose_leader();
        assert!(!ends(&pass).await);
        cluster.client.find_leader();
        assert!(ends(&pass).await);
    }

    #[tokio::test]
    async fn nothing_is_kept_of_a_session_that_is_over() {
        let cluster = Cluster::with_ann("pencil").await;
        let access = Access::new(cluster.directory.clone());
        drop(admit(&cluster, &access, "pencil").await);
        assert!(access.shared.registry().passes.is_empty());
    }
}
