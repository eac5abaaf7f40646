//! Every bound of the IMAP wire, in one place, with the relations between them proved.
//!
//! Must not know: what the configuration of a cluster may change; that comes in as [`AppendLimit`].

use std::time::Duration;

use mail_model::{KEYWORD_BYTES_MAX, NAME_BYTES_MAX, SASL_TEXT_BYTES_MAX};

/// Longest line without its literals. RFC 2683 3.2.1.5 asks for 8,000 octets; clients with long UID sets send more.
/// A longer one ends the connection, since nothing says where its command ends.
pub const LINE_BYTES_MAX: usize = 64 << 10;
/// The same before log-in; OAuth tokens and Kerberos tickets have to fit.
pub const LINE_BYTES_MAX_BEFORE_LOGIN: usize = 16 << 10;

/// Largest literal that is collected: names, patterns, search strings, passwords.
pub const LITERAL_BYTES_MAX: usize = 16 << 10;
/// The same before log-in.
pub const LITERAL_BYTES_MAX_BEFORE_LOGIN: usize = 2 << 10;

/// Largest command, all its lines and collected literals together.
pub const COMMAND_BYTES_MAX: usize = 128 << 10;

/// Bytes that wait for [`crate::ImapServer::poll`]; at more than that the caller stops reading from the socket, and
/// TCP makes the client wait.
pub const INPUT_BYTES_MAX: usize = LINE_BYTES_MAX + (4 << 10);

/// An empty input buffer that has grown beyond this is given back, so that idle sessions stay small.
pub const INPUT_KEEP_BYTES: usize = 4 << 10;

/// Longest tag; clients use about five octets.
pub const TAG_BYTES_MAX: usize = 128;

/// Longest name of a SASL mechanism (RFC 4422 3.1).
pub const MECHANISM_BYTES_MAX: usize = 20;

/// Bad commands in a row, after which the client is taken for something else and sent away.
pub const ERRORS_MAX: u32 = 20;
/// The same before log-in, where HTTP and port scanners come by.
pub const ERRORS_MAX_BEFORE_LOGIN: u32 = 5;

/// Members of a sequence set; a line full of five-digit UIDs has fewer.
pub const SEQUENCE_MEMBERS_MAX: usize = 16_384;

/// Depth of NOT, OR and parentheses in SEARCH; evaluation recurses as deep.
pub const SEARCH_DEPTH_MAX: usize = 32;
/// Search keys in one command.
pub const SEARCH_KEYS_MAX: usize = 1_000;

/// Items in one FETCH.
pub const FETCH_ITEMS_MAX: usize = 200;
/// Part numbers in one section specification.
pub const SECTION_DEPTH_MAX: usize = 64;
/// Field names in one HEADER.FIELDS.
pub const FIELD_NAMES_MAX: usize = 200;

/// Keywords in one STORE or APPEND; a message holds no more (DESIGN M7).
pub const KEYWORDS_MAX: usize = 100;

/// Messages of one APPEND (MULTIAPPEND). All of them become one entry of a log.
pub const APPEND_MESSAGES_MAX: usize = 500;

/// Field-value pairs of one ID (RFC 2971 3.3).
pub const ID_PAIRS_MAX: usize = 30;
/// Longest field name of ID in octets (RFC 2971 3.3).
pub const ID_FIELD_BYTES_MAX: usize = 30;
/// Longest value of ID in octets (RFC 2971 3.3).
pub const ID_VALUE_BYTES_MAX: usize = 1_024;

/// Longest LIST pattern, reference included, in octets of UTF-8; a longer one could match no name but through its
/// wildcards.
pub const PATTERN_BYTES_MAX: usize = 2 * NAME_BYTES_MAX;

/// Without a command for so long, an authenticated session ends (RFC 3501 5.4 asks for at least 30 minutes).
pub const AUTOLOGOUT: Duration = Duration::from_secs(30 * 60);
/// The same before log-in.
pub const AUTOLOGOUT_BEFORE_LOGIN: Duration = Duration::from_secs(60);
/// How often a session in IDLE is sent something, so that address translators on the way keep its connection.
pub const IDLE_KEEPALIVE: Duration = Duration::from_secs(2 * 60);

const _: () = assert!(INPUT_BYTES_MAX > LINE_BYTES_MAX, "a line that is allowed must fit");
const _: () = assert!(
    COMMAND_BYTES_MAX >= LINE_BYTES_MAX + LITERAL_BYTES_MAX,
    "a full line may have a literal"
);
const _: () = assert!(LINE_BYTES_MAX_BEFORE_LOGIN <= LINE_BYTES_MAX);
const _: () = assert!(LITERAL_BYTES_MAX_BEFORE_LOGIN <= LITERAL_BYTES_MAX);
const _: () = assert!(
    LITERAL_BYTES_MAX_BEFORE_LOGIN >= SASL_TEXT_BYTES_MAX,
    "any password may come as literal"
);
// Modified UTF-7 takes at most 8/3 octets and its two marks for two octets of UTF-8.
const _: () = assert!(
    LITERAL_BYTES_MAX >= 5 * NAME_BYTES_MAX,
    "any mailbox name may come as literal"
);
const _: () = assert!(LITERAL_BYTES_MAX >= ID_VALUE_BYTES_MAX);
const _: () = assert!(
    LINE_BYTES_MAX >= KEYWORDS_MAX * (KEYWORD_BYTES_MAX + 1),
    "all keywords fit into one STORE"
);
const _: () = assert!(AUTOLOGOUT.as_secs() >= 30 * 60);
const _: () = assert!(IDLE_KEEPALIVE.as_secs() < AUTOLOGOUT.as_secs());

/// Largest message that APPEND may bring, in octets; as the cluster is configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppendLimit(pub u64);

mail_model::limits_table!("imap-wire":
    LINE_BYTES_MAX, LINE_BYTES_MAX_BEFORE_LOGIN, LITERAL_BYTES_MAX, LITERAL_BYTES_MAX_BEFORE_LOGIN, COMMAND_BYTES_MAX,
    INPUT_BYTES_MAX, INPUT_KEEP_BYTES, TAG_BYTES_MAX, MECHANISM_BYTES_MAX, ERRORS_MAX, ERRORS_MAX_BEFORE_LOGIN,
    SEQUENCE_MEMBERS_MAX, SEARCH_DEPTH_MAX, SEARCH_KEYS_MAX, FETCH_ITEMS_MAX, SECTION_DEPTH_MAX, FIELD_NAMES_MAX,
    KEYWORDS_MAX, APPEND_MESSAGES_MAX, ID_PAIRS_MAX, ID_FIELD_BYTES_MAX, ID_VALUE_BYTES_MAX, PATTERN_BYTES_MAX,
    AUTOLOGOUT, AUTOLOGOUT_BEFORE_LOGIN, IDLE_KEEPALIVE,
);
