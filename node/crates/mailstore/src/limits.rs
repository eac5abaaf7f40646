//! Every bound of the mail store, in one place, with the relations between them proved.

use std::time::Duration;

use replication::limits::{BLOB_BYTES_MAX, PAYLOAD_BYTES_MAX};
use replication::{PIECE_BYTES, PIECE_OVERHEAD_MAX};

/// Largest message, prefix aside. The lists of its pieces still fit into one command and one row.
pub const MESSAGE_BYTES_MAX: u64 = 256 << 20;

/// Most pieces of one body.
pub const PIECES_MAX: usize = (MESSAGE_BYTES_MAX / PIECE_BYTES as u64) as usize;

/// Bytes that a piece takes in a row or command: log index, length, value, and their heads.
const PIECE_RECORD_BYTES: usize = 56;

/// Largest prefix: trace headers of one delivery.
pub const PREFIX_BYTES_MAX: usize = 8 << 10;

/// Largest structure row. What is beyond it is kept without its structure, which is then read from the message.
pub const STRUCTURE_BYTES_MAX: usize = 256 << 10;

/// Thread keys of one message: its Message-ID and the last ones that it refers to.
pub const THREAD_KEYS_MAX: usize = 20;

/// Recipients of one `Deliver` command. More are delivered by further commands that refer to the same body.
pub const RECIPIENTS_PER_COMMAND: usize = 64;

/// Messages that one STORE, EXPUNGE or MOVE entry changes (DESIGN D18).
pub const MESSAGES_PER_COMMAND: usize = 1_000;

/// Messages that one COPY, or a RENAME of INBOX, may carry: one entry, one batch.
pub const MESSAGES_PER_COPY: usize = 10_000;

/// Messages of one MULTIAPPEND: one entry, one batch.
pub const MESSAGES_PER_APPEND: usize = 500;

/// Bytes of what its entry says of them beside their bodies: structures, flags, thread keys. A structure takes a kilobyte,
/// so that only unusual messages meet this bound before the other one.
pub const APPEND_BYTES_MAX: usize = PAYLOAD_BYTES_MAX - (16 << 10);

/// Bytes of that for one message without structure and keywords, or more.
pub const APPEND_ITEM_BYTES: usize = THREAD_KEYS_MAX * 20 + 2 * UIDL_BYTES_MAX + 256;

/// Bodies of one MULTIAPPEND that are on their way at a time, and their bytes: as much as a body writer has.
pub const APPENDS_IN_FLIGHT: usize = 32;
/// See [`APPENDS_IN_FLIGHT`].
pub const APPEND_BYTES_IN_FLIGHT: usize = PIECES_IN_FLIGHT * (PIECE_BYTES + PIECE_OVERHEAD_MAX);

/// UID ranges that one command names.
pub const UID_RANGES_MAX: usize = 10_000;

/// Mailboxes of one account.
pub const MAILBOXES_MAX: usize = 5_000;

/// Subscribed names of one account.
pub const SUBSCRIPTIONS_MAX: usize = 5_000;

/// Keywords of one mailbox (DESIGN M7).
pub const KEYWORDS_PER_MAILBOX: usize = 1_000;

/// Keywords of one message (DESIGN M7).
pub const KEYWORDS_PER_MESSAGE: usize = 100;

/// Longest UIDL in octets (RFC 1939, section 7).
pub const UIDL_BYTES_MAX: usize = 70;

/// Rows that one page of a query carries.
pub const PAGE_ROWS: usize = 4_096;

/// Parts of a mailbox that are read at a time when all of it is.
pub const LOADS_AT_ONCE: usize = 4;

/// Messages from which on a mailbox is kept for the next view of it: smaller ones are read in one page.
pub const KEPT_VIEW_MESSAGES_MIN: usize = 256;

/// Messages of all mailboxes that a front node keeps for the next views: some 40 bytes each.
pub const KEPT_VIEWS_MESSAGES_MAX: usize = 1 << 20;

/// Pages of changes up to which a view begins with what is kept; beyond that reading all of the mailbox is cheaper.
pub const CATCH_UP_PAGES: usize = 4;

/// Messages whose details one query returns.
pub const DETAILS_PER_QUERY: usize = 256;

/// Messages whose rows are read at once for that.
pub const DETAILS_PER_READ: usize = 32;

/// Bytes of details after which a query ends its page, whatever messages are left.
pub const DETAILS_BYTES: usize = 1 << 20;

/// Rows that one sweep looks at.
pub const SWEEP_ROWS: usize = 1_000;

/// Milliseconds for which the body of an expunged message can still be fetched by a session that shows it (M11).
pub const KEPT_BODY_MS: u64 = 24 * HOUR_MS;

/// Milliseconds for which a tombstone says that a message was expunged (M3).
pub const TOMBSTONE_MS: u64 = 60 * 24 * HOUR_MS;

