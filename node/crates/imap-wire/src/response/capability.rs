//! CAPABILITY (RFC 3501 7.2.1): the one place that says what is offered, and when.
//!
//! Invariant: STARTTLS is offered only before log-in; no way to send a password is offered where none is accepted.

use bytes::{BufMut as _, BytesMut};

/// What decides over the capabilities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Whether somebody has logged in.
    pub authenticated: bool,
    /// Whether STARTTLS can be given now.
    pub starttls: bool,
    /// Whether passwords are accepted on this connection.
    pub passwords: bool,
}

const ALWAYS: &str = " IMAP4rev1 LITERAL+ SASL-IR ID";
const PASSWORDS: &str = " AUTH=PLAIN AUTH=LOGIN";
const NO_PASSWORDS: &str = " LOGINDISABLED";
const AUTHENTICATED: &str = " IDLE NAMESPACE UIDPLUS MULTIAPPEND UNSELECT MOVE CHILDREN SPECIAL-USE";

/// Appends the names, each after a space.
pub(super) fn put_capabilities(out: &mut BytesMut, capabilities: &Capabilities) {
    out.put_slice(ALWAYS.as_bytes());
    if capabilities.authenticated {
        out.put_slice(AUTHENTICATED.as_bytes());
        return;
    }
    if capabilities.starttls {
        out.put_slice(b" STARTTLS");
    }
    let log_in = if capabilities.passwords {
        PASSWORDS
    } else {
        NO_PASSWORDS
    };
    out.put_slice(log_in.as_bytes());
}

/// Appends the untagged CAPABILITY.
pub fn write_capability(out: &mut BytesMut, capabilities: &Capabilities) {
    out.put_slice(b"* CAPABILITY");
    put_capabilities(out, capabilities);
    out.put_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::super::written;
    use super::*;

    #[test]
    fn what_is_offered_follows_the_connection() {
        let line = |authenticated, starttls, passwords| {
            let capabilities = Capabilities {
                authenticated,
                starttls,
                passwords,
            };
            written(|out| write_capability(out, &capabilities))
        };
        assert_eq!(
            line(false, true, false),
            "* CAPABILITY IMAP4rev1 LITERAL+ SASL-IR ID STARTTLS LOGINDISABLED\r\n"
        );
        assert_eq!(
            line(false, false, true),
            "* CAPABILITY IMAP4rev1 LITERAL+ SASL-IR ID AUTH=PLAIN AUTH=LOGIN\r\n"
        );
        let after = line(true, true, true);
        assert!(
            after.contains(" UIDPLUS MULTIAPPEND ") && !after.contains("STARTTLS") && !after.contains("AUTH="),
            "{after}"
        );
    }
}
