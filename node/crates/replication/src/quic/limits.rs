//! Every bound of the transport between nodes, in one place, with the relations between them proved.

use std::time::Duration;

use mail_model::limits::Bound;

use crate::limits::{BLOB_BYTES_MAX, COPY_BYTES_MAX, REPLICATE_BYTES_MAX};
use crate::transport::Class;

/// Bounds of one class of frames, for each pair of nodes and each direction.
#[derive(Clone, Copy, Debug)]
pub struct ClassLimits {
    /// Most bytes of one request.
    pub request_bytes_max: usize,
    /// Most bytes of one reply.
    pub reply_bytes_max: usize,
    /// Calls that one node has at work at another one.
    pub calls_max: usize,
    /// Bytes of the requests, or replies, that are read or worked on at once.
    pub bytes_max: usize,
    /// Bytes that QUIC takes from a peer before they are read. At least what a 10 Gbit/s link holds in 2 ms.
    pub receive_window_bytes: u32,
    /// Bytes that QUIC keeps until the peer has them. As much as the peer's window.
    pub send_window_bytes: u32,
}

/// Votes, hand-over and liveness of a few hundred groups at once, each a few hundred bytes.
pub const VOTE: ClassLimits = ClassLimits {
    request_bytes_max: 64 << 10,
    reply_bytes_max: 64 << 10,
    calls_max: 1_024,
    bytes_max: 64 << 20,
    receive_window_bytes: 1 << 20,
    send_window_bytes: 1 << 20,
};

/// Log entries, proposals and queries. Calls that wait for a hung shelf hold their share until their deadline, so that
/// the rest must do for every other shelf.
pub const LOG: ClassLimits = ClassLimits {
    request_bytes_max: 8 << 20,
    reply_bytes_max: 8 << 20,
    calls_max: 2_048,
    bytes_max: 256 << 20,
    receive_window_bytes: 8 << 20,
    send_window_bytes: 8 << 20,
};

/// Pages of a snapshot and bodies. Few calls keep a link full.
pub const BULK: ClassLimits = ClassLimits {
    request_bytes_max: 4 << 20,
    reply_bytes_max: 4 << 20,
    calls_max: 64,
    bytes_max: 64 << 20,
    receive_window_bytes: 8 << 20,
    send_window_bytes: 8 << 20,
};

impl ClassLimits {
    /// The bounds of `class`.
    #[must_use]
    pub const fn of(class: Class) -> Self {
        match class {
            Class::Vote => VOTE,
            Class::Log => LOG,
            Class::Bulk => BULK,
        }
    }

    const fn holds(&self) -> bool {
        let largest = if self.request_bytes_max > self.reply_bytes_max {
            self.request_bytes_max
        } else {
            self.reply_bytes_max
        };
        self.bytes_max >= largest
            && self.bytes_max <= u32::MAX as usize
            && self.calls_max * SERVED_PER_CALL <= u32::MAX as usize
            && self.calls_max * SERVED_PER_CALL >= STREAMS_AT_FIRST as usize
    }
}

impl Bound for ClassLimits {
    fn numbers(&self) -> Vec<(&'static str, u64, Option<&'static str>)> {
        let numbers = [
            (".request_bytes_max", self.request_bytes_max as u64),
            (".reply_bytes_max", self.reply_bytes_max as u64),
            (".calls_max", self.calls_max as u64),
            (".bytes_max", self.bytes_max as u64),
            (".receive_window_bytes", u64::from(self.receive_window_bytes)),
            (".send_window_bytes", u64::from(self.send_window_bytes)),
        ];
        numbers.map(|(which, value)| (which, value, None)).into()
    }
}

/// Requests that a node works on for each call that its peer may have in flight: a caller gives up at its deadline, and
/// the request it left behind ends a moment later; so do those of a process that was there before.
pub const SERVED_PER_CALL: usize = 2;

/// Streams that a new connection may open before the peer has told the number for its class.
pub const STREAMS_AT_FIRST: u32 = 128;

/// Calls that wait, inside their deadline, for one in flight to end. Past it a call is refused at once: who comes last
/// would not be served in time.
pub const CALLS_WAITING_MAX: usize = 1_024;

/// Bytes that one stream may send ahead of its reader: a piece and its header without a pause.
pub const STREAM_WINDOW_BYTES: u32 = 1 << 20;

/// Connections of one class from one peer: the one in use, and one that the peer has left and this node does not yet
/// know to be dead. When one more comes, the oldest goes.
pub const CONNECTIONS_PER_PEER_AND_CLASS: usize = 2;

/// Connections in all that others may have made to this node.
pub const CONNECTIONS_MAX: usize = 1_024;