/// Milliseconds after which an upload without a new piece is given up (D3).
pub const UPLOAD_IDLE_MS: u64 = HOUR_MS;

/// Milliseconds for which a maildrop lock holds without renewal (M9).
pub const MAILDROP_LEASE_MS: u64 = 15_000;

/// Milliseconds for which a message that is sent again is recognized while its client may not know of it (M14).
pub const REDELIVERY_MS: u64 = 5 * 24 * HOUR_MS;

/// Milliseconds for which a queued delivery is tried, before its sender is told that it failed (RFC 5321 4.5.4.1).
pub const QUEUED_MS: u64 = 5 * 24 * HOUR_MS;

/// Milliseconds for which a group remembers of a message that it has what some group may have in its queue: longer than
/// any group has.
pub const EPISODE_MS: u64 = QUEUED_MS + 24 * HOUR_MS;

/// Milliseconds until a queued delivery is tried; doubled with each attempt, up to [`QUEUE_RETRY_MS_MAX`].
pub const QUEUE_RETRY_MS_MIN: u64 = 5_000;
/// See [`QUEUE_RETRY_MS_MIN`].
pub const QUEUE_RETRY_MS_MAX: u64 = 300_000;

/// How often the groups led here are looked at for queued deliveries that are due.
pub const QUEUE_EVERY: Duration = Duration::from_secs(2);

/// Queued deliveries that one query returns; it ends its page earlier after [`DETAILS_BYTES`].
pub const QUEUE_PAGE: usize = 256;

/// Pages of one group's queue that are worked off, before the next turn.
pub const QUEUE_PAGES_PER_TURN: usize = 20;

/// Groups whose queues are worked off at a time.
pub const QUEUES_AT_ONCE: usize = 8;

/// Queued deliveries of a group that are counted.
pub const QUEUE_COUNT_MAX: usize = 100_000;

/// Turns of the queue's worker after which it counts what waits.
pub const QUEUE_COUNT_TURNS: u32 = 15;

/// Bytes of an undeliverable message that are read for its header.
pub const NOTICE_HEADER_BYTES: u64 = 16 << 10;

/// Queued deliveries that one command changes.
pub const QUEUED_PER_COMMAND: usize = 1_000;

/// Messages that look the same of which a recipient's group remembers, for what a queue may still hold of them.
pub const KNOWN_MAX: usize = 16;

/// Longest reverse or forward path, or Message-ID, that a queued delivery keeps, in bytes.
pub const PATH_BYTES_MAX: usize = 1 << 10;

/// Deliveries that one command closes.
pub const CLOSES_PER_COMMAND: usize = 1_000;

/// Deliveries of one group that wait to be closed. Past it the oldest stay open for the whole window: the price is that
/// the same message, sent again on purpose, is taken for a repetition.
pub const CLOSES_WAITING_MAX: usize = 50_000;

/// How often deliveries are closed.
pub const CLOSE_EVERY: Duration = Duration::from_secs(1);

const HOUR_MS: u64 = 3_600_000;

/// Pieces that one body writer has on their way at a time: bounds the memory of a large message that arrives.
pub const PIECES_IN_FLIGHT: usize = 3;

/// Pieces that a body reader fetches ahead of its client.
pub const PIECES_READ_AHEAD: usize = 2;

/// Time for one command. SMTP answers the end of data within 30 s (RFC 5321 allows ten minutes, clients do not wait).
pub const COMMAND_WITHIN: Duration = Duration::from_secs(20);

/// Time for one command of a transaction over several groups that may be queued, and for one piece of its body: a group
/// out of reach must leave time for the queue of another one.
pub const DIRECT_WITHIN: Duration = Duration::from_secs(8);

/// Time for queueing in one group. Two are tried.
pub const ENQUEUE_WITHIN: Duration = Duration::from_secs(4);

/// Time for one query or one body piece.
pub const READ_WITHIN: Duration = Duration::from_secs(10);

/// Time for the check of all bodies of a group.
pub const CHECK_WITHIN: Duration = Duration::from_secs(90);

/// Time that a SELECT gives the claim of `\Recent`; without it the messages are recent in a later session.
pub const RECENT_WITHIN: Duration = Duration::from_secs(2);

/// How often a maildrop lock is renewed by its session.
pub const MAILDROP_RENEW: Duration = Duration::from_secs(5);

/// How often the groups led here are looked at for what is due.
pub const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// Sweeps of one group in a row, before the next group has its turn.
pub const SWEEPS_PER_TURN: usize = 50;

