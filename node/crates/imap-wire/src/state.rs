//! The states of a session, and which command is legal in which (RFC 3501 3 and 6), as one table.

use crate::command::Command;

/// Where a session stands. The session tells the machine when it changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionState {
    /// Connected; nobody has logged in.
    NotAuthenticated,
    /// Logged in, without a mailbox.
    Authenticated,
    /// With a mailbox.
    Selected,
    /// After BYE.
    Logout,
}

impl SessionState {
    /// Whether somebody has logged in.
    #[must_use]
    pub const fn is_authenticated(self) -> bool {
        matches!(self, Self::Authenticated | Self::Selected)
    }
}

impl Command {
    /// Whether the command may be given in `state`.
    #[must_use]
    pub const fn allowed_in(&self, state: SessionState) -> bool {
        if matches!(state, SessionState::Logout) {
            return false;
        }
        match self {
            Self::Capability | Self::Noop | Self::Logout | Self::Id(_) => true,
            Self::StartTls | Self::Authenticate(_) | Self::Login(_) => {
                matches!(state, SessionState::NotAuthenticated)
            }
            Self::Select(_)
            | Self::Examine(_)
            | Self::Create(_)
            | Self::Delete(_)
            | Self::Rename(_)
            | Self::Subscribe(_)
            | Self::Unsubscribe(_)
            | Self::List(_)
            | Self::Lsub(_)
            | Self::Status(_)
            | Self::Idle
            | Self::Namespace => state.is_authenticated(),
            Self::Check
            | Self::Close
            | Self::Unselect
            | Self::Expunge
            | Self::UidExpunge(_)
            | Self::Search(_)
            | Self::Fetch(_)
            | Self::Store(_)
            | Self::Copy(_)
            | Self::Move(_) => matches!(state, SessionState::Selected),
        }
    }
}
