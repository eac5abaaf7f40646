//! RETR and TOP (RFC 1939 5, 7): a message on its way out.

use std::collections::VecDeque;

use bytes::Bytes;
use mailstore::front::BodyReader;
use mailstore::query::Details;
use mailstore::{Account, StoreError};
use pop3_wire::{Flow, Refusal};

use super::lock::LockedMaildrop;
use super::session::{End, Session};

/// Bytes that TOP reads first. They hold the header and the first lines of nearly every message, and are one piece of it.
const TOP_BYTES: u64 = 64 << 10;

impl Session {
    pub(super) async fn retrieve(&mut self, index: usize, lines: Option<u64>) -> Result<(), End> {
        let locked = self.maildrop.as_ref().ok_or(End)?;
        let mut message = match Outgoing::begin(locked, index, lines).await {
            Ok(message) => message,
            Err(error) => return Ok(self.pump.machine.refuse(refusal(&error))?),
        };
        self.pump.machine.begin_message()?;
        loop {
            let bytes = match message.next().await {
                Ok(Some(bytes)) => bytes,
                Ok(None) => break,
                Err(error) => {
                    tracing::warn!(%error, "a message broke off on its way to a POP3 client");
                    self.pump.machine.hang_up();
                    return Ok(());
                }
            };
            let flow = self.pump.machine.push_message(&bytes)?;
            self.pump.flush().await?;
            if flow == Flow::Enough {
                break;
            }
        }
        let octets = self.pump.machine.end_message()?;
        metrics::counter!("holdfast_pop3_sent_bytes_total").increment(octets);
        Ok(())
    }
}

/// A message that is being sent.
struct Outgoing {
    account: Account,
    details: Details,
    reader: BodyReader,
    /// Where the reader leaves off that had only the beginning.
    rest: Option<u64>,
    /// Read before the reply began.
    ahead: VecDeque<Bytes>,
}

impl Outgoing {
    /// Reads the first bytes, so that what cannot be read is refused before the reply has begun.
    async fn begin(locked: &LockedMaildrop, index: usize, lines: Option<u64>) -> Result<Self, StoreError> {
        let maildrop = locked.maildrop();
        let item = maildrop.items().get(index).ok_or(StoreError::Expunged)?;
        let (found, _) = locked.account.details(maildrop.mailbox(), &[item.uid], false).await?;
        let details = found.into_iter().next().ok_or(StoreError::Expunged)?;
        let rest = lines.is_some().then_some(TOP_BYTES);
        let mut message = Self {
            account: locked.account.clone(),
            reader: locked.account.read(&details, 0..rest.unwrap_or(u64::MAX)),
            details,
            rest,
            ahead: VecDeque::new(),
        };
        // The trace headers come from memory. Only the bytes behind them tell whether the message can be had.
        for _ in 0..2 {
            let some = message.read().await?;
            message.ahead.extend(some);
        }
        Ok(message)
    }

    async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        match self.ahead.pop_front() {
            Some(bytes) => Ok(Some(bytes)),
            None => self.read().await,
        }
    }

    async fn read(&mut self) -> Result<Option<Bytes>, StoreError> {
        if let Some(bytes) = self.reader.next().await? {
            return Ok(Some(bytes));
        }
        let Some(from) = self.rest.take() else {
            return Ok(None);
        };
        self.reader = self.account.read(&self.details, from..u64::MAX);
        self.reader.next().await
    }
}

fn refusal(error: &StoreError) -> Refusal {
    match error {
        StoreError::Expunged => Refusal::Gone,
        error => {
            tracing::warn!(%error, "a message cannot be sent to a POP3 client");
            Refusal::Temporary
        }
    }
}