const _: () = assert!(2 * MAILDROP_RENEW.as_millis() < MAILDROP_LEASE_MS as u128);
const _: () = assert!(COMMAND_WITHIN.as_secs() < 30);
const _: () = assert!(PIECE_BYTES + PIECE_OVERHEAD_MAX <= BLOB_BYTES_MAX);
const _: () = assert!(MESSAGE_BYTES_MAX < u32::MAX as u64 - PREFIX_BYTES_MAX as u64);
const _: () = assert!(2 * MESSAGE_BYTES_MAX + 2 + PREFIX_BYTES_MAX as u64 <= u32::MAX as u64);
const _: () = assert!(
    RECIPIENTS_PER_COMMAND * (PREFIX_BYTES_MAX + 64) + STRUCTURE_BYTES_MAX + THREAD_KEYS_MAX * 20 + 1_024
        <= PAYLOAD_BYTES_MAX
);
const _: () = assert!(
    RECIPIENTS_PER_COMMAND * (PREFIX_BYTES_MAX + PATH_BYTES_MAX + 64)
        + STRUCTURE_BYTES_MAX
        + 2 * PATH_BYTES_MAX
        + 1_024
        <= PAYLOAD_BYTES_MAX
);
const _: () = assert!(QUEUE_PAGE <= QUEUED_PER_COMMAND && QUEUED_PER_COMMAND * 64 <= PAYLOAD_BYTES_MAX);
// The last piece, the delivery and the queues of two groups.
const _: () = assert!(2 * DIRECT_WITHIN.as_secs() + 2 * ENQUEUE_WITHIN.as_secs() < 28);
const _: () = assert!(QUEUED_MS < EPISODE_MS && REDELIVERY_MS < EPISODE_MS);
const _: () = assert!(UID_RANGES_MAX * 10 + KEYWORDS_PER_MESSAGE * 132 + 1_024 <= PAYLOAD_BYTES_MAX);
const _: () = assert!(MESSAGES_PER_APPEND * APPEND_ITEM_BYTES <= APPEND_BYTES_MAX / 2);
const _: () = assert!(STRUCTURE_BYTES_MAX + KEYWORDS_PER_MESSAGE * 132 + APPEND_ITEM_BYTES <= APPEND_BYTES_MAX);
const _: () = assert!(PIECES_MAX * PIECE_RECORD_BYTES <= PAYLOAD_BYTES_MAX);
const _: () = assert!(CLOSES_PER_COMMAND * 64 <= PAYLOAD_BYTES_MAX);
const _: () = assert!(CLOSES_PER_COMMAND <= CLOSES_WAITING_MAX);
const _: () = assert!(KEPT_BODY_MS < TOMBSTONE_MS);
const _: () = assert!(MESSAGES_PER_COMMAND <= MESSAGES_PER_COPY);
const _: () = assert!(KEPT_VIEW_MESSAGES_MIN <= PAGE_ROWS && PAGE_ROWS <= KEPT_VIEWS_MESSAGES_MAX);

mail_model::limits_table!("mailstore":
    MESSAGE_BYTES_MAX, PIECES_MAX, PREFIX_BYTES_MAX, STRUCTURE_BYTES_MAX, THREAD_KEYS_MAX, RECIPIENTS_PER_COMMAND,
    MESSAGES_PER_COMMAND, MESSAGES_PER_COPY, MESSAGES_PER_APPEND, APPEND_BYTES_MAX, APPEND_ITEM_BYTES,
    APPENDS_IN_FLIGHT, APPEND_BYTES_IN_FLIGHT, UID_RANGES_MAX, MAILBOXES_MAX, SUBSCRIPTIONS_MAX, KEYWORDS_PER_MAILBOX,
    KEYWORDS_PER_MESSAGE, UIDL_BYTES_MAX, PAGE_ROWS, LOADS_AT_ONCE, KEPT_VIEW_MESSAGES_MIN, KEPT_VIEWS_MESSAGES_MAX,
    CATCH_UP_PAGES, DETAILS_PER_QUERY, DETAILS_PER_READ, DETAILS_BYTES, SWEEP_ROWS, KEPT_BODY_MS, TOMBSTONE_MS,
    UPLOAD_IDLE_MS, MAILDROP_LEASE_MS, REDELIVERY_MS, QUEUED_MS, EPISODE_MS, QUEUE_RETRY_MS_MIN, QUEUE_RETRY_MS_MAX,
    QUEUE_EVERY, QUEUE_PAGE, QUEUE_PAGES_PER_TURN, QUEUES_AT_ONCE, QUEUE_COUNT_MAX, QUEUE_COUNT_TURNS,
    NOTICE_HEADER_BYTES, QUEUED_PER_COMMAND, KNOWN_MAX, PATH_BYTES_MAX, CLOSES_PER_COMMAND, CLOSES_WAITING_MAX,
    CLOSE_EVERY, PIECES_IN_FLIGHT, PIECES_READ_AHEAD, COMMAND_WITHIN, DIRECT_WITHIN, ENQUEUE_WITHIN, READ_WITHIN,
    CHECK_WITHIN, RECENT_WITHIN, MAILDROP_RENEW, SWEEP_EVERY, SWEEPS_PER_TURN,
);
