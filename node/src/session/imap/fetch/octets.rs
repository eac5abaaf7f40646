//! The octets of one message: prefix and body as one, any range of them, as often as the sections of a FETCH need.
//!
//! Small messages are read once and kept while they are sent; of large ones a few pieces are in memory.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use mailstore::front::BodyReader;
use mailstore::query::Details;
use mailstore::{Account, StoreError};

use super::super::limits::SMALL_MESSAGE_BYTES;

/// See the module.
pub(super) struct Octets {
    account: Account,
    details: Details,
    /// The whole message, if it is small and was asked for.
    whole: Option<Bytes>,
}

/// A range of a message that streams by.
pub(super) enum Chunks {
    Whole(Bytes),
    Read {
        /// Read already.
        first: Option<Bytes>,
        rest: BodyReader,
        left: u64,
    },
}

impl Octets {
    /// Reads a small message, unless its body is there.
    pub(super) async fn load(
        account: Account,
        details: Details,
        wanted: bool,
        body: Option<Bytes>,
    ) -> Result<Self, StoreError> {
        let mut octets = Self {
            account,
            details,
            whole: None,
        };
        if wanted && octets.len() <= SMALL_MESSAGE_BYTES {
            octets.whole = Some(match body {
                Some(body) => octets.behind_prefix(body),
                None => octets.read_whole().await?,
            });
        }
        Ok(octets)
    }

    fn behind_prefix(&self, body: Bytes) -> Bytes {
        let prefix = &self.details.cold.prefix;
        if prefix.is_empty() {
            return body;
        }
        let mut whole = BytesMut::with_capacity(prefix.len() + body.len());
        whole.extend_from_slice(prefix);
        whole.extend_from_slice(&body);
        whole.freeze()
    }

    async fn read_whole(&self) -> Result<Bytes, StoreError> {
        let mut reader = self.account.read(&self.details, 0..u64::MAX);
        let mut whole = BytesMut::new();
        while let Some(chunk) = reader.next().await? {
            if whole.is_empty() && reader.left() == 0 {
                return Ok(chunk);
            }
            whole.extend_from_slice(&chunk);
        }
        Ok(whole.freeze())
    }

    /// How many bytes a delivery put before the body.
    pub(super) fn prefix_len(&self) -> u64 {
        self.details.cold.prefix.len() as u64
    }

    /// RFC822.SIZE.
    pub(super) fn len(&self) -> u64 {
        self.prefix_len() + self.details.body.facts.size
    }

    /// Opens a range; what lies beyond the end is not there. The first octets are read before this returns, so that a
    /// message that cannot be read is noticed before its length is sent.
    pub(super) async fn open(&self, range: Range<u64>) -> Result<Chunks, StoreError> {
        if let Some(whole) = &self.whole {
            let at = |position: u64| usize::try_from(position).map_or(whole.len(), |at| at.min(whole.len()));
            let (from, to) = (at(range.start), at(range.end));
            return Ok(Chunks::Whole(whole.slice(from.min(to)..to)));
        }
        let mut rest = self.account.read(&self.details, range);
        let left = rest.left();
        let first = rest.next().await?;
        Ok(Chunks::Read { first, rest, left })
    }
}

impl Chunks {
    /// How many octets are still to come.
    pub(super) fn left(&self) -> u64 {
        match self {
            Self::Whole(whole) => whole.len() as u64,
            Self::Read { left, .. } => *left,
        }
    }

    /// The next octets; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        match self {
            Self::Whole(whole) => Ok(Some(std::mem::take(whole)).filter(|octets| !octets.is_empty())),
            Self::Read { first, rest, left } => {
                let next = match first.take() {
                    Some(first) => Some(first),
                    None => rest.next().await?,
                };
                let len = next.as_ref().map_or(0, |octets| octets.len() as u64);
                *left = left.saturating_sub(len);
                Ok(next)
            }
        }
    }
}
