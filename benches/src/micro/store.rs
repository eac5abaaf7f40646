//! The mail store above a group that is one replica in memory: no network, no Raft, no disk.

use std::hint::black_box;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, ensure};
use bytes::Bytes;
use mail_model::{AccountId, BlobId, GroupId, InternalDate, LogIndex, MailboxName, ReplicaId, Uid};
use mailstore::front::{DeliverRecipient, Delivery, Origin, SelectMode};
use mailstore::{DeliveryId, MailMachine, Mailstore};
use replication::{
    Applied, AppliedAt, BoxFuture, Command, Feed, GroupClient, ProposeError, QueryReply, ReadError, StateMachine,
    StateTxn, Token,
};
use shelf::{MemDisk, ReplicaStore, Shelf, ShelfError};

use crate::limits::{MESSAGE_BYTES, MICRO_MESSAGES};
use crate::message::Stock;

const GROUP: GroupId = GroupId(1);
const ACCOUNT: AccountId = AccountId(11);
/// When everything happens, in milliseconds since 1970.
const NOW_MS: u64 = 1_795_000_000_000;

/// A replica that applies what is proposed at once.
struct Memory {
    store: ReplicaStore,
    applied: Mutex<u64>,
}

impl Memory {
    fn new() -> Result<Self, ShelfError> {
        let shelf = Shelf::simulated(MemDisk::new("micro").open())?;
        Ok(Self {
            store: shelf.create_replica(ReplicaId(1), GROUP)?,
            applied: Mutex::new(0),
        })
    }

    fn applied(&self) -> MutexGuard<'_, u64> {
        self.applied.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn apply(&self, command: &Command) -> Result<Applied, ShelfError> {
        let mut applied = self.applied();
        *applied += 1;
        let index = LogIndex(*applied);
        let at = AppliedAt {
            group: GROUP,
            index,
            log_time_ms: NOW_MS,
            blob_len: command.blob.as_ref().and_then(|blob| u32::try_from(blob.len()).ok()),
        };
        let view = self.store.state_view()?;
        let mut txn = StateTxn::new(&view, index);
        let reply = MailMachine.apply(&mut txn, &at, &command.payload)?;
        let changes = txn.finish();
        drop(view);
        self.store.write_state(index, &changes.batch)?;
        Ok(Applied {
            index,
            reply: reply.into(),
        })
    }

    fn answer(&self, request: &[u8]) -> Result<QueryReply, ShelfError> {
        let token = Token(*self.applied());
        let reply = MailMachine.query(&self.store.state_view()?, request)?;
        Ok(QueryReply {
            token,
            reply: reply.into(),
        })
    }
}

impl GroupClient for Memory {
    fn propose(&self, group: GroupId, command: Command, _: Duration) -> BoxFuture<'_, Result<Applied, ProposeError>> {
        let applied = self.apply(&command).map_err(|error| ProposeError::NotDone {
            group,
            reason: error.to_string(),
        });
        Box::pin(async { applied })
    }

    fn read_index(&self, _: GroupId, _: Duration) -> BoxFuture<'_, Result<Token, ReadError>> {
        let token = Token(*self.applied());
        Box::pin(async move { Ok(token) })
    }

    fn query(
        &self,
        group: GroupId,
        _: Token,
        request: Bytes,
        _: Duration,
    ) -> BoxFuture<'_, Result<QueryReply, ReadError>> {
        let answer = self.answer(&request).map_err(|error| ReadError::Unavailable {
            group,
            reason: error.to_string(),
        });
        Box::pin(async { answer })
    }

    /// Bodies are written and never read here.
    fn read_blob(&self, id: BlobId, _: Duration) -> BoxFuture<'_, Result<Bytes, ReadError>> {
        Box::pin(async move { Err(ReadError::NoSuchBlob(id)) })
    }

    fn subscribe(&self, _: GroupId, _: u64) -> Feed {
        Feed::new(tokio::sync::mpsc::channel(1).1)
    }

    fn mail_groups(&self) -> Vec<GroupId> {
        vec![GROUP]
    }

    fn leads(&self, _: GroupId) -> bool {
        true
    }
}

/// Delivers messages to one account.
pub(super) fn deliver(times: usize) -> anyhow::Result<()> {
    let store = Mailstore::new(Arc::new(Memory::new()?));
    crate::turns::runtime()?.block_on(deliver_to_one(&store, times))
}

/// Opens a mailbox of [`MICRO_MESSAGES`].
pub(super) fn open(times: usize) -> anyhow::Result<()> {
    let store = Mailstore::new(Arc::new(Memory::new()?));
    crate::turns::runtime()?.block_on(async {
        deliver_to_one(&store, MICRO_MESSAGES).await?;
        for _ in 0..times {
            let view = store
                .account(ACCOUNT, GROUP)
                .select(inbox()?, SelectMode::ReadOnly)
                .await?;
            ensure!(
                black_box(view).exists() as usize == MICRO_MESSAGES,
                "messages are missing"
            );
        }
        Ok(())
    })
}

/// Reads what FETCH ENVELOPE sends of as many messages.
pub(super) fn read_structures(times: usize) -> anyhow::Result<()> {
    let store = Mailstore::new(Arc::new(Memory::new()?));
    crate::turns::runtime()?.block_on(async {
        deliver_to_one(&store, MICRO_MESSAGES).await?;
        let account = store.account(ACCOUNT, GROUP);
        let view = account.select(inbox()?, SelectMode::ReadOnly).await?;
        let uids: Vec<Uid> = view.entries().iter().map(|entry| entry.uid).collect();
        for _ in 0..times {
            let mut left = &uids[..];
            while !left.is_empty() {
                let (details, _) = account.details(view.mailbox(), left, true).await?;
                ensure!(!details.is_empty(), "nothing comes any more");
                left = &left[black_box(details).len()..];
            }
        }
        Ok(())
    })
}

fn inbox() -> anyhow::Result<MailboxName> {
    MailboxName::new("INBOX").context("a name")
}

async fn deliver_to_one(store: &Mailstore, messages: usize) -> anyhow::Result<()> {
    store.account(ACCOUNT, GROUP).ensure(None).await?;
    let (stock, mut message) = (Stock::new(MESSAGE_BYTES[0]), Vec::new());
    for number in 0..messages as u64 {
        stock.write(number, &mut message);
        let mut writer = store.body_writer([GROUP]);
        writer.push(&message).await?;
        let body = writer.finish().await?;
        let recipient = DeliverRecipient {
            account: ACCOUNT,
            group: GROUP,
            prefix: b"Return-Path: <ann@sender.test>\r\nDelivered-To: user1@demo.test\r\n".to_vec(),
            path: "user1@demo.test".to_owned(),
        };
        let delivered = store.deliver(body, &delivery(number), &[recipient]).await;
        let answer = delivered.answers.into_iter().next().context("no answer")?;
        ensure!(black_box(answer).is_ok(), "a message was not delivered");
    }
    Ok(())
}

fn delivery(number: u64) -> Delivery {
    Delivery {
        id: DeliveryId::random(),
        date: InternalDate {
            utc_seconds: 1_795_000_000,
            offset_minutes: 0,
        },
        received_ms: NOW_MS,
        origin: Some(Origin {
            network: "127.0.0.0/24".to_owned(),
            sender: "ann@sender.test".to_owned(),
            recipients: vec!["user1@demo.test".to_owned()],
        }),
        message_id: Some(format!("{number}.bench@sender.test")),
        may_queue: false,
    }
}
