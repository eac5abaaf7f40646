//! Every bound of the operator's tool, in one place, with the relations between them proved.

use std::time::Duration;

/// How long a node may take to be reached, TLS included.
pub const CONNECT_WITHIN: Duration = Duration::from_secs(4);
/// How long a node may take to answer a call; the longest check of an account takes the longest.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(125);
/// How long a node may take to say how it is.
pub const STATUS_WITHIN: Duration = Duration::from_secs(5);
/// What takes longer shows that it goes on.
pub const PROGRESS_AFTER: Duration = Duration::from_secs(1);
/// Time between two pictures of what goes on.
pub const PROGRESS_EVERY: Duration = Duration::from_millis(120);
/// Columns of a terminal that does not tell.
pub const TERMINAL_WIDTH: u16 = 80;
/// Columns that the wrapped column of a table needs; with fewer each field gets a line of its own.
pub const TABLE_WRAPPED_MIN: u16 = 20;
/// Records of the delivery log that are shown when nothing else is asked for.
pub const TRACE_RECORDS: usize = 100;
/// Most records of the delivery log that can be asked for.
pub const TRACE_RECORDS_MAX: usize = 1_000;
/// Longest line taken as a password from standard input, in bytes.
pub const PASSWORD_BYTES_MAX: u64 = 4_096;

/// Mail groups of a demo: few, since one machine carries all replicas of all nodes.
pub const DEMO_GROUPS: u32 = 16;
/// Accounts of a demo, when nothing else is asked for.
pub const DEMO_ACCOUNTS: u32 = 20;
/// Most accounts of a demo: each password is hashed as a real one is.
pub const DEMO_ACCOUNTS_MAX: u32 = 1_000;
/// Accounts that the demo has made at once.
pub const DEMO_ACCOUNTS_AT_ONCE: usize = 4;
/// How long the nodes of a demo may take to serve.
pub const DEMO_READY_WITHIN: Duration = Duration::from_secs(180);
/// Time between two looks at the nodes of a demo while they start.
pub const DEMO_LOOK_EVERY: Duration = Duration::from_millis(250);
/// Time between two looks at the nodes of a demo that runs.
pub const DEMO_SHOW_EVERY: Duration = Duration::from_secs(2);
/// How long a listener may take to greet.
pub const DEMO_GREET_WITHIN: Duration = Duration::from_secs(3);
/// How long a node of a demo may take to stop; it ends by itself before that.
pub const DEMO_STOP_WITHIN: Duration = Duration::from_secs(40);
/// Lines of a node's log that are shown when it does not start.
pub const DEMO_LOG_LINES: usize = 5;

const _: () = assert!(PROGRESS_EVERY.as_millis() < PROGRESS_AFTER.as_millis());
const _: () = assert!(TABLE_WRAPPED_MIN < TERMINAL_WIDTH);
const _: () = assert!(TRACE_RECORDS <= TRACE_RECORDS_MAX);
const _: () = assert!(CONNECT_WITHIN.as_secs() <= STATUS_WITHIN.as_secs());
const _: () = assert!(STATUS_WITHIN.as_secs() < ANSWER_WITHIN.as_secs());
const _: () = assert!(DEMO_ACCOUNTS <= DEMO_ACCOUNTS_MAX);
const _: () = assert!(DEMO_LOOK_EVERY.as_millis() < DEMO_SHOW_EVERY.as_millis());

mail_model::limits_table!("cli":
    CONNECT_WITHIN, ANSWER_WITHIN, STATUS_WITHIN, PROGRESS_AFTER, PROGRESS_EVERY, TERMINAL_WIDTH, TABLE_WRAPPED_MIN, TRACE_RECORDS, TRACE_RECORDS_MAX, PASSWORD_BYTES_MAX, DEMO_GROUPS,
    DEMO_ACCOUNTS, DEMO_ACCOUNTS_MAX, DEMO_ACCOUNTS_AT_ONCE, DEMO_READY_WITHIN, DEMO_LOOK_EVERY, DEMO_SHOW_EVERY,
    DEMO_GREET_WITHIN, DEMO_STOP_WITHIN, DEMO_LOG_LINES,
);
