//! Every bound of an IMAP session beyond those of the wire, in one place, with the relations between them proved.

use std::time::Duration;

use imap_wire::limits::{
    APPEND_MESSAGES_MAX, AUTOLOGOUT, AUTOLOGOUT_BEFORE_LOGIN, IDLE_KEEPALIVE, INPUT_KEEP_BYTES, LITERAL_BYTES_MAX,
};
use mail_message::limits::SEARCH_KEY_BYTES_MAX;
use mailstore::limits::{MESSAGES_PER_APPEND, UPLOAD_IDLE_MS};

/// Bytes of replies after which they are sent before the next one is made: what a client that does not read can make us
/// hold.
pub const OUTPUT_BYTES: usize = 32 << 10;
/// An output buffer that has grown beyond this is given back once it is empty, so that idle sessions stay small.
pub const OUTPUT_KEEP_BYTES: usize = 4 << 10;
/// Bytes that are written under one time limit.
pub const WRITE_BYTES: usize = 32 << 10;
/// How long the client may take for them: over two minutes of a dead radio link, and 182 octets a second.
pub const WRITE_WITHIN: Duration = Duration::from_secs(3 * 60);

/// Bytes that are read at a time from a client that says little.
pub const READ_BYTES_QUIET: usize = 2 << 10;
/// The same from a client that has filled that.
pub const READ_BYTES_BUSY: usize = 16 << 10;

/// When a session in IDLE looks again for changes that it could not read: a failover is over by then.
pub const IDLE_RETRY: Duration = Duration::from_secs(2);

/// How long a TLS handshake may take.
pub const TLS_HANDSHAKE_WITHIN: Duration = Duration::from_secs(30);

/// Wrong passwords on one connection, after which it ends. Delays between them are the authenticator's.
pub const LOGIN_FAILURES_MAX: u32 = 5;

/// Messages up to this size are read whole, once for all sections that a FETCH wants of them: one piece of a body.
pub const SMALL_MESSAGE_BYTES: u64 = 256 << 10;
/// Bytes of the messages that FETCH BODY reads at once; a larger message is read alone.
pub const BATCH_BYTES: u64 = 256 << 10;
/// Messages of one such batch.
pub const BATCH_MESSAGES: usize = 64;
/// Batches that FETCH BODY reads ahead of the client.
pub const BATCHES_READ_AHEAD: usize = 1;
/// Messages that are read side by side where they cannot be read at once.
pub const MESSAGES_READ_AHEAD: usize = 4;
/// Of chosen header fields so much is kept between counting and sending; longer ones are read twice.
pub const FILTERED_BYTES_KEPT: usize = 64 << 10;
/// Literals from this size on are sent from where they are, without being copied into the output buffer.
pub const SENT_IN_PLACE_BYTES: usize = 8 << 10;

/// A page of rows is read as one range when it holds at most so many messages per message that is wanted.
pub const ROWS_READ_PER_WANTED: usize = 8;

/// Messages whose flags are looked at before others have their turn.
pub const MESSAGES_PER_TURN: usize = 4_096;

/// How long one SEARCH may take; then `NO [LIMIT]`. It reads some gigabytes of text in that time.
pub const SEARCH_WITHIN: Duration = Duration::from_secs(10 * 60);
/// How often a long SEARCH says that it is still at work: less than clients and address translators wait.
pub const SEARCH_PROGRESS: Duration = Duration::from_secs(15);
/// Strings of one SEARCH that are looked for in messages: each costs time for every octet read.
pub const SEARCH_STRINGS_MAX: usize = 64;
/// Bytes of chosen header fields that SEARCH keeps of one message.
pub const SEARCH_FIELD_BYTES_MAX: usize = 256 << 10;
/// Octets that SEARCH looks at before others have their turn: less than a millisecond.
pub const SEARCH_BYTES_PER_TURN: usize = 64 << 10;

/// How long a client may take for the message of one APPEND, so that dripping octets hold no session for ever.
pub const APPEND_WITHIN: Duration = Duration::from_hours(2);
/// How long it may take for further messages of the same command, all together: an idle upload of the first one is swept
/// later.
pub const MULTIAPPEND_WITHIN: Duration = Duration::from_mins(45);

const _: () = assert!(OUTPUT_KEEP_BYTES <= OUTPUT_BYTES);
const _: () = assert!(SENT_IN_PLACE_BYTES <= OUTPUT_BYTES);
const _: () = assert!(WRITE_BYTES >= OUTPUT_BYTES, "a full buffer is one write");
const _: () = assert!(READ_BYTES_QUIET <= READ_BYTES_BUSY && READ_BYTES_QUIET <= INPUT_KEEP_BYTES);
const _: () = assert!(WRITE_WITHIN.as_secs() < AUTOLOGOUT.as_secs());
const _: () = assert!(WRITE_WITHIN.as_secs() > IDLE_KEEPALIVE.as_secs());
const _: () = assert!(TLS_HANDSHAKE_WITHIN.as_secs() <= AUTOLOGOUT_BEFORE_LOGIN.as_secs());
const _: () = assert!(SEARCH_PROGRESS.as_secs() < SEARCH_WITHIN.as_secs());
const _: () = assert!(SEARCH_WITHIN.as_secs() < AUTOLOGOUT.as_secs());
const _: () = assert!(SEARCH_KEY_BYTES_MAX <= LITERAL_BYTES_MAX);
const _: () = assert!(APPEND_WITHIN.as_secs() > AUTOLOGOUT.as_secs());
const _: () = assert!(MULTIAPPEND_WITHIN.as_millis() < UPLOAD_IDLE_MS as u128);
const _: () = assert!(APPEND_MESSAGES_MAX <= MESSAGES_PER_APPEND);

mail_model::limits_table!("node: imap":
    OUTPUT_BYTES, OUTPUT_KEEP_BYTES, WRITE_BYTES, WRITE_WITHIN, READ_BYTES_QUIET, READ_BYTES_BUSY, IDLE_RETRY,
    TLS_HANDSHAKE_WITHIN, LOGIN_FAILURES_MAX, SMALL_MESSAGE_BYTES, BATCH_BYTES, BATCH_MESSAGES, BATCHES_READ_AHEAD,
    MESSAGES_READ_AHEAD, FILTERED_BYTES_KEPT, SENT_IN_PLACE_BYTES, ROWS_READ_PER_WANTED, MESSAGES_PER_TURN,
    SEARCH_WITHIN, SEARCH_PROGRESS, SEARCH_STRINGS_MAX, SEARCH_FIELD_BYTES_MAX, SEARCH_BYTES_PER_TURN, APPEND_WITHIN,
    MULTIAPPEND_WITHIN,
);
