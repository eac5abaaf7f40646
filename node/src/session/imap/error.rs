//! What becomes of a failure: the one place where its class gives the reply (DESIGN P6, RFC 5530).
//!
//! | class | reply |
//! |---|---|
//! | user | tagged NO with its code |
//! | temporary | tagged `NO [UNAVAILABLE]` |
//! | server | tagged `NO [SERVERBUG]`, and an error in the trace, for a human |
//! | uncertain | `* BYE [UNAVAILABLE]`, no tagged reply |
//!
//! Causes of the last three go to the trace; the client is told what to do.

use std::borrow::Cow;

use imap_wire::response::{Code, Status};
use mailstore::front::ErrorClass;
use mailstore::{Rejection, StoreError};

use super::channel::Gone;

/// Why a command did not end well.
#[derive(Debug)]
pub(super) enum Failure {
    /// It cannot be done: NO.
    No(Option<Code<'static>>, Cow<'static, str>),
    /// It makes no sense: BAD.
    Bad(&'static str),
    /// The mail store said so.
    Store(StoreError),
    /// The session ends, and the command gets no tagged reply.
    End(End),
}

/// How a session ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// There is nobody to talk to, or nothing that could be said without breaking a reply.
    Silent,
    /// With BYE.
    Bye(Option<Code<'static>>, Cow<'static, str>),
}

impl End {
    /// The node stops.
    pub(super) const STOPPING: Self = Self::Bye(Some(Code::Unavailable), Cow::Borrowed("the server shuts down"));
    /// An administrator closed the account or changed its password.
    pub(super) const LOCKED_OUT: Self = Self::Bye(
        None,
        Cow::Borrowed("the account was closed or its password changed, log in again"),
    );
    /// RFC 2180, section 3.3.
    pub(super) const DELETED: Self = Self::Bye(None, Cow::Borrowed("the selected mailbox was deleted"));
}

impl Failure {
    /// NO with a code.
    pub(super) fn no(code: Code<'static>, text: impl Into<Cow<'static, str>>) -> Self {
        Self::No(Some(code), text.into())
    }

    /// A change to a mailbox that was opened with EXAMINE.
    pub(super) fn read_only() -> Self {
        Self::no(Code::ReadOnly, "the mailbox is open for reading only")
    }

    /// The error of a change to the selected mailbox, or of a look at it: if it is gone, so is the session.
    pub(super) fn of_selected(error: StoreError) -> Self {
        match error.rejection() {
            Some(Rejection::NoSuchMailbox | Rejection::NotSelectable) => Self::End(End::DELETED),
            _ => Self::Store(error),
        }
    }

    /// The error of a change that puts messages into a mailbox: if it is missing, CREATE helps (RFC 3501, section 7.1).
    pub(super) fn of_target(error: StoreError) -> Self {
        match error.rejection() {
            Some(rejection @ (Rejection::NoSuchMailbox | Rejection::NotSelectable)) => {
                Self::no(Code::TryCreate, rejection.to_string())
            }
            _ => Self::Store(error),
        }
    }

    /// The tagged reply, or how the session ends without one.
    pub(super) fn into_reply(self) -> Result<(Status, Option<Code<'static>>, Cow<'static, str>), End> {
        match self {
            Self::No(code, text) => Ok((Status::No, code, text)),
            Self::Bad(text) => Ok((Status::Bad, None, text.into())),
            Self::End(end) => Err(end),
            Self::Store(error) => of_store(&error),
        }
    }
}

fn of_store(error: &StoreError) -> Result<(Status, Option<Code<'static>>, Cow<'static, str>), End> {
    match error.class() {
        ErrorClass::User => Ok((Status::No, Some(user_code(error)), error.to_string().into())),
        ErrorClass::Temporary if matches!(error, StoreError::NoSpace(_)) => {
            let text = "there is no space for more at the moment; deleting still works";
            Ok((Status::No, Some(Code::Unavailable), text.into()))
        }
        ErrorClass::Temporary => {
            tracing::debug!(%error, "a command is refused for now");
            let text = "this cannot be done at the moment, try again later";
            Ok((Status::No, Some(Code::Unavailable), text.into()))
        }
        ErrorClass::Server => {
            tracing::error!(%error, "a command failed");
            let text = "something is wrong on our side, the administrator has been told";
            Ok((Status::No, Some(Code::ServerBug), text.into()))
        }
        ErrorClass::Uncertain => {
            tracing::warn!(%error, "a command may or may not take effect");
            let text = "it is not known whether the last command took effect";
            Err(End::Bye(Some(Code::Unavailable), text.into()))
        }
    }
}

fn user_code(error: &StoreError) -> Code<'static> {
    let Some(rejection) = error.rejection() else {
        return Code::ExpungeIssued;
    };
    match rejection {
        Rejection::NoSuchMailbox | Rejection::NotSelectable => Code::NonExistent,
        Rejection::MailboxExists => Code::AlreadyExists,
        Rejection::HasChildren => Code::HasChildren,
        Rejection::OverQuota => Code::OverQuota,
        Rejection::Limit(_) => Code::Limit,
        _ => Code::Cannot,
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<End> for Failure {
    fn from(end: End) -> Self {
        Self::End(end)
    }
}

impl From<Gone> for End {
    fn from(_: Gone) -> Self {
        Self::Silent
    }
}

impl From<Gone> for Failure {
    fn from(gone: Gone) -> Self {
        Self::End(gone.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mailstore::LimitKind;

    fn reply(error: StoreError) -> Result<(Status, Option<Code<'static>>), End> {
        Failure::from(error)
            .into_reply()
            .map(|(status, code, _)| (status, code))
    }

    #[test]
    fn each_class_has_its_reply() {
        let cases = [
            (Rejection::NoSuchMailbox.into(), Code::NonExistent),
            (Rejection::MailboxExists.into(), Code::AlreadyExists),
            (Rejection::InboxStays.into(), Code::Cannot),
            (Rejection::HasChildren.into(), Code::HasChildren),
            (Rejection::OverQuota.into(), Code::OverQuota),
            (Rejection::Limit(LimitKind::Messages).into(), Code::Limit),
            (Rejection::UploadGone.into(), Code::Unavailable),
            (Rejection::Malformed.into(), Code::ServerBug),
            (StoreError::Expunged, Code::ExpungeIssued),
            (StoreError::Unavailable("cause".to_owned()), Code::Unavailable),
            (StoreError::Broken("cause".to_owned()), Code::ServerBug),
        ];
        for (error, code) in cases {
            assert_eq!(reply(error), Ok((Status::No, Some(code))));
        }
    }

    #[test]
    fn what_is_uncertain_gets_no_tagged_reply() {
        let Err(End::Bye(code, text)) = reply(StoreError::Uncertain("cause".to_owned())) else {
            panic!("a tagged reply")
        };
        assert_eq!(code, Some(Code::Unavailable));
        assert!(!text.contains("cause"), "{text}");
    }

    #[test]
    fn a_missing_mailbox_means_what_it_was_needed_for() {
        let missing = || StoreError::from(Rejection::NoSuchMailbox);
        assert!(matches!(
            Failure::of_target(missing()),
            Failure::No(Some(Code::TryCreate), _)
        ));
        assert!(matches!(
            Failure::of_selected(missing()),
            Failure::End(End::Bye(None, _))
        ));
        let quota = Failure::of_target(Rejection::OverQuota.into());
        assert!(matches!(quota, Failure::Store(_)));
    }
}
