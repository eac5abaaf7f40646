//! What the machine tells and asks the session.

use bytes::Bytes;
use mail_model::PlainCredentials;

use crate::command::{Hello, MailRequest, Mechanism};
use crate::intake::{Fault, MessageFacts};
use crate::mailbox::Recipient;

/// One step of a connection, in the order of the client's commands.
///
/// Those marked *question* wait for an answer: [`accept`](crate::Server::accept) or
/// [`refuse`](crate::Server::refuse), for [`DataEnd`](Event::DataEnd) [`conclude`](crate::Server::conclude). Until
/// then nothing further happens, and input waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The client has said its name. Already answered.
    Hello(Hello),
    /// *Question*: may this sender begin a transaction?
    Mail(MailRequest),
    /// *Question*: is this recipient taken?
    Rcpt(Recipient),
    /// *Question*: can a message be stored now? Its bytes follow.
    DataStart,
    /// The next bytes of the message.
    Chunk(Bytes),
    /// The message is refused, and what came of it is to be dropped. The machine swallows the rest and answers for
    /// every recipient itself; then the transaction is over. Comes without [`DataStart`](Event::DataStart) when a
    /// first chunk is too large by its own word.
    DataRefused(Fault),
    /// *Question*: the message is whole. One [`conclude`](crate::Server::conclude) for SMTP and submission, one per
    /// accepted recipient in the order of RCPT for LMTP.
    DataEnd(MessageFacts),
    /// The transaction is given up, with whatever came of its message. Already answered.
    Reset,
    /// *Question*: do these credentials hold?
    Auth {
        /// The mechanism they came by.
        mechanism: Mechanism,
        /// What the client sent.
        credentials: PlainCredentials,
    },
    /// *Question*: can TLS be started? After [`accept`](crate::Server::accept) the output is sent, whatever the session
    /// itself has read ahead in clear text is thrown away, TLS is negotiated, and
    /// [`tls_started`](crate::Server::tls_started) is called; if it fails, the connection is closed.
    StartTls,
    /// The client is done, an open transaction is dropped. The output is sent and the connection closed.
    Quit,
    /// The machine is done with the client, an open transaction is dropped. The output is sent and the connection
    /// closed.
    Closed(CloseReason),
}

/// Why the machine ended a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// Too many malformed, misplaced or unknown commands.
    TooManyErrors,
    /// Too many failed log-ins.
    TooManyAuthFailures,
    /// Too many recipients were refused.
    TooManyRefusedRecipients,
    /// Too many commands that led to no message.
    TooManyCommands,
    /// Too many transactions.
    TooManyTransactions,
    /// Too many bytes of refused messages.
    TooMuchDiscarded,
    /// An HTTP request.
    OtherProtocol,
    /// A BDAT without a readable size, so that what follows cannot be told from commands.
    BadChunkSize,
    /// The client was silent for too long.
    TimedOut,
    /// The node shuts down.
    ShuttingDown,
    /// Whoever logged in may do so no more.
    LockedOut,
    /// The session answered with 421.
    BySession,
}