/// Handshakes at a time; each costs a signature. Past half of it, a peer must first prove its address.
pub const HANDSHAKES_MAX: usize = 64;

/// Time for one handshake, as seen by the node that answers.
pub const HANDSHAKE_MAX: Duration = Duration::from_secs(3);

/// Bytes kept of each connection attempt, and of all, until it is looked at.
pub const ATTEMPT_BYTES_MAX: u64 = 64 << 10;
/// See [`ATTEMPT_BYTES_MAX`].
pub const ATTEMPTS_BYTES_MAX: u64 = 4 << 20;

/// Length of connection ids: enough that two never meet by chance.
pub const CONNECTION_ID_BYTES: usize = 8;

/// Time to connect to one address. With [`FIRST_RTT`], a lost first datagram is sent again twice within it.
pub const DIAL_MAX: Duration = Duration::from_millis(1_500);

/// Round-trip time that is assumed before one is measured. Nodes stand in one building or in one town.
pub const FIRST_RTT: Duration = Duration::from_millis(100);

/// Addresses of one peer that are tried, in the order of the table.
pub const ADDRESSES_PER_PEER_MAX: usize = 4;

/// Connections that one call tries, since a connection may turn out to be dead before the request is written.
pub const ATTEMPTS_PER_CALL_MAX: usize = 3;

/// Pause after the first failed dial; doubled by each further one. Half of it is random, so that nodes do not dial in
/// step.
pub const BACK_OFF_MIN: Duration = Duration::from_millis(50);
/// Longest pause between dials: how much later than its start a node is found. A peer that dials us ends the pause.
pub const BACK_OFF_MAX: Duration = Duration::from_secs(1);

/// A connection on which nothing came for so long is dead. Votes and liveness are decided above and much earlier; this
/// frees what a dead peer holds, and lets calls fail that have long deadlines.
pub const IDLE_MAX: Duration = Duration::from_secs(2);

/// How often a silent connection is asked for a sign. Three may be lost.
pub const KEEP_ALIVE: Duration = Duration::from_millis(500);

/// Time for the head of a request, once its stream has come.
pub const REQUEST_HEAD_MAX: Duration = Duration::from_secs(5);

/// Most time that a request is worked on, whatever its caller says.
pub const HANDLE_MAX: Duration = Duration::from_secs(60);

/// How long a closing transport waits for its peers to hear of it.
pub const FAREWELL_MAX: Duration = Duration::from_millis(500);

/// Buffers of the UDP socket, all connections together: some milliseconds of a fast link. The kernel may grant less.
pub const SOCKET_BUFFER_BYTES: usize = 8 << 20;

const _: () = assert!(VOTE.holds() && LOG.holds() && BULK.holds());
// An answer of the replicating reader, with a record head of every entry in it, is one request.
const _: () = assert!(2 * REPLICATE_BYTES_MAX <= LOG.request_bytes_max);
const _: () = assert!(2 * BLOB_BYTES_MAX <= BULK.request_bytes_max && 2 * BLOB_BYTES_MAX <= BULK.reply_bytes_max);
const _: () = assert!(2 * COPY_BYTES_MAX <= BULK.request_bytes_max);
// Votes never fail for want of bytes.
const _: () = assert!(VOTE.request_bytes_max * VOTE.calls_max <= VOTE.bytes_max);
const _: () = assert!(KEEP_ALIVE.as_millis() * 4 <= IDLE_MAX.as_millis());
const _: () = assert!(BACK_OFF_MIN.as_millis() <= BACK_OFF_MAX.as_millis());
// PTO is three times the first RTT, then doubles: 300 ms, 900 ms.
const _: () = assert!(FIRST_RTT.as_millis() * 9 < DIAL_MAX.as_millis());
const _: () = assert!(DIAL_MAX.as_millis() < HANDSHAKE_MAX.as_millis());

mail_model::limits_table!("replication: quic":
    VOTE, LOG, BULK, SERVED_PER_CALL, STREAMS_AT_FIRST, CALLS_WAITING_MAX, STREAM_WINDOW_BYTES,
    CONNECTIONS_PER_PEER_AND_CLASS, CONNECTIONS_MAX, HANDSHAKES_MAX, HANDSHAKE_MAX, ATTEMPT_BYTES_MAX,
    ATTEMPTS_BYTES_MAX, CONNECTION_ID_BYTES, DIAL_MAX, FIRST_RTT, ADDRESSES_PER_PEER_MAX, ATTEMPTS_PER_CALL_MAX,
    BACK_OFF_MIN, BACK_OFF_MAX, IDLE_MAX, KEEP_ALIVE, REQUEST_HEAD_MAX, HANDLE_MAX, FAREWELL_MAX, SOCKET_BUFFER_BYTES,
);
