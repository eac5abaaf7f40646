//! The header fields that a delivery puts before a message (RFC 5321 4.4, DESIGN M1).
//!
//! Invariants: lines end with CR LF and keep to 998 octets, to 78 wherever no single name is longer; nothing from
//! outside can end a field or open a comment.

use std::fmt;
use std::net::IpAddr;

use mail_model::{Address, InternalDate};

use crate::date::rfc5322_date;
use crate::limits::HELLO_BYTES_MAX;
use crate::mailbox::{Recipient, ReversePath, write_literal, write_local};

/// Where lines are folded (RFC 5322 2.1.1 advises 78), with room for the mark that may follow a word.
const FOLD_BYTES: usize = 78;

/// The protocol of a connection as RFC 3848 names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protocol {
    /// LMTP.
    pub is_lmtp: bool,
    /// The client said EHLO. LMTP always counts as extended.
    pub is_extended: bool,
    /// TLS.
    pub is_encrypted: bool,
    /// AUTH.
    pub is_authenticated: bool,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // RFC 3848 has no name for plain SMTP with TLS or AUTH, both of which take EHLO.
        f.write_str(match (self.is_lmtp, self.is_extended) {
            (true, _) => "LMTP",
            (false, true) => "ESMTP",
            (false, false) => return f.write_str("SMTP"),
        })?;
        f.write_str(if self.is_encrypted { "S" } else { "" })?;
        f.write_str(if self.is_authenticated { "A" } else { "" })
    }
}

/// One Received field (RFC 5321 4.4).
#[derive(Clone, Copy, Debug)]
pub struct Received<'a> {
    /// What the client called itself.
    pub hello: &'a str,
    /// Where it connected from; `None` over a unix socket.
    pub peer: Option<IpAddr>,
    /// The name of this server.
    pub by: &'a str,
    /// How the message came.
    pub protocol: Protocol,
    /// Under which the delivery log knows the message.
    pub id: &'a str,
    /// The recipient, if there is only one: none of several may learn of the others.
    pub only_recipient: Option<&'a Recipient>,
    /// When the message was whole.
    pub date: InternalDate,
}

impl Received<'_> {
    /// The field with its folds and last CR LF.
    #[must_use]
    pub fn field(&self) -> String {
        let mut from = format!("from {}", safe(self.hello));
        if let Some(peer) = self.peer {
            from.push_str(" (unknown ");
            write_literal(peer, &mut from).expect("writing to a string succeeds");
            from.push(')');
        }
        let mut words = Folder::new("Received:");
        words.push(&from);
        words.push(&format!("by {}", safe(self.by)));
        words.push(&format!("with {}", self.protocol));
        words.push(&format!("id {}", safe(self.id)));
        if let Some(recipient) = self.only_recipient {
            words.push(&format!("for <{recipient}>"));
        }
        words.stick(';');
        words.push(&rfc5322_date(self.date));
        words.text.push_str("\r\n");
        words.text
    }
}

/// The Return-Path field: the one place where the sender of the envelope is kept.
#[must_use]
pub fn return_path_field(reverse_path: &ReversePath) -> String {
    format!("Return-Path: {reverse_path}\r\n")
}

/// The Delivered-To field, by which a loop through aliases is seen.
#[must_use]
pub fn delivered_to_field(address: &Address) -> String {
    let mut field = "Delivered-To: ".to_owned();
    write_local(address.local(), &mut field).expect("writing to a string succeeds");
    field.push('@');
    field.push_str(address.domain().as_str());
    field.push_str("\r\n");
    field
}

/// A name from outside, with everything replaced that is neither in a domain name nor in an address literal.
fn safe(name: &str) -> String {
    let is_safe = |c: &char| c.is_ascii_alphanumeric() || "-_.:[]".contains(*c);
    name.chars()
        .map(|c| if is_safe(&c) { c } else { '?' })
        .take(HELLO_BYTES_MAX)
        .collect()
}

/// Puts words one after the other, and folds where a line would get too long.
struct Folder {
    text: String,
    line_bytes: usize,
}

impl Folder {
    fn new(name: &str) -> Self {
        Self {
            text: name.to_owned(),
            line_bytes: name.len(),
        }
    }

