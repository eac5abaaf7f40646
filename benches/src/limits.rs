//! Every bound of the measurements, in one place, with the relations between them proved.

use std::time::Duration;

/// Size of the appends by which the disk itself is measured: a small message.
pub(crate) const PROBE_BYTES: usize = 4 << 10;
/// What is read of a file to see whether it is in memory.
pub(crate) const CHECKED_BYTES: usize = 64 << 10;
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

/// Mail groups of a cluster: as many as a demo has.
pub(crate) const GROUPS: u16 = 16;
/// Ports from the start of one cluster to that of the next, where their nodes are that many apart, too.
pub(crate) const PORTS_PER_CLUSTER: u16 = 1_000;
/// Work that a server gets before the first turn at a cell counts.
pub(crate) const WARM_UP: Duration = Duration::from_millis(500);

/// What an IMAP client reads at a time from a server that has much to say.
pub(crate) const CLIENT_READ_BYTES: usize = 256 << 10;
/// Clients that fill a mailbox where one command cannot carry many messages.
pub(crate) const FILL_CLIENTS: usize = 16;
/// Messages that each of them sends before it waits.
pub(crate) const FILL_BATCH: usize = 100;
/// Size of messages that count by their number alone.
pub(crate) const SHORT_MESSAGE_BYTES: usize = 1 << 10;
/// Most messages of a mailbox.
pub(crate) const MAILBOX_MESSAGES_MAX: u64 = 1_000_000;

/// Messages that one client sends at once, and those of one MULTIAPPEND.
pub(crate) const APPEND_BATCH: usize = 50;
/// Clients that log in at once.
pub(crate) const LOGIN_CLIENTS: [usize; 2] = [1, 16];
/// Clients of the mixed load.
pub(crate) const MIXED_CLIENTS: usize = 20;
/// Messages in the INBOX of each.
pub(crate) const MIXED_MESSAGES: usize = 200;
/// What a client does in one session, log-in and the like aside.
pub(crate) const MIXED_STEPS: usize = 20;
/// Sessions that wait for news.
pub(crate) const IDLE_SESSIONS: [usize; 2] = [500, 10_000];
/// Most of them: a node takes some more connections than this.
pub(crate) const IDLE_SESSIONS_MAX: u64 = 16_000;
/// Messages in the INBOX of each account that they wait for.
pub(crate) const IDLE_MESSAGES: usize = 10;
/// Sessions that are opened at once.
pub(crate) const IDLE_OPENERS: usize = 16;
/// Addresses of this machine that they come from.
pub(crate) const IDLE_SOURCES: usize = 100;
/// How long the CPU time of a server is watched while they wait.
pub(crate) const IDLE_WATCH: Duration = Duration::from_secs(5);
/// File descriptors that are asked for, for either end of the connections.
pub(crate) const DESCRIPTORS: u64 = 20_000;

/// Most megabytes that are delivered to see what is written.
pub(crate) const WRITTEN_MEGABYTES_MAX: u64 = 4_096;
/// How long that may take.
pub(crate) const WRITTEN_WITHIN: Duration = Duration::from_secs(240);
/// A server that has written next to nothing for so long has done its compactions.
pub(crate) const WRITTEN_QUIET: Duration = Duration::from_secs(3);
/// How long that is waited for.
pub(crate) const WRITTEN_SETTLE_WITHIN: Duration = Duration::from_secs(30);

/// Most messages of a node that is restarted.
pub(crate) const RESTART_MESSAGES_MAX: u64 = 10_000_000;
/// How long it may take to deliver them.
pub(crate) const FILL_WITHIN: Duration = Duration::from_secs(600);
/// Pause between looks at a node that starts: what its start is told to, in time.
pub(crate) const RESTART_LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long a node with many groups is left alone before its CPU time is looked at.
pub(crate) const IDLE_GROUPS_SETTLE: Duration = Duration::from_secs(5);

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

/// Messages in the mailbox whose opening and reading is counted.
pub(crate) const MICRO_MESSAGES: usize = 200;
/// How many times as many instructions as before a hot path may take.
pub(crate) const DEARER_MAX: f64 = 1.1;

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
const _: () = assert!(IDLE_SESSIONS[1] as u64 <= IDLE_SESSIONS_MAX && IDLE_SESSIONS_MAX < DESCRIPTORS);
const _: () = assert!(IDLE_SOURCES < 255, "the last octet of an address");
const _: () = assert!(SHORT_MESSAGE_BYTES > message_head_bytes_max());
const _: () = assert!(MESSAGE_BYTES[0] > message_head_bytes_max());

/// What the header of a message takes at most, so that its body fills up the rest.
pub(crate) const fn message_head_bytes_max() -> usize {
    512
}
