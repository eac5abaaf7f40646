//! How a request and a reply lie on their stream, and the codes by which a stream is broken off.
//!
//! A request: version (1 byte), milliseconds that its caller waits (4), length (4), bytes. A reply: version (1), length
//! (4), bytes. Numbers are big-endian. One request and its reply have a bidirectional stream for themselves.
//!
//! Invariants
//! - A handler sees only requests that arrived whole.
//! - A code below [`Code::TimedOut`] says that no handler has seen the request, and never will.

use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use quinn::{ReadError, RecvStream, VarInt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::transport::Class;

/// Version of the layout above. What the bytes mean is versioned by whoever writes them.
pub(super) const VERSION: u8 = 1;

const REQUEST_HEAD_LEN: usize = 9;
const REPLY_HEAD_LEN: usize = 5;

/// Every class, in the order in which a server offers them.
pub(super) const CLASSES: [Class; 3] = [Class::Vote, Class::Log, Class::Bulk];

/// The application protocol of a connection, which fixes its class before a stream is opened.
pub(super) const fn protocol(class: Class) -> &'static [u8] {
    match class {
        Class::Vote => b"holdfast-vote/1",
        Class::Log => b"holdfast-log/1",
        Class::Bulk => b"holdfast-bulk/1",
    }
}

pub(super) fn class_of(name: &[u8]) -> Option<Class> {
    CLASSES.into_iter().find(|class| protocol(*class) == name)
}

/// The class as a label of metrics.
pub(super) const fn label(class: Class) -> &'static str {
    match class {
        Class::Vote => "vote",
        Class::Log => "log",
        Class::Bulk => "bulk",
    }
}

/// Why a stream or a connection was broken off. The numbers are part of the wire format; 0 is what QUIC says for
/// streams that were dropped, and means nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Code {
    /// Too many requests or bytes of this peer are being worked on.
    Busy = 1,
    /// The request is over the limit of its class.
    TooLarge = 2,
    /// The frame has another version.
    Version = 3,
    /// The request did not arrive whole, or not in time.
    Incomplete = 4,
    /// The handler did not answer in time.
    TimedOut = 16,
    /// The reply is over the limit of its class.
    ReplyTooLarge = 17,
    /// The handler failed.
    Failed = 18,
    /// Nobody waits any longer.
    GivenUp = 19,
    /// The node closes.
    Closing = 32,
    /// The peer has made newer connections.
    Replaced = 33,
    /// The peer is not a node, or this node serves too many.
    NotServed = 34,
}

impl Code {
    pub(super) fn number(self) -> VarInt {
        VarInt::from_u32(self as u32)
    }

    /// Whether a broken-off stream means that no handler saw its request.
    pub(super) fn refuses(number: VarInt) -> bool {
        (1..u64::from(Self::TimedOut.number())).contains(&number.into_inner())
    }
}

/// Why a frame could not be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum FrameError {
    #[error(transparent)]
    Stream(#[from] ReadError),
    #[error("the stream ended inside a frame")]
    Short,
    #[error("frame version {0} is not known")]
    Version(u8),
    #[error("a frame of {bytes} bytes is over the limit of {limit}")]
    TooLarge { bytes: usize, limit: usize },
    #[error("too many bytes are in flight")]
    Busy,
}

/// Bytes of frames that may be in memory at once.
#[derive(Clone)]
pub(super) struct Budget {
    bytes: Arc<Semaphore>,
}

impl Budget {
    pub(super) fn new(bytes: usize) -> Self {
        Self {
            bytes: Arc::new(Semaphore::new(bytes)),
        }
    }

    /// Takes `len` bytes, or fails at once. Waiting would be wrong: what is not read fills the connection's window,
    /// behind which the frames stand that would give bytes back.
    fn take(&self, len: usize) -> Result<OwnedSemaphorePermit, FrameError> {
        let len = u32::try_from(len).map_err(|_| FrameError::Busy)?;
        self.bytes
            .clone()
            .try_acquire_many_owned(len)
            .map_err(|_| FrameError::Busy)
    }
}

/// A request as it was read.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) within: Duration,
    pub(super) len: usize,
}

/// The bytes before a request.
pub(super) fn request_head(within: Duration, len: usize) -> Bytes {
    let mut head = BytesMut::with_capacity(REQUEST_HEAD_LEN);
    head.put_u8(VERSION);
    head.put_u32(u32::try_from(within.as_millis()).unwrap_or(u32::MAX).max(1));
    head.put_u32(length(len));
    head.freeze()
}

