//! POP3 (RFC 1939) as a server speaks it: bytes in, events and replies out. It owns grammar, states and limits, does
//! no I/O, reads no clock, and never holds a whole message.
//!
//! Extensions: CAPA, RESP-CODES, PIPELINING and EXPIRE NEVER (RFC 2449), STLS (RFC 2595), AUTH PLAIN (RFC 5034),
//! AUTH-RESP-CODE (RFC 3206). APOP and UTF8 are not offered.
//!
//! A session gives what it reads to [`Server::receive`], works off [`Server::next_event`] until there is none, sends
//! [`Server::take_output`], and goes on with the events until there is no output either; then it reads on while the
//! machine [wants input](Server::wants_input).
//!
//! Must not know: where messages and passwords are kept.

mod command;
mod config;
mod crlf;
mod dots;
mod event;
pub mod limits;
mod maildrop;
mod server;
mod status;

pub use config::{Config, PasswordPolicy, Tls};
pub use crlf::CrlfSize;
pub use event::{CloseReason, Event};
pub use maildrop::{InvalidUidl, Maildrop, check_uidl};
pub use server::{Flow, Server, WrongAnswer};
pub use status::Refusal;
