//! Every reply that is sent, so that one thing is said in one way (RFC 5321 4.2.2, RFC 3463). First those of the
//! machine itself, then those with which the session answers for the cluster.

use crate::reply::{Detail, Reply};

pub(crate) fn greeting(host: &str, service: &str) -> Reply {
    Reply::plain(220, &format!("{host} {service} ready"))
}

pub(crate) fn hello(host: &str, client: &str, capabilities: &[String]) -> Reply {
    let mut text = format!("{host} greets {client}");
    for capability in capabilities {
        text.push('\n');
        text.push_str(capability);
    }
    Reply::plain(250, &text)
}

pub(crate) fn ok() -> Reply {
    Reply::new(250, Detail(0, 0), "ok")
}

pub(crate) fn sender_ok() -> Reply {
    Reply::new(250, Detail(1, 0), "sender ok")
}

pub(crate) fn recipient_ok() -> Reply {
    Reply::new(250, Detail(1, 5), "recipient ok")
}

pub(crate) fn send_data() -> Reply {
    Reply::plain(354, "send the message, end with a dot on a line of its own")
}

pub(crate) fn chunk_ok(bytes: u64) -> Reply {
    Reply::new(250, Detail(0, 0), &format!("{bytes} octets received"))
}

pub(crate) fn goodbye(host: &str) -> Reply {
    Reply::new(221, Detail(0, 0), &format!("{host} closes the connection"))
}

pub(crate) fn ready_for_tls() -> Reply {
    Reply::new(220, Detail(0, 0), "ready for TLS")
}

pub(crate) fn challenge(base64: &str) -> Reply {
    Reply::plain(334, base64)
}

pub(crate) fn authenticated() -> Reply {
    Reply::new(235, Detail(7, 0), "authenticated")
}

pub(crate) fn help() -> Reply {
    Reply::new(214, Detail(0, 0), "see RFC 5321, RFC 2033 and RFC 6409")
}

pub(crate) fn not_verified() -> Reply {
    Reply::new(252, Detail(0, 0), "send a message and see")
}

pub(crate) fn no_expansion() -> Reply {
    Reply::new(502, Detail(7, 0), "lists are not shown")
}

pub(crate) fn unknown_command() -> Reply {
    Reply::new(500, Detail(5, 1), "unknown command")
}

pub(crate) fn other_protocol() -> Reply {
    Reply::new(421, Detail(7, 0), "this port speaks another protocol")
}

pub(crate) fn bare_line_feed_in_command() -> Reply {
    Reply::new(500, Detail(5, 2), "command lines end with CR LF")
}

pub(crate) fn control_character() -> Reply {
    Reply::new(500, Detail(5, 2), "a command holds no control characters")
}

pub(crate) fn command_too_long() -> Reply {
    Reply::new(500, Detail(5, 2), "the line is too long")
}

pub(crate) fn auth_line_too_long() -> Reply {
    Reply::new(500, Detail(5, 6), "the line is too long")
}

/// Without an enhanced code, being an answer to HELO, EHLO or LHLO (RFC 2034 3).
pub(crate) fn bad_hello() -> Reply {
    Reply::plain(501, "say your name, one word")
}

/// Without an enhanced code, being an answer to HELO, EHLO or LHLO (RFC 2034 3).
pub(crate) fn wrong_hello(expected: &str) -> Reply {
    Reply::plain(500, &format!("this port wants {expected}"))
}

pub(crate) fn no_argument_allowed() -> Reply {
    Reply::new(501, Detail(5, 4), "this command has no argument")
}

pub(crate) fn usage(usage: &str) -> Reply {
    Reply::new(501, Detail(5, 4), &format!("expected {usage}"))
}

pub(crate) fn bad_sender() -> Reply {
    Reply::new(501, Detail(1, 7), "the sender is not an address in angle brackets")
}

pub(crate) fn bad_recipient() -> Reply {
    Reply::new(501, Detail(1, 3), "the recipient is not an address in angle brackets")
}

