//! Why a command is refused before anything was done: the reply that the client gets for it.
//!
//! Must not know: the mail store's reasons; those are the session's.

use std::borrow::Cow;

use crate::response::Code;
use crate::tag::Tag;

/// Whose fault, in the words of the reply (RFC 3501 7.1.2, 7.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalKind {
    /// Understood, but it cannot be done.
    No,
    /// Not understood, or not legal now.
    Bad,
}

/// A refusal, not yet tied to a tag.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Refusal {
    /// NO or BAD.
    pub kind: RefusalKind,
    /// What a program may read.
    pub code: Option<Code<'static>>,
    /// What a human may read.
    pub text: Cow<'static, str>,
}

impl Refusal {
    /// A BAD without a code.
    pub(crate) fn bad(text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind: RefusalKind::Bad,
            code: None,
            text: text.into(),
        }
    }

    /// A NO with its code.
    pub(crate) fn no(code: Code<'static>, text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind: RefusalKind::No,
            code: Some(code),
            text: text.into(),
        }
    }

    /// The refusal of the command of `tag`.
    pub(crate) fn of(self, tag: Option<Tag>) -> Rejected {
        Rejected { tag, refusal: self }
    }
}

/// A refused command: its reply is to be sent, and the connection goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// The tag to answer under; `None` when not even that could be read.
    pub tag: Option<Tag>,
    /// The answer.
    pub refusal: Refusal,
}

/// What reading a part of a command gives.
pub(crate) type Parse<T> = Result<T, Refusal>;
