//! Every bound of the directory, in one place, with the relations between them proved.

use std::time::Duration;

use mail_model::{DOMAIN_BYTES_MAX, LOCAL_BYTES_MAX};
use replication::limits::PAYLOAD_BYTES_MAX;

/// Addresses of one account. Real accounts have a handful; the account's record is read at every log-in.
pub const ACCOUNT_ADDRESSES_MAX: usize = 100;

/// Credentials of one account: one password in two schemes, and room for old hashes and application passwords.
pub const CREDENTIALS_MAX: usize = 16;

/// Bytes of the name of a scheme.
pub const SCHEME_BYTES_MAX: usize = 32;

/// Bytes of the value of one credential. The longest known form, SHA-512 crypt, has 106.
pub const CREDENTIAL_BYTES_MAX: usize = 512;

/// Targets of one alias. Whoever needs more wants a list, with its bounces and its archive.
pub const ALIAS_TARGETS_MAX: usize = 1_000;

/// Aliases that stand behind each other on the way from an address to an account.
pub const EXPANSION_DEPTH_MAX: usize = 16;

/// Rows that the expansion of one address may read, over all its branches.
pub const EXPANSION_ROWS_MAX: usize = 4_000;

/// Accounts that one address may reach. Over it, mail is deferred and an administrator has to act.
pub const EXPANSION_RECIPIENTS_MAX: usize = 1_000;

/// Addresses that the answer to "as whom may it send" lists.
pub const IDENTITIES_MAX: usize = 1_000;

/// Bytes of the name of a node or a shelf.
pub const NAME_BYTES_MAX: usize = 64;

/// Bytes of the sealed key of the cluster's CA, as text.
pub const SEALED_KEY_BYTES_MAX: usize = 8 << 10;

/// Nodes, shelves and groups that a cluster is founded with, of each.
pub const FOUND_ROWS_MAX: usize = 1_024;

/// Replicas that a cluster is founded with.
pub const FOUND_REPLICAS_MAX: usize = 8_192;

/// Rows of one page of a listing.
pub const PAGE_ROWS_MAX: usize = 500;

/// Bytes of keys and values after which a page of a listing ends, whatever rows are left.
pub const PAGE_BYTES_MAX: usize = 256 << 10;

/// The largest message that a new cluster takes, in bytes; policy changes it.
pub const MESSAGE_BYTES_DEFAULT: u64 = 50 << 20;

/// Between which values policy may set the largest message: RFC 5321 4.5.3.1.7 asks for 64 kB at least.
pub const MESSAGE_BYTES_RANGE: std::ops::RangeInclusive<u64> = (64 << 10)..=(1 << 30);

/// Time for one read of the local replica.
pub const LOCAL_READ_WITHIN: Duration = Duration::from_secs(2);

/// Time for ReadIndex on the system group. A failover takes about two seconds; RCPT may wait minutes (RFC 5321
/// 4.5.3.2.3), people at a log-in will not.
pub const READ_INDEX_WITHIN: Duration = Duration::from_secs(5);

/// Time for a change to the directory.
pub const CHANGE_WITHIN: Duration = Duration::from_secs(15);

/// What an address takes when encoded, with the frame around it.
const ADDRESS_ENCODED_MAX: usize = LOCAL_BYTES_MAX + DOMAIN_BYTES_MAX + 16;

/// What a node, shelf or replica takes when encoded.
const FOUND_ROW_ENCODED_MAX: usize = NAME_BYTES_MAX + 2 * 17 + 16;

const _: () = assert!(ALIAS_TARGETS_MAX * ADDRESS_ENCODED_MAX < PAYLOAD_BYTES_MAX);
const _: () = assert!(CREDENTIALS_MAX * (SCHEME_BYTES_MAX + CREDENTIAL_BYTES_MAX + 16) < PAYLOAD_BYTES_MAX);
const _: () = assert!(3 * FOUND_ROWS_MAX * FOUND_ROW_ENCODED_MAX + FOUND_REPLICAS_MAX * 40 < PAYLOAD_BYTES_MAX);
const _: () = assert!(ALIAS_TARGETS_MAX <= EXPANSION_RECIPIENTS_MAX);
const _: () = assert!(EXPANSION_RECIPIENTS_MAX * 2 < EXPANSION_ROWS_MAX);
const _: () = assert!(ACCOUNT_ADDRESSES_MAX <= IDENTITIES_MAX);
const _: () = assert!(*MESSAGE_BYTES_RANGE.start() <= MESSAGE_BYTES_DEFAULT);
const _: () = assert!(MESSAGE_BYTES_DEFAULT <= *MESSAGE_BYTES_RANGE.end());
const _: () = assert!(LOCAL_READ_WITHIN.as_millis() < READ_INDEX_WITHIN.as_millis());
const _: () = assert!(READ_INDEX_WITHIN.as_millis() < CHANGE_WITHIN.as_millis());

mail_model::limits_table!("mailstore: directory":
    ACCOUNT_ADDRESSES_MAX, CREDENTIALS_MAX, SCHEME_BYTES_MAX, CREDENTIAL_BYTES_MAX, ALIAS_TARGETS_MAX,
    EXPANSION_DEPTH_MAX, EXPANSION_ROWS_MAX, EXPANSION_RECIPIENTS_MAX, IDENTITIES_MAX, NAME_BYTES_MAX,
    SEALED_KEY_BYTES_MAX, FOUND_ROWS_MAX, FOUND_REPLICAS_MAX, PAGE_ROWS_MAX, PAGE_BYTES_MAX, MESSAGE_BYTES_DEFAULT,
    MESSAGE_BYTES_RANGE, LOCAL_READ_WITHIN, READ_INDEX_WITHIN, CHANGE_WITHIN,
);
