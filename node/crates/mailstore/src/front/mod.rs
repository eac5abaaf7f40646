//! What protocol sessions use: accounts, views of mailboxes, bodies that stream in and out, deliveries. Wherever the
//! group's replicas are, a call either has its effect, or says in its error whether it may still have one.
//!
//! Invariants
//! - One function reports each acknowledged change, and only after the group committed and applied it (P1).
//! - Nothing buffers a message: what is in memory of one is bounded by a few pieces.
//!
//! Must not know: the grammar of a protocol, what a reply looks like.

mod account;
mod analysis;
mod append;
mod body_reader;
mod body_writer;
mod closer;
mod deliver;
mod error;
mod feed;
mod kept_views;
mod maildrop;
mod message_bytes;
mod queue;
mod queue_worker;
mod sweeper;
mod view;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use mail_model::{AccountId, GroupId};
use replication::{Command, GroupClient, Token};

pub use account::Account;
pub use append::{Appending, NewMessage};
pub use body_reader::BodyReader;
pub use body_writer::{Body, BodyWriter};
pub use closer::{DeliveryCloser, OpenDeliveries};
pub use deliver::{Accepted, DeliverRecipient, Deliveries, Delivery, Origin, Placed, Queued};
pub use error::{ErrorClass, StoreError};
pub use feed::{AccountFeed, FeedNews};
pub use maildrop::Maildrop;
pub use message_bytes::Pop3Counter;
pub use queue::QueuedDelivery;
pub use queue_worker::{QueueHost, QueueSettled, QueueWorker, Undeliverable};
pub use sweeper::Sweeper;
pub use view::{Expunges, MailboxView, SelectMode, Update, ViewEntry};

use crate::codec;
use crate::command::{Answer, AnyCommand, GroupCommand};
use crate::limits::{CHECK_WITHIN, READ_WITHIN};
use crate::query::{AnyQuery, BodiesReport, CheckBodies, GroupQuery};

/// The mail store as one front node sees it. Cheap to clone.
#[derive(Clone)]
pub struct Mailstore {
    inner: Arc<Inner>,
}

struct Inner {
    client: Arc<dyn GroupClient>,
    /// Accounts in use here, so that sessions of one account share what they have seen (DESIGN D6).
    accounts: Mutex<HashMap<AccountId, Weak<Shared>>>,
    closing: closer::Closing,
    kept_views: kept_views::KeptViews,
}

/// What all sessions of one account on this node share.
struct Shared {
    id: AccountId,
    group: GroupId,
    /// Highest token seen.
    token: AtomicU64,
}

impl Shared {
    fn token(&self) -> Token {
        Token(self.token.load(Ordering::Acquire))
    }

    fn saw(&self, token: Token) {
        self.token.fetch_max(token.0, Ordering::AcqRel);
    }
}

/// The clock of this node in milliseconds since 1970: what is due is looked for by it, and done by log time.
fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// How new the answer to a read has to be (DESIGN D6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// Everything that any node acknowledged before: SELECT, STATUS, LIST, NOOP, POP3 log-in. Asks the leader.
    Latest,
    /// Everything that this node has seen of the account: FETCH, SEARCH, what follows an event.
    Seen,
}

impl Mailstore {
    /// On top of a client of the groups.
    #[must_use]
    pub fn new(client: Arc<dyn GroupClient>) -> Self {
        let inner = Inner {
            client,
            accounts: Mutex::default(),
            closing: closer::Closing::default(),
            kept_views: kept_views::KeptViews::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The handle of an account. Says nothing about whether it exists.
    #[must_use]
    pub fn account(&self, id: AccountId, group: GroupId) -> Account {
        let mut accounts = self.inner.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        let known = accounts.get(&id).and_then(Weak::upgrade);
        let shared = known.filter(|shared| shared.group == group).unwrap_or_else(|| {
            if accounts.len() == accounts.capacity() {
                accounts.retain(|_, shared| shared.strong_count() > 0);
            }
            let token = AtomicU64::new(0);
            let shared = Arc::new(Shared { id, group, token });
            accounts.insert(id, Arc::downgrade(&shared));
            shared
        });
        Account::new(self.clone(), shared)
    }

    fn kept_views(&self) -> &kept_views::KeptViews {
        &self.inner.kept_views
    }

    fn client(&self) -> &Arc<dyn GroupClient> {
        &self.inner.client
    }

    /// Proposes a command; the token covers its effect.
    async fn run<C: GroupCommand>(
        &self,
        group: GroupId,
        command: C,
        blob: Option<Bytes>,
        within: Duration,
    ) -> Result<(C::Reply, Token), StoreError> {
        let any: AnyCommand = command.into();
        let payload = Bytes::from(codec::seal(&any));
        let applied = self.client().propose(group, Command { payload, blob }, within).await?;
        let token = Token(applied.index.0);
        match codec::open::<Answer<C::Reply>>("reply to a command", &applied.reply)? {
            Answer::Done(reply) => Ok((reply, token)),
            Answer::Rejected(rejection) => Err(rejection.into()),
        }
    }

    /// The consistency check of a group's bodies, whoever refers to them.
    ///
    /// # Errors
    /// See [`StoreError`]; what is wrong with the bodies is in the report.
    pub async fn check_bodies(&self, group: GroupId) -> Result<BodiesReport, StoreError> {
        let latest = self.client().read_index(group, READ_WITHIN).await?;
        let (report, _) = self.ask_within(group, latest, CheckBodies {}, CHECK_WITHIN).await?;
        Ok(report)
    }

    /// Asks a replica that has applied `at_least`.
    async fn ask<Q: GroupQuery>(
        &self,
        group: GroupId,
        at_least: Token,
        query: Q,
    ) -> Result<(Q::Reply, Token), StoreError> {
        self.ask_within(group, at_least, query, READ_WITHIN).await
    }

    async fn ask_within<Q: GroupQuery>(
        &self,
        group: GroupId,
        at_least: Token,
        query: Q,
        within: Duration,
    ) -> Result<(Q::Reply, Token), StoreError> {
        let any: AnyQuery = query.into();
        let request = Bytes::from(codec::seal(&any));
        let answer = self.client().query(group, at_least, request, within).await?;
        match codec::open::<Answer<Q::Reply>>("reply to a query", &answer.reply)? {
            Answer::Done(reply) => Ok((reply, answer.token)),
            Answer::Rejected(rejection) => Err(rejection.into()),
        }
    }
}