/// The bytes before a reply.
pub(super) fn reply_head(len: usize) -> Bytes {
    let mut head = BytesMut::with_capacity(REPLY_HEAD_LEN);
    head.put_u8(VERSION);
    head.put_u32(length(len));
    head.freeze()
}

/// Both sides look at the class's limit, which is far below 4 GiB, before they write.
fn length(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

/// Reads a request's head.
pub(super) async fn read_request_head(stream: &mut RecvStream, limit: usize) -> Result<Request, FrameError> {
    let [version, w0, w1, w2, w3, l0, l1, l2, l3] = read_array::<REQUEST_HEAD_LEN>(stream).await?;
    let within = Duration::from_millis(u64::from(u32::from_be_bytes([w0, w1, w2, w3])));
    let len = checked(version, [l0, l1, l2, l3], limit)?;
    Ok(Request { within, len })
}

/// Reads a reply whole.
pub(super) async fn read_reply(stream: &mut RecvStream, limit: usize, budget: &Budget) -> Result<Bytes, FrameError> {
    let [version, l0, l1, l2, l3] = read_array::<REPLY_HEAD_LEN>(stream).await?;
    let len = checked(version, [l0, l1, l2, l3], limit)?;
    let (bytes, _budget) = read_bytes(stream, len, budget).await?;
    Ok(bytes)
}

fn checked(version: u8, len: [u8; 4], limit: usize) -> Result<usize, FrameError> {
    if version != VERSION {
        return Err(FrameError::Version(version));
    }
    let bytes = usize::try_from(u32::from_be_bytes(len)).unwrap_or(usize::MAX);
    if bytes > limit {
        return Err(FrameError::TooLarge { bytes, limit });
    }
    Ok(bytes)
}

async fn read_array<const N: usize>(stream: &mut RecvStream) -> Result<[u8; N], FrameError> {
    let mut bytes = [0; N];
    match stream.read_exact(&mut bytes).await {
        Ok(()) => Ok(bytes),
        Err(quinn::ReadExactError::FinishedEarly(_)) => Err(FrameError::Short),
        Err(quinn::ReadExactError::ReadError(e)) => Err(e.into()),
    }
}

/// Reads `len` bytes, which count against the budget until the permit is dropped.
pub(super) async fn read_bytes(
    stream: &mut RecvStream,
    len: usize,
    budget: &Budget,
) -> Result<(Bytes, OwnedSemaphorePermit), FrameError> {
    let permit = budget.take(len)?;
    let mut whole = BytesMut::new();
    while whole.len() < len {
        let Some(chunk) = stream.read_chunk(len - whole.len(), true).await? else {
            return Err(FrameError::Short);
        };
        // Copied always: a chunk keeps the receive buffer alive that it came in, and entries are kept for long.
        if whole.is_empty() {
            whole.reserve(len);
        }
        whole.extend_from_slice(&chunk.bytes);
    }
    Ok((whole.freeze(), permit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_read_from_the_name_it_is_offered_by() {
        for class in CLASSES {
            assert_eq!(class_of(protocol(class)), Some(class));
        }
        assert_eq!(class_of(b"holdfast-vote/2"), None);
    }

    #[test]
    fn only_codes_given_before_a_handler_is_called_refuse() {
        for code in [Code::Busy, Code::TooLarge, Code::Version, Code::Incomplete] {
            assert!(Code::refuses(code.number()), "{code:?}");
        }
        for code in [Code::TimedOut, Code::ReplyTooLarge, Code::Failed, Code::GivenUp] {
            assert!(!Code::refuses(code.number()), "{code:?}");
        }
        assert!(!Code::refuses(VarInt::from_u32(0)));
    }

    #[test]
    fn the_layout_of_heads_does_not_change() {
        assert_eq!(
            &request_head(Duration::from_millis(0x0102), 0x0304)[..],
            &[1, 0, 0, 1, 2, 0, 0, 3, 4]
        );
        assert_eq!(&reply_head(0x0102_0304)[..], &[1, 1, 2, 3, 4]);
    }

    #[test]
    fn a_budget_refuses_what_it_does_not_have_and_takes_it_back() {
        let budget = Budget::new(10);
        let first = budget.take(8).expect("room");
        assert!(budget.take(3).is_err());
        drop(first);
        assert!(budget.take(10).is_ok());
    }
}
