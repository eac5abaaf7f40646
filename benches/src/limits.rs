//! Every bound of the measurements, in one place, with the relations between them proved.

use std::time::Duration;

/// Size of the appends by which the disk itself is measured: a small message.
pub(crate) const PROBE_BYTES: usize = 4 << 10;
/// How long one look at the disk takes.
pub(crate) const PROBE_FOR: Duration = Duration::from_millis(400);

/// Connections of the delivery runs.
pub(crate) const CONNECTIONS: [usize; 3] = [1, 16, 64];
/// Sizes of the messages of the delivery runs, in bytes.
pub(crate) const MESSAGE_BYTES: [usize; 2] = [4 << 10, 64 << 10];
/// Accounts that mail is delivered to.
pub(crate) const ACCOUNTS: usize = 100;
/// Bodies of one size that differ; every message has a header of its own.
pub(crate) const BODIES: usize = 64;
/// Longest line of a reply.
pub(crate) const REPLY_LINE_BYTES_MAX: u64 = 4 << 10;

/// Longest run of one cell, in seconds: what is written has to fit on the disk.
pub(crate) const SECONDS_MAX: u64 = 60;
/// Most rounds.
pub(crate) const ROUNDS_MAX: usize = 20;

/// How long one answer of a server may take. Above the time in which SMTP servers answer the end of data.
pub(crate) const ANSWER_WITHIN: Duration = Duration::from_secs(40);
/// How long a server may take to start, its accounts included.
pub(crate) const START_WITHIN: Duration = Duration::from_secs(180);
/// How long a server may take to stop; then it is killed.
pub(crate) const STOP_WITHIN: Duration = Duration::from_secs(40);
/// Pause between looks at a server that starts, stops or settles.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(200);

/// A server has settled when it uses less than this share of a core.
pub(crate) const SETTLED_CORES: f64 = 0.15;
/// How long what a server does after the last reply is waited for, and counted as its work.
pub(crate) const SETTLE_WITHIN: Duration = Duration::from_secs(4);

/// Writers of the runs on one shelf.
pub(crate) const WRITERS: [usize; 4] = [1, 8, 64, 512];
/// Replicas that those writers append to in turn: as many as a small cluster has groups.
pub(crate) const REPLICAS: u32 = 16;
/// Head of an entry: the metadata of a delivery.
pub(crate) const HEAD_BYTES: usize = 512;
/// Blob of an entry: a small message.
pub(crate) const BLOB_BYTES: usize = 4 << 10;
/// Block cache of the measured shelf. Nothing is read.
pub(crate) const CACHE_BYTES: usize = 32 << 20;

const _: () = assert!(HEAD_BYTES <= shelf::limits::HEAD_BYTES_MAX && BLOB_BYTES <= shelf::limits::BLOB_BYTES_MAX);
const _: () = assert!(512 * (HEAD_BYTES + BLOB_BYTES) < shelf::limits::QUEUE_BYTES_MAX);
const _: () = assert!(LOOK_EVERY.as_millis() < SETTLE_WITHIN.as_millis());
const _: () = assert!(MESSAGE_BYTES[0] > message_head_bytes_max());

/// What the header of a message takes at most, so that its body fills up the rest.
pub(crate) const fn message_head_bytes_max() -> usize {
    512
}