    fn push(&mut self, word: &str) {
        if self.line_bytes + 1 + word.len() < FOLD_BYTES {
            self.text.push(' ');
            self.line_bytes += 1;
        } else {
            self.text.push_str("\r\n\t");
            self.line_bytes = 1;
        }
        self.text.push_str(word);
        self.line_bytes += word.len();
    }

    /// Appends what must stand directly behind the last word.
    fn stick(&mut self, mark: char) {
        self.text.push(mark);
        self.line_bytes += mark.len_utf8();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mailbox::{Host, Mailbox};
    use mail_model::Domain;

    const PROTOCOL: Protocol = Protocol {
        is_lmtp: false,
        is_extended: true,
        is_encrypted: true,
        is_authenticated: false,
    };

    fn recipient(local: &str) -> Recipient {
        Recipient::Mailbox(Mailbox {
            local: local.to_owned(),
            host: Host::Domain(Domain::new("demo.test").unwrap()),
        })
    }

    fn received<'a>(hello: &'a str, peer: Option<&str>, only_recipient: Option<&'a Recipient>) -> String {
        Received {
            hello,
            peer: peer.map(|peer| peer.parse().unwrap()),
            by: "n1.demo.test",
            protocol: PROTOCOL,
            id: "4f2a",
            only_recipient,
            date: InternalDate::default(),
        }
        .field()
    }

    #[test]
    fn a_received_field_says_how_the_message_came() {
        assert_eq!(
            received("mail.example.org", Some("192.0.2.1"), Some(&recipient("ann"))),
            "Received: from mail.example.org (unknown [192.0.2.1]) by n1.demo.test\r\n\
             \twith ESMTPS id 4f2a for <ann@demo.test>; Thu, 01 Jan 1970 00:00:00 +0000\r\n"
        );
        assert!(received("x", Some("2001:db8::1"), None).contains("(unknown [IPv6:2001:db8::1])"));
        assert!(
            received("x", None, None).starts_with("Received: from x by n1.demo.test with ESMTPS id 4f2a;\r\n\tThu")
        );
    }

    #[test]
    fn a_name_cannot_forge_a_field() {
        let field = received("x (y)\r\nSubject: z;", None, None);
        assert!(field.starts_with("Received: from x??y???Subject:?z? by "), "{field}");
    }

    #[test]
    fn no_line_is_too_long() {
        let long = recipient(&"\" ".repeat(128));
        let field = received(&"x".repeat(1_000), Some("::1"), Some(&long));
        assert!(field.split("\r\n").all(|line| line.len() <= 998));
        let field = received(
            "mail.example.org",
            Some("2001:db8:1:2:3:4:5:6"),
            Some(&recipient("ann")),
        );
        assert!(field.split("\r\n").all(|line| line.len() <= 78), "{field}");
    }

    #[test]
    fn protocols_have_their_registered_names() {
        let named = |is_lmtp, is_extended, is_encrypted, is_authenticated| {
            Protocol {
                is_lmtp,
                is_extended,
                is_encrypted,
                is_authenticated,
            }
            .to_string()
        };
        assert_eq!(named(false, false, false, false), "SMTP");
        assert_eq!(named(false, true, false, false), "ESMTP");
        assert_eq!(named(false, true, false, true), "ESMTPA");
        assert_eq!(named(false, true, true, true), "ESMTPSA");
        assert_eq!(named(true, true, false, false), "LMTP");
        assert_eq!(named(true, true, true, false), "LMTPS");
    }

    #[test]
    fn the_envelope_is_kept_in_fields() {
        assert_eq!(return_path_field(&ReversePath::Null), "Return-Path: <>\r\n");
        let Recipient::Mailbox(sender) = recipient("Ann Lee") else {
            panic!("a mailbox");
        };
        let field = return_path_field(&ReversePath::Mailbox(sender));
        assert_eq!(field, "Return-Path: <\"Ann Lee\"@demo.test>\r\n");
        let address = Address::new("ann@Demo.test").unwrap();
        assert_eq!(delivered_to_field(&address), "Delivered-To: ann@demo.test\r\n");
    }
}
