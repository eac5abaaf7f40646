//! Why a committed command or a query did nothing: a deterministic answer, the same on every replica.

use minicbor::{Decode, Encode};

/// A bound that a user ran into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, thiserror::Error)]
#[cbor(index_only)]
pub enum LimitKind {
    /// [`crate::limits::MAILBOXES_MAX`]
    #[n(0)]
    #[error("too many mailboxes")]
    Mailboxes,
    /// [`crate::limits::SUBSCRIPTIONS_MAX`]
    #[n(1)]
    #[error("too many subscriptions")]
    Subscriptions,
    /// [`crate::limits::KEYWORDS_PER_MAILBOX`]
    #[n(2)]
    #[error("too many keywords in this mailbox")]
    KeywordsOfMailbox,
    /// [`crate::limits::KEYWORDS_PER_MESSAGE`]
    #[n(3)]
    #[error("too many keywords on this message")]
    KeywordsOfMessage,
    /// [`crate::limits::MESSAGES_PER_COPY`]
    #[n(4)]
    #[error("too many messages at once")]
    Messages,
    /// The mailbox has given its last UID.
    #[n(5)]
    #[error("the mailbox has no UIDs left")]
    Uids,
    /// A part of the command is larger than its bound.
    #[n(6)]
    #[error("the message or its headers are too large")]
    Size,
    /// A name that came out longer or deeper than a name may be.
    #[n(7)]
    #[error("the mailbox name is too long")]
    NameLength,
}

/// Why nothing was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, thiserror::Error)]
pub enum Rejection {
    /// The group does not hold this account.
    #[n(0)]
    #[error("there is no such account here")]
    NoSuchAccount,
    /// No mailbox of this name or id.
    #[n(1)]
    #[error("there is no such mailbox")]
    NoSuchMailbox,
    /// The name is taken.
    #[n(2)]
    #[error("the mailbox exists already")]
    MailboxExists,
    /// The mailbox only holds other mailboxes.
    #[n(3)]
    #[error("the mailbox cannot be selected")]
    NotSelectable,
    /// INBOX is there for ever.
    #[n(4)]
    #[error("INBOX cannot be deleted")]
    InboxStays,
    /// DELETE of a name that only holds other mailboxes (RFC 3501, section 6.3.4).
    #[n(5)]
    #[error("the mailbox has mailboxes below it")]
    HasChildren,
    /// RENAME of a mailbox to a place below itself.
    #[n(6)]
    #[error("a mailbox cannot be moved below itself")]
    BelowItself,
    /// The account's quota is used up.
    #[n(7)]
    #[error("the quota is used up")]
    OverQuota,
    /// A bound.
    #[n(8)]
    #[error("{0}")]
    Limit(#[n(0)] LimitKind),
    /// The upload was given up, swept, or lacks a piece.
    #[n(9)]
    #[error("the upload is gone")]
    UploadGone,
    /// The UIDs named belong to another life of the mailbox.
    #[n(10)]
    #[error("UIDVALIDITY has changed")]
    UidValidityChanged,
    /// Another session holds the maildrop.
    #[n(11)]
    #[error("the maildrop is in use")]
    MaildropInUse,
    /// The lock that the command relies on is no longer held.
    #[n(12)]
    #[error("the maildrop lock is lost")]
    MaildropLockLost,
    /// A UIDL that is not legal, taken, or of the form that is kept for messages without one.
    #[n(13)]
    #[error("this UIDL cannot be given")]
    BadUidl,
    /// The body that the command refers to was freed.
    #[n(14)]
    #[error("the body is gone")]
    BodyGone,
    /// Bytes that this program cannot read as a command or query.
    #[n(15)]
    #[error("the request makes no sense to this version")]
    Malformed,
}
