//! Commands (RFC 3501 6 and the extensions that are served), one file for each that has arguments.
//!
//! Invariant: a [`Command`] that exists is legal in itself; whether it is legal now says [`Command::allowed_in`].
//! APPEND is not among them: its message streams, so the machine announces it as an event of its own.
//!
//! Must not know: sessions, mailboxes that exist, time.

pub(crate) mod append;
mod authenticate;
mod copy;
mod expunge;
mod fetch;
mod id;
mod list;
mod login;
mod rename;
mod search;
mod search_key;
mod section;
mod status;
mod store;

use mail_model::MailboxName;

pub use append::{Append, AppendMessage};
pub(crate) use authenticate::read_auth_line;
pub use authenticate::{AuthResponse, Authenticate};
pub use copy::CopyCommand;
pub use fetch::{Fetch, FetchItem, SectionForm, SectionItem};
pub use id::IdPairs;
pub use list::{ListCommand, ListTarget};
pub use login::Login;
pub use rename::Rename;
pub use search::Search;
pub use search_key::{FieldName, SearchKey};
pub use section::{Partial, Section, SectionText};
pub use status::{StatusCommand, StatusItem};
pub use store::{Store, StoreAction};

use crate::refusal::{Parse, Refusal};
use crate::syntax::{Cursor, Naming, SequenceSet, read_mailbox};
use crate::tag::Tag;

/// A command with its tag.
#[derive(Clone, Debug, PartialEq)]
pub struct Tagged {
    /// The tag to answer under.
    pub tag: Tag,
    /// The command.
    pub command: Command,
}

/// What the numbers of a command, and of its untagged answers to SEARCH, are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbering {
    /// Sequence numbers.
    Sequence,
    /// UIDs: the command came with `UID`.
    Uid,
}

/// A command with its arguments. Commands that come with `UID` too say so in their [`Numbering`].
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// CAPABILITY
    Capability,
    /// NOOP
    Noop,
    /// LOGOUT
    Logout,
    /// STARTTLS
    StartTls,
    /// AUTHENTICATE (RFC 3501, RFC 4959)
    Authenticate(Authenticate),
    /// LOGIN
    Login(Login),
    /// SELECT
    Select(MailboxName),
    /// EXAMINE
    Examine(MailboxName),
    /// CREATE
    Create(MailboxName),
    /// DELETE
    Delete(MailboxName),
    /// RENAME
    Rename(Rename),
    /// SUBSCRIBE
    Subscribe(MailboxName),
    /// UNSUBSCRIBE
    Unsubscribe(MailboxName),
    /// LIST
    List(ListCommand),
    /// LSUB
    Lsub(ListCommand),
    /// STATUS
    Status(StatusCommand),
    /// CHECK
    Check,
    /// CLOSE
    Close,
    /// UNSELECT (RFC 3691)
    Unselect,
    /// EXPUNGE
    Expunge,
    /// UID EXPUNGE (RFC 4315)
    UidExpunge(SequenceSet),
    /// SEARCH, UID SEARCH
    Search(Search),
    /// FETCH, UID FETCH
    Fetch(Fetch),
    /// STORE, UID STORE
    Store(Store),
    /// COPY, UID COPY
    Copy(CopyCommand),
    /// MOVE, UID MOVE (RFC 6851)
    Move(CopyCommand),
    /// IDLE (RFC 2177)
    Idle,
    /// NAMESPACE (RFC 2342)
    Namespace,
    /// ID (RFC 2971)
    Id(IdPairs),
}

/// Tag and verb of a command, and where its arguments begin.
pub(crate) struct Head<'a> {
    pub(crate) tag: Tag,
    pub(crate) verb: String,
    pub(crate) arguments: Cursor<'a>,
}

/// Reads `tag SP verb`.
///
/// # Errors
/// The tag, as far as it could be read, and why there is no command.
pub(crate) fn read_head(bytes: &[u8]) -> Result<Head<'_>, (Option<Tag>, Refusal)> {
    let mut cursor = Cursor::new(bytes);
    let tag = cursor
        .take_while("a tag", |byte| byte != b' ')
        .map_err(|refusal| (None, refusal))?;
    let tag = Tag::new(tag).ok_or_else(|| (None, Refusal::bad("this is no tag")))?;
    let verb = cursor.space().and_then(|()| cursor.atom("a command"));
    match verb {
        Ok(verb) => Ok(Head {
            tag,
            verb: verb.to_ascii_uppercase(),
            arguments: cursor,
        }),
        Err(refusal) => Err((Some(tag), refusal)),
    }
}

