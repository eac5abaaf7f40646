//! Every bound of a POP3 connection, in one place, with the relations between them proved.

use std::time::Duration;

/// Longest command line in octets, CR LF included (RFC 2449 4).
pub const COMMAND_BYTES_MAX: usize = 255;

/// Longest line of an AUTH exchange in octets, CR LF included: the command too, which may carry a response longer than
/// other commands (RFC 5034 4).
pub const AUTH_LINE_BYTES_MAX: usize = 12_288;

/// Most bytes of input that wait in the machine, behind an unanswered command or for the end of a line.
pub const INPUT_BYTES_MAX: usize = 16 << 10;

/// Longest status line in octets, CR LF included (RFC 2449 4).
pub const STATUS_BYTES_MAX: usize = 512;

/// Bytes of replies that may wait for the client before the machine pauses. Long lists are made piece by piece below
/// this; a message chunk of the session goes in whole.
pub const OUTPUT_BYTES_PAUSE: usize = 64 << 10;

/// Malformed or misplaced commands of one connection, then it is closed.
pub const ERRORS_MAX: u32 = 20;

/// Unknown commands of one connection, then it is closed: few, since they come from programs that speak something else.
pub const UNKNOWN_COMMANDS_MAX: u32 = 5;

/// Failed log-ins of one connection, then it is closed.
pub const AUTH_FAILURES_MAX: u32 = 3;

/// Octets of a unique id (RFC 1939 7).
pub const UIDL_BYTES_MAX: usize = 70;

/// How long a client that has logged in may be silent; RFC 1939 3 wants ten minutes at least.
pub const IDLE_TIMEOUT: Duration = Duration::from_mins(10);

/// How long a client may take to log in, from command to command. Nothing is lost when it has to connect again.
pub const LOGIN_TIMEOUT: Duration = Duration::from_mins(2);

const _: () = assert!(COMMAND_BYTES_MAX < AUTH_LINE_BYTES_MAX);
const _: () = assert!(AUTH_LINE_BYTES_MAX < INPUT_BYTES_MAX);
const _: () = assert!(UNKNOWN_COMMANDS_MAX < ERRORS_MAX);
const _: () = assert!(IDLE_TIMEOUT.as_secs() >= 600 && LOGIN_TIMEOUT.as_secs() < IDLE_TIMEOUT.as_secs());
// A UIDL line, `+OK number id`, is a status line.
const _: () = assert!("+OK 4294967295 \r\n".len() + UIDL_BYTES_MAX < STATUS_BYTES_MAX);

mail_model::limits_table!("pop3-wire":
    COMMAND_BYTES_MAX, AUTH_LINE_BYTES_MAX, INPUT_BYTES_MAX, STATUS_BYTES_MAX, OUTPUT_BYTES_PAUSE, ERRORS_MAX,
    UNKNOWN_COMMANDS_MAX, AUTH_FAILURES_MAX, UIDL_BYTES_MAX, IDLE_TIMEOUT, LOGIN_TIMEOUT,
);
