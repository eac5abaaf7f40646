//! Every bound of the delivery log, in one place, with the relations between them proved.

use std::time::Duration;

/// Records that wait for the disk. Full means that further ones are lost: at some 500 bytes each this is 4 MiB, and at
/// 2,000 messages a second it bridges four seconds.
pub const RECORDS_QUEUED_MAX: usize = 8_192;

/// Records that are written with one system call.
pub const RECORDS_PER_WRITE: usize = 256;

/// How long the writer lets records gather once it has written all there were, so that who puts one down seldom has to
/// wake it.
pub const GATHER: Duration = Duration::from_millis(20);

/// Longest name or address in a record, in bytes; what is longer is cut.
pub const NAME_BYTES_MAX: usize = 600;
/// Longest Message-ID in a record, in bytes; what is longer is cut. The line that RFC 5322 2.1.1 allows.
pub const MESSAGE_ID_BYTES_MAX: usize = 998;
/// Longest text of a reply in a record, in bytes; what is longer is cut.
pub const TEXT_BYTES_MAX: usize = 1_024;

/// Longest line that is read, in bytes; a longer one is damage, and is skipped.
pub const LINE_BYTES_MAX: usize = 128 << 10;
/// Bytes read at a time.
pub const READ_BYTES: usize = 64 << 10;

/// Most records that one search returns.
pub const RECORDS_FOUND_MAX: usize = 1_000;
/// How long one search reads.
pub const SEARCH_TIME_MAX: Duration = Duration::from_secs(20);

/// How long somebody waits for the writer to have written.
pub const FLUSH_WITHIN: Duration = Duration::from_secs(2);

const _: () = assert!(RECORDS_PER_WRITE < RECORDS_QUEUED_MAX);
const _: () = assert!(GATHER.as_millis() < FLUSH_WITHIN.as_millis());
const _: () = assert!(NAME_BYTES_MAX > smtp_wire::limits::LOCAL_BYTES_MAX + mail_model::DOMAIN_BYTES_MAX + 3);
const _: () = assert!(NAME_BYTES_MAX > smtp_wire::limits::HELLO_BYTES_MAX);
// Ten names, one Message-ID and one text, each byte escaped as six, and the names of the fields.
const _: () = assert!(LINE_BYTES_MAX > 6 * (10 * NAME_BYTES_MAX + MESSAGE_ID_BYTES_MAX + TEXT_BYTES_MAX) + 1_024);
const _: () = assert!(FLUSH_WITHIN.as_secs() < SEARCH_TIME_MAX.as_secs());

mail_model::limits_table!("node: delivery log":
    RECORDS_QUEUED_MAX, RECORDS_PER_WRITE, GATHER, NAME_BYTES_MAX, MESSAGE_ID_BYTES_MAX, TEXT_BYTES_MAX, LINE_BYTES_MAX,
    READ_BYTES, RECORDS_FOUND_MAX, SEARCH_TIME_MAX, FLUSH_WITHIN,
);