pub(crate) fn no_smtputf8() -> Reply {
    Reply::new(553, Detail(6, 7), "addresses beyond ASCII are not supported")
}

pub(crate) fn bad_parameter() -> Reply {
    Reply::new(501, Detail(5, 4), "a parameter has no legal value")
}

pub(crate) fn unknown_parameter() -> Reply {
    Reply::new(555, Detail(5, 4), "a parameter is not supported")
}

pub(crate) fn no_binarymime() -> Reply {
    Reply::new(555, Detail(6, 1), "BODY=BINARYMIME is not supported")
}

pub(crate) fn hello_first() -> Reply {
    Reply::new(503, Detail(5, 1), "say who you are first")
}

pub(crate) fn nested_mail() -> Reply {
    Reply::new(503, Detail(5, 1), "a transaction is open, send RSET to give it up")
}

pub(crate) fn mail_first() -> Reply {
    Reply::new(503, Detail(5, 1), "MAIL comes first")
}

pub(crate) fn recipient_first() -> Reply {
    Reply::new(503, Detail(5, 1), "no valid recipients")
}

pub(crate) fn chunks_begun() -> Reply {
    Reply::new(503, Detail(5, 1), "the message has begun with BDAT")
}

pub(crate) fn tls_absent() -> Reply {
    Reply::new(502, Detail(5, 1), "TLS is not offered")
}

pub(crate) fn tls_active() -> Reply {
    Reply::new(503, Detail(5, 1), "TLS is already in use")
}

pub(crate) fn auth_absent() -> Reply {
    Reply::new(502, Detail(5, 1), "authentication is not offered")
}

pub(crate) fn auth_after_tls() -> Reply {
    Reply::new(
        538,
        Detail(7, 11),
        "passwords are taken over TLS only, send STARTTLS first",
    )
}

pub(crate) fn auth_misplaced() -> Reply {
    Reply::new(503, Detail(5, 1), "not within a transaction, and only once")
}

pub(crate) fn auth_first() -> Reply {
    Reply::new(530, Detail(7, 0), "authentication is required")
}

pub(crate) fn unknown_mechanism() -> Reply {
    Reply::new(504, Detail(5, 4), "the mechanisms are PLAIN and LOGIN")
}

pub(crate) fn bad_base64() -> Reply {
    Reply::new(501, Detail(5, 2), "the response is not base64")
}

pub(crate) fn bad_auth_response() -> Reply {
    Reply::new(
        501,
        Detail(5, 2),
        "the response does not have the form of its mechanism",
    )
}

pub(crate) fn auth_cancelled() -> Reply {
    Reply::new(501, Detail(0, 0), "authentication cancelled")
}

pub(crate) fn bare_cr() -> Reply {
    Reply::new(
        550,
        Detail(6, 0),
        "the message has a carriage return without a line feed",
    )
}

pub(crate) fn bare_lf() -> Reply {
    Reply::new(
        550,
        Detail(6, 0),
        "the message has a line feed without a carriage return",
    )
}

pub(crate) fn nul_byte() -> Reply {
    Reply::new(550, Detail(6, 0), "the message has a NUL byte")
}

pub(crate) fn too_large() -> Reply {
    Reply::new(552, Detail(3, 4), "the message is larger than this server takes")
}

pub(crate) fn looping() -> Reply {
    Reply::new(
        554,
        Detail(4, 6),
        "the message has passed too many servers, it is in a loop",
    )
}

pub(crate) fn too_many_errors() -> Reply {
    Reply::new(421, Detail(7, 0), "too many errors")
}

pub(crate) fn too_many_commands() -> Reply {
    Reply::new(421, Detail(7, 0), "too many commands that lead to no message")
}

pub(crate) fn too_many_transactions() -> Reply {
    Reply::new(
        421,
        Detail(7, 0),
        "too many transactions on one connection, open another",
    )
}

pub(crate) fn too_much_discarded() -> Reply {
    Reply::new(421, Detail(7, 0), "too much was sent of messages that were refused")
}

