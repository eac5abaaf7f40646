//! Why the mail store did not do what a session asked, classed by fault in one place. The class gives the reply.

use replication::{ProposeError, ReadError};

use crate::codec::CodecError;
use crate::rejection::Rejection;

/// Whose fault, and what a session says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    /// The client asked for something that cannot be: IMAP `NO`, SMTP 5xx. Nothing happened.
    User,
    /// Trying again later may help: IMAP `NO [UNAVAILABLE]`, SMTP 451. Nothing happened.
    Temporary,
    /// A mistake or damage on our side: IMAP `NO [SERVERBUG]`, SMTP 451, and a human has to look. Nothing happened.
    Server,
    /// Nobody can say whether it happens (P6): IMAP `* BYE [UNAVAILABLE]` without a tagged reply, POP3 closes, SMTP 451.
    Uncertain,
}

/// See the module.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The group answered no.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// The message is expunged and no longer kept: `NO [EXPUNGEISSUED]` (DESIGN M11).
    #[error("the message was expunged")]
    Expunged,
    /// No majority or replica within reach; no effect.
    #[error("{0}")]
    Unavailable(String),
    /// Most shelves of the group are full (DESIGN D12): IMAP `NO [UNAVAILABLE]`, SMTP 452. No effect.
    #[error("{0}")]
    NoSpace(String),
    /// The majority was lost before the answer.
    #[error("{0}")]
    Uncertain(String),
    /// Bytes that are not what they should be.
    #[error("{0}")]
    Broken(String),
}

impl StoreError {
    /// See [`ErrorClass`].
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Rejected(rejection) => match rejection {
                // The directory sent us here, or the session did everything right and the state moved on.
                Rejection::NoSuchAccount
                | Rejection::UploadGone
                | Rejection::BodyGone
                | Rejection::MaildropInUse
                | Rejection::MaildropLockLost => ErrorClass::Temporary,
                Rejection::Malformed => ErrorClass::Server,
                Rejection::NoSuchMailbox
                | Rejection::MailboxExists
                | Rejection::NotSelectable
                | Rejection::InboxStays
                | Rejection::HasChildren
                | Rejection::BelowItself
                | Rejection::OverQuota
                | Rejection::Limit(_)
                | Rejection::UidValidityChanged
                | Rejection::BadUidl => ErrorClass::User,
            },
            Self::Expunged => ErrorClass::User,
            Self::Unavailable(_) | Self::NoSpace(_) => ErrorClass::Temporary,
            Self::Uncertain(_) => ErrorClass::Uncertain,
            Self::Broken(_) => ErrorClass::Server,
        }
    }

    /// The error of an upload that no command has named yet. Whether a piece of it took effect may be uncertain, but it
    /// is no message, and that is certain.
    #[must_use]
    pub fn of_upload(self) -> Self {
        match self {
            Self::Uncertain(text) => Self::Unavailable(text),
            other => other,
        }
    }

    /// The group's own no, if it was one.
    #[must_use]
    pub fn rejection(&self) -> Option<Rejection> {
        match self {
            Self::Rejected(rejection) => Some(*rejection),
            _ => None,
        }
    }
}

impl From<ProposeError> for StoreError {
    fn from(error: ProposeError) -> Self {
        let text = error.to_string();
        match error {
            ProposeError::NotDone { .. } => Self::Unavailable(text),
            ProposeError::NoSpace { .. } => Self::NoSpace(text),
            ProposeError::Uncertain { .. } => Self::Uncertain(text),
            ProposeError::TooLarge { .. } => Rejection::Limit(crate::rejection::LimitKind::Size).into(),
        }
    }
}

impl From<ReadError> for StoreError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Unavailable { .. } => Self::Unavailable(error.to_string()),
            // Details named it a moment ago: its message was expunged and its time is over.
            ReadError::NoSuchBlob(_) => Self::Expunged,
        }
    }
}

impl From<CodecError> for StoreError {
    fn from(error: CodecError) -> Self {
        Self::Broken(error.to_string())
    }
}