/// Reads the arguments of `verb` to the end of the command.
pub(crate) fn read_arguments(verb: &str, cursor: &mut Cursor<'_>) -> Parse<Command> {
    let command = match verb {
        "CAPABILITY" => Command::Capability,
        "NOOP" => Command::Noop,
        "LOGOUT" => Command::Logout,
        "STARTTLS" => Command::StartTls,
        "CHECK" => Command::Check,
        "CLOSE" => Command::Close,
        "UNSELECT" => Command::Unselect,
        "EXPUNGE" => Command::Expunge,
        "IDLE" => Command::Idle,
        "NAMESPACE" => Command::Namespace,
        _ => {
            return read_with_arguments(verb, cursor).and_then(|command| cursor.end().map(|()| command));
        }
    };
    cursor.end()?;
    Ok(command)
}

fn read_with_arguments(verb: &str, cursor: &mut Cursor<'_>) -> Parse<Command> {
    let read: fn(&mut Cursor<'_>) -> Parse<Command> = match verb {
        "AUTHENTICATE" => |cursor| authenticate::read(cursor).map(Command::Authenticate),
        "LOGIN" => |cursor| login::read(cursor).map(Command::Login),
        "SELECT" => |cursor| read_mailbox(cursor, Naming::Existing).map(Command::Select),
        "EXAMINE" => |cursor| read_mailbox(cursor, Naming::Existing).map(Command::Examine),
        "CREATE" => |cursor| read_mailbox(cursor, Naming::New).map(Command::Create),
        "DELETE" => |cursor| read_mailbox(cursor, Naming::Existing).map(Command::Delete),
        "RENAME" => |cursor| rename::read(cursor).map(Command::Rename),
        "SUBSCRIBE" => |cursor| read_mailbox(cursor, Naming::New).map(Command::Subscribe),
        "UNSUBSCRIBE" => |cursor| read_mailbox(cursor, Naming::Existing).map(Command::Unsubscribe),
        "LIST" => |cursor| list::read(cursor).map(Command::List),
        "LSUB" => |cursor| list::read(cursor).map(Command::Lsub),
        "STATUS" => |cursor| status::read(cursor).map(Command::Status),
        "SEARCH" => |cursor| search::read(cursor, Numbering::Sequence).map(Command::Search),
        "FETCH" => |cursor| fetch::read(cursor, Numbering::Sequence).map(Command::Fetch),
        "STORE" => |cursor| store::read(cursor, Numbering::Sequence).map(Command::Store),
        "COPY" => |cursor| copy::read(cursor, Numbering::Sequence).map(Command::Copy),
        "MOVE" => |cursor| copy::read(cursor, Numbering::Sequence).map(Command::Move),
        "ID" => |cursor| id::read(cursor).map(Command::Id),
        "UID" => read_uid,
        _ => return Err(Refusal::bad("unknown command")),
    };
    cursor.space()?;
    read(cursor)
}

/// What follows `UID SP` (RFC 3501 6.4.8).
fn read_uid(cursor: &mut Cursor<'_>) -> Parse<Command> {
    let verb = cursor.atom("a command")?.to_ascii_uppercase();
    let read: fn(&mut Cursor<'_>) -> Parse<Command> = match verb.as_str() {
        "SEARCH" => |cursor| search::read(cursor, Numbering::Uid).map(Command::Search),
        "FETCH" => |cursor| fetch::read(cursor, Numbering::Uid).map(Command::Fetch),
        "STORE" => |cursor| store::read(cursor, Numbering::Uid).map(Command::Store),
        "COPY" => |cursor| copy::read(cursor, Numbering::Uid).map(Command::Copy),
        "MOVE" => |cursor| copy::read(cursor, Numbering::Uid).map(Command::Move),
        "EXPUNGE" => |cursor| expunge::read_uid(cursor).map(Command::UidExpunge),
        _ => return Err(Refusal::bad("unknown command after UID")),
    };
    cursor.space()?;
    read(cursor)
}

/// Reads a whole command in a test.
#[cfg(test)]
pub(crate) fn read_for_test(text: &str) -> Parse<Command> {
    let head = format!("a {text}");
    let mut head = read_head(head.as_bytes()).map_err(|(_, refusal)| refusal)?;
    read_arguments(&head.verb, &mut head.arguments)
}