pub(crate) fn timed_out() -> Reply {
    Reply::new(421, Detail(4, 2), "nothing was heard for too long")
}

pub(crate) fn shutting_down() -> Reply {
    Reply::new(421, Detail(3, 2), "this node is shutting down, another one takes over")
}

pub(crate) fn locked_out() -> Reply {
    Reply::new(
        421,
        Detail(7, 0),
        "the account was closed or its password changed, log in again",
    )
}

/// Instead of a greeting: this client, or the node, has too many connections.
#[must_use]
pub fn too_many_connections() -> Reply {
    Reply::new(421, Detail(7, 0), "too many connections, try later")
}

/// The message is committed under `id`, which the delivery log knows.
#[must_use]
pub fn delivered(id: &str) -> Reply {
    Reply::new(250, Detail(0, 0), &format!("delivered as {id}"))
}

/// The message is committed to a queue under `id`; every recipient will have it or its sender a notice (DESIGN M13).
#[must_use]
pub fn queued(id: &str) -> Reply {
    Reply::new(250, Detail(0, 0), &format!("queued as {id}"))
}

/// The same message was delivered before, as `id` (DESIGN M14).
#[must_use]
pub fn delivered_before(id: &str) -> Reply {
    Reply::new(250, Detail(0, 0), &format!("delivered before as {id}"))
}

/// Nobody has this address.
#[must_use]
pub fn no_such_recipient() -> Reply {
    Reply::new(550, Detail(1, 1), "no such recipient here")
}

/// The account exists and takes no mail.
#[must_use]
pub fn recipient_disabled() -> Reply {
    Reply::new(550, Detail(2, 1), "the recipient takes no mail")
}

/// The transaction has as many recipients as it may have (RFC 5321 4.5.3.1.10).
#[must_use]
pub fn too_many_recipients() -> Reply {
    Reply::new(
        452,
        Detail(5, 3),
        "too many recipients, send the others in a transaction of their own",
    )
}

/// No room in the recipient's quota; users make room, so the sender may try again.
#[must_use]
pub fn over_quota() -> Reply {
    Reply::new(452, Detail(2, 2), "the recipient's mailbox is full")
}

/// The message is larger than all that the recipient may ever hold.
#[must_use]
pub fn larger_than_quota() -> Reply {
    Reply::new(
        552,
        Detail(2, 2),
        "the message is larger than the recipient's mailbox may be",
    )
}

/// The domain is not of this cluster, and the client may not send elsewhere.
#[must_use]
pub fn relay_refused() -> Reply {
    Reply::new(550, Detail(7, 1), "mail to other sites is not accepted here")
}

/// The sender is none of the account's addresses.
#[must_use]
pub fn sender_not_owned() -> Reply {
    Reply::new(553, Detail(7, 1), "the sender is none of your addresses")
}

/// Nothing was committed, or it is not known in time whether it was; the client keeps the message.
#[must_use]
pub fn try_later() -> Reply {
    Reply::new(451, Detail(3, 0), "not stored for now, try later")
}

/// The shelves have no room.
#[must_use]
pub fn no_space() -> Reply {
    Reply::new(452, Detail(3, 1), "no space for now, try later")
}

/// Name or password is wrong.
#[must_use]
pub fn bad_credentials() -> Reply {
    Reply::new(535, Detail(7, 8), "name or password is wrong")
}

/// Name and password are right, but the account is disabled (RFC 5248 2.4).
#[must_use]
pub fn account_disabled() -> Reply {
    Reply::new(525, Detail(7, 13), "the account is disabled")
}

/// Passwords cannot be checked now.
#[must_use]
pub fn cannot_authenticate() -> Reply {
    Reply::new(454, Detail(7, 0), "passwords cannot be checked for now, try later")
}

/// TLS cannot be started now (RFC 3207 4).
#[must_use]
pub fn tls_unavailable() -> Reply {
    Reply::new(454, Detail(7, 0), "TLS cannot be started for now")
}
