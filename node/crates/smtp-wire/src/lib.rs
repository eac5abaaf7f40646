//! SMTP (RFC 5321), LMTP (RFC 2033) and submission (RFC 6409) as a server speaks them: bytes in, events and replies
//! out. It owns grammar, states and limits, does no I/O, reads no clock, and never holds a whole message.
//!
//! Extensions: PIPELINING (RFC 2920), SIZE (RFC 1870), 8BITMIME (RFC 6152), CHUNKING (RFC 3030, without BINARYMIME),
//! ENHANCEDSTATUSCODES (RFC 2034), STARTTLS (RFC 3207), AUTH with PLAIN and LOGIN (RFC 4954).
//!
//! A session gives what it reads to [`Server::receive`], works off [`Server::next_event`] until there is none, sends
//! [`Server::take_output`], and reads on while the machine [wants input](Server::wants_input).
//!
//! Must not know: which addresses exist, where messages go, what a database or a socket is.

mod command;
mod config;
mod date;
mod dots;
mod event;
mod hops;
mod intake;
pub mod limits;
mod mailbox;
mod path;
pub mod replies;
mod reply;
mod server;
mod trace;

pub use command::{BodyType, Hello, HelloVerb, MailRequest, Mechanism};
pub use config::{AuthPolicy, Config, Profile, Tls};
pub use date::rfc5322_date;
pub use event::{CloseReason, Event};
pub use intake::{Fault, MessageFacts};
pub use mailbox::{Host, Mailbox, Recipient, ReversePath};
pub use reply::Reply;
pub use server::{Server, WrongAnswer};
pub use trace::{Protocol, Received, delivered_to_field, return_path_field};
