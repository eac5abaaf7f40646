//! Every bound of an SMTP or LMTP connection, in one place, with the relations between them proved.

use std::time::Duration;

/// Longest command line in octets, CR LF included. RFC 5321 4.5.3.1.4 asks for 512 and leaves room for extensions.
pub const COMMAND_BYTES_MAX: usize = 2_048;

/// Longest line of an AUTH exchange in octets, CR LF included (RFC 4954 4).
pub const AUTH_LINE_BYTES_MAX: usize = 12_288;

/// Most bytes of input that wait in the machine, behind an unanswered command or for the end of a line. When full, the
/// machine takes nothing more and the client feels it through TCP.
pub const INPUT_BYTES_MAX: usize = 64 << 10;

/// Longest local part in octets that is read. RFC 5321 4.5.3.1.1 says 64, but senders of lists put whole recipient
/// addresses into theirs; the directory holds to 64 by itself.
pub const LOCAL_BYTES_MAX: usize = 256;

/// Longest name that a client gives itself, in octets (RFC 5321 4.5.3.1.2).
pub const HELLO_BYTES_MAX: usize = 255;

/// Longest reply line in octets, CR LF included (RFC 5321 4.5.3.1.5); longer texts are continued on the next line.
pub const REPLY_LINE_BYTES_MAX: usize = 512;

/// Most text that a reply carries in octets. What is longer is cut off.
pub const REPLY_TEXT_BYTES_MAX: usize = 4_096;

/// Recipients of one transaction (RFC 5321 4.5.3.1.8 asks for 100 at least); further ones get 452 4.5.3.
pub const RECIPIENTS_MAX: usize = 1_000;

/// Refused recipients of one connection: who guesses names is cut off here.
pub const REFUSED_RECIPIENTS_MAX: u32 = 100;

/// Transactions of one connection; the next MAIL gets 421.
pub const TRANSACTIONS_MAX: u32 = 10_000;

/// Malformed or misplaced commands of one connection, then 421.
pub const ERRORS_MAX: u32 = 20;

/// Unknown commands of one connection, then 421: few, since they come from programs that speak something else.
pub const UNKNOWN_COMMANDS_MAX: u32 = 5;

/// Failed log-ins of one connection, then 421.
pub const AUTH_FAILURES_MAX: u32 = 3;

/// Commands in a row that lead to no message (EHLO, RSET, NOOP, VRFY, HELP), then 421.
pub const FRUITLESS_COMMANDS_MAX: u32 = 1_000;

/// Received fields that a message may carry; one more is taken for a loop (RFC 5321 6.3).
pub const RECEIVED_FIELDS_MAX: u32 = 50;

/// Longest line in octets that RFC 5322 2.1.1 lets programs write. Longer ones are counted and kept: they come in real
/// messages (a whole attachment on one line is not rare), and nothing here or behind holds a line in memory, so the
/// size of the message is the only bound.
pub const LINE_BYTES_ADVISED: usize = 998;

/// Bytes of refused messages that one connection may go on sending before it is closed.
pub const DISCARDED_BYTES_MAX: u64 = 512 << 20;

/// Message bytes that one event carries at most.
pub const CHUNK_BYTES_MAX: usize = INPUT_BYTES_MAX;

/// How long a client may take for its next command, and for one line from its first byte to its last
/// (RFC 5321 4.5.3.2.7).
pub const COMMAND_TIMEOUT: Duration = Duration::from_mins(5);

/// How long a client may pause within a message (RFC 5321 4.5.3.2.5).
pub const DATA_TIMEOUT: Duration = Duration::from_mins(3);

/// How long a client may take for one whole message, so that dripping bytes hold no connection for ever.
pub const MESSAGE_TIMEOUT: Duration = Duration::from_hours(2);

/// By when the reply after the end of data is sent, 451 if nothing better is known. Senders wait ten minutes
/// (RFC 5321 4.5.3.2.6), but each second of it is one in which the connection can break and the message be sent twice.
pub const FINAL_REPLY_TIME_MAX: Duration = Duration::from_secs(30);

const _: () = assert!(COMMAND_BYTES_MAX >= 512 + 26 + 500);
const _: () = assert!(COMMAND_BYTES_MAX < AUTH_LINE_BYTES_MAX);
const _: () = assert!(AUTH_LINE_BYTES_MAX < INPUT_BYTES_MAX);
const _: () = assert!(LOCAL_BYTES_MAX >= mail_model::LOCAL_BYTES_MAX);
const _: () = assert!(LOCAL_BYTES_MAX + mail_model::DOMAIN_BYTES_MAX + 3 < LINE_BYTES_ADVISED - 100);
const _: () = assert!(2 * (LOCAL_BYTES_MAX + mail_model::DOMAIN_BYTES_MAX) < COMMAND_BYTES_MAX);
const _: () = assert!(RECIPIENTS_MAX >= 100);
const _: () = assert!(UNKNOWN_COMMANDS_MAX < ERRORS_MAX);
const _: () = assert!(FINAL_REPLY_TIME_MAX.as_secs() < DATA_TIMEOUT.as_secs());
const _: () = assert!(DATA_TIMEOUT.as_secs() < MESSAGE_TIMEOUT.as_secs());

mail_model::limits_table!("smtp-wire":
    COMMAND_BYTES_MAX, AUTH_LINE_BYTES_MAX, INPUT_BYTES_MAX, LOCAL_BYTES_MAX, HELLO_BYTES_MAX, REPLY_LINE_BYTES_MAX,
    REPLY_TEXT_BYTES_MAX, RECIPIENTS_MAX, REFUSED_RECIPIENTS_MAX, TRANSACTIONS_MAX, ERRORS_MAX, UNKNOWN_COMMANDS_MAX,
    AUTH_FAILURES_MAX, FRUITLESS_COMMANDS_MAX, RECEIVED_FIELDS_MAX, LINE_BYTES_ADVISED, DISCARDED_BYTES_MAX,
    CHUNK_BYTES_MAX, COMMAND_TIMEOUT, DATA_TIMEOUT, MESSAGE_TIMEOUT, FINAL_REPLY_TIME_MAX,
);
