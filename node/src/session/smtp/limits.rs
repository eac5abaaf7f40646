//! Bounds of SMTP and LMTP sessions that the wire machine cannot know, with their relations proved.

use std::time::Duration;

use mailstore::directory::limits::EXPANSION_RECIPIENTS_MAX;
use mailstore::limits::{COMMAND_WITHIN, MESSAGE_BYTES_MAX, PATH_BYTES_MAX, PREFIX_BYTES_MAX};
use smtp_wire::limits::{FINAL_REPLY_TIME_MAX, HELLO_BYTES_MAX, LOCAL_BYTES_MAX, RECIPIENTS_MAX};

/// Accounts that the recipients of one transaction stand for. Each gets trace headers of its own, some 500 bytes, so that
/// one transaction needs 2 MiB for them; a recipient that would lead past it gets 452 4.5.3.
pub const ACCOUNTS_MAX: usize = 4_000;

/// Time to learn how full the accounts of one recipient are. Without an answer its recipient is taken: the delivery decides, and a group that
/// stands still makes no RCPT wait for long.
pub const QUOTA_WITHIN: Duration = Duration::from_secs(2);
/// Accounts that are asked at a time.
pub const QUOTAS_AT_ONCE: usize = 16;

/// By when a message is stored, or the reply is 451. Leaves the rest of the time to the way of the reply.
pub const STORED_WITHIN: Duration = Duration::from_secs(28);

/// Bytes of the Message-ID field that are looked at for the delivery log.
pub const MESSAGE_ID_FIELD_BYTES: usize = 4 << 10;

/// Largest message taken, whatever the operator set: what the store takes.
pub const MESSAGE_BYTES: u64 = MESSAGE_BYTES_MAX;

const _: () = assert!(ACCOUNTS_MAX >= EXPANSION_RECIPIENTS_MAX && ACCOUNTS_MAX >= RECIPIENTS_MAX);
const _: () = assert!(COMMAND_WITHIN.as_secs() < STORED_WITHIN.as_secs());
const _: () = assert!(STORED_WITHIN.as_secs() < FINAL_REPLY_TIME_MAX.as_secs());
const _: () = assert!(2 * LOCAL_BYTES_MAX + mail_model::DOMAIN_BYTES_MAX + 4 < PATH_BYTES_MAX);
// Return-Path, Delivered-To and `for` with every byte of a local part quoted, the greeting's name, and what is ours.
const _: () =
    assert!(3 * (2 * LOCAL_BYTES_MAX + mail_model::DOMAIN_BYTES_MAX) + HELLO_BYTES_MAX + 1_024 < PREFIX_BYTES_MAX);

mail_model::limits_table!("node: smtp":
    ACCOUNTS_MAX, QUOTA_WITHIN, QUOTAS_AT_ONCE, STORED_WITHIN, MESSAGE_ID_FIELD_BYTES, MESSAGE_BYTES,
);
