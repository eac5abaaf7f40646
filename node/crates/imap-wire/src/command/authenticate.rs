//! AUTHENTICATE (RFC 3501 6.2.2) with initial response (RFC 4959), and the lines of its exchange.
//!
//! Must not know: mechanisms; the session picks one, and `mail_model` reads what PLAIN and LOGIN say.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::limits::MECHANISM_BYTES_MAX;
use crate::refusal::{Parse, Refusal};
use crate::syntax::Cursor;

/// What the client answers in a SASL exchange, freed of base64. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct AuthResponse(Vec<u8>);

impl AuthResponse {
    /// The octets, for the one place that reads them.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for AuthResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuthResponse(..)")
    }
}

/// The arguments of AUTHENTICATE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authenticate {
    /// The name of the mechanism, in upper case.
    pub mechanism: String,
    /// What would be the answer to an empty first challenge; `=` on the wire is an empty one.
    pub initial: Option<AuthResponse>,
}

pub(super) fn read(cursor: &mut Cursor<'_>) -> Parse<Authenticate> {
    let mechanism = cursor.atom("a mechanism")?;
    if mechanism.len() > MECHANISM_BYTES_MAX {
        return Err(Refusal::bad(format!(
            "a mechanism has at most {MECHANISM_BYTES_MAX} characters"
        )));
    }
    let initial = if cursor.eat(b' ') {
        let base64 = cursor.take_while("an initial response", |byte| byte.is_ascii_graphic())?;
        Some(if base64 == b"=" {
            AuthResponse(Vec::new())
        } else {
            decode(base64)?
        })
    } else {
        None
    };
    Ok(Authenticate {
        mechanism: mechanism.to_ascii_uppercase(),
        initial,
    })
}

/// Reads a line of the exchange; `None` when the client cancels it.
pub(crate) fn read_auth_line(line: &[u8]) -> Parse<Option<AuthResponse>> {
    if line == b"*" {
        return Ok(None);
    }
    decode(line).map(Some)
}

fn decode(base64: &[u8]) -> Parse<AuthResponse> {
    let octets = STANDARD
        .decode(base64)
        .map_err(|_| Refusal::bad("the response is not base64"))?;
    Ok(AuthResponse(octets))
}

#[cfg(test)]
mod tests {
    use super::super::{Command, read_for_test};
    use super::*;

    fn read(text: &str) -> Authenticate {
        match read_for_test(text) {
            Ok(Command::Authenticate(read)) => read,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn an_initial_response_may_be_missing_or_empty() {
        assert_eq!(read("AUTHENTICATE plain").mechanism, "PLAIN");
        assert_eq!(read("AUTHENTICATE PLAIN").initial, None);
        assert_eq!(read("AUTHENTICATE EXTERNAL =").initial, Some(AuthResponse(Vec::new())));
        assert_eq!(read("AUTHENTICATE PLAIN AGEAYg==").initial.unwrap().expose(), b"\0a\0b");
    }

    #[test]
    fn what_is_no_base64_is_refused() {
        for text in [
            "AUTHENTICATE PLAIN ***",
            "AUTHENTICATE PLAIN AGEAYg",
            "AUTHENTICATE PLAIN ",
            "AUTHENTICATE",
            "AUTHENTICATE A b= c",
        ] {
            assert!(read_for_test(text).is_err(), "{text}");
        }
        assert!(read_for_test(&format!("AUTHENTICATE {}", "A".repeat(MECHANISM_BYTES_MAX + 1))).is_err());
    }

    #[test]
    fn a_star_cancels() {
        assert_eq!(read_auth_line(b"*"), Ok(None));
        assert_eq!(read_auth_line(b""), Ok(Some(AuthResponse(Vec::new()))));
        assert!(read_auth_line(b"**").is_err());
    }
}
