//! What the machine tells and asks the session.

use mail_model::PlainCredentials;

/// One step of a connection, in the order of the client's commands.
///
/// Those marked *question* wait for an answer; any but [`Quit`](Event::Quit) and [`Closed`](Event::Closed) can be
/// answered by [`refuse`](crate::Server::refuse). Until then nothing further happens, and input waits. A session that
/// does not know whether something has happened answers with [`hang_up`](crate::Server::hang_up) (DESIGN P6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// *Question*: do these credentials hold, and can the maildrop be locked?
    /// [`log_in`](crate::Server::log_in) says yes.
    Auth(PlainCredentials),
    /// *Question*: the message at `index` of the maildrop, from 0, is to be sent, for TOP its first `lines` lines.
    /// [`begin_message`](crate::Server::begin_message) says yes.
    Retrieve {
        /// As the maildrop was filled.
        index: usize,
        /// Lines of the body, for TOP.
        lines: Option<u64>,
    },
    /// *Question*: the messages at these indexes, ascending, are to be deleted in one command.
    /// [`committed`](crate::Server::committed) says that they are, durably. A [`Quit`](Event::Quit) follows.
    Commit(Vec<usize>),
    /// *Question*: can TLS be started? After [`accept_tls`](crate::Server::accept_tls) the output is sent, whatever
    /// the session itself has read ahead in clear text is thrown away, TLS is negotiated, and
    /// [`tls_started`](crate::Server::tls_started) is called; if it fails, the connection is closed.
    StartTls,
    /// The client is done. The output is sent and the connection closed; the lock is released.
    Quit,
    /// The machine is done with the client, no message is deleted. The output is sent and the connection closed; the
    /// lock is released.
    Closed(CloseReason),
}

/// Why the machine ended a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// Too many malformed, misplaced or unknown commands.
    TooManyErrors,
    /// Too many failed log-ins.
    TooManyAuthFailures,
    /// The client was silent for too long.
    TimedOut,
    /// The node shuts down.
    ShuttingDown,
    /// Whoever logged in may do so no more.
    LockedOut,
    /// The session hung up.
    BySession,
}
