//! What clients send to log in with a password: SASL PLAIN (RFC 4616) and LOGIN, read from bytes already freed of
//! base64. Shared by the wire machines, which own lines, base64 and cancelling.
//!
//! Invariants: a [`Secret`] never shows itself in a trace; names and passwords that exist are not empty, hold no NUL
//! and keep to [`SASL_TEXT_BYTES_MAX`].
//!
//! Must not know: which password is right, and who may act for whom.

use std::fmt;

use crate::limits::SASL_TEXT_BYTES_MAX;

/// Why a response is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SaslError {
    /// PLAIN without exactly two NULs, or LOGIN with one.
    #[error("the response does not have the form of its mechanism")]
    Form,
    /// A name or password that is not UTF-8.
    #[error("names and passwords are UTF-8")]
    Utf8,
    /// No name, or no password.
    #[error("name and password must not be empty")]
    Empty,
    /// Over [`SASL_TEXT_BYTES_MAX`].
    #[error("a name or password has at most {SASL_TEXT_BYTES_MAX} octets")]
    TooLong,
    /// A LOGIN exchange that is over was answered again.
    #[error("the exchange is over")]
    Over,
}

/// A text that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides `text`.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text, for the one place that checks it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// What a password log-in says, whichever way it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlainCredentials {
    /// Whom to act as; empty for the one who logs in.
    pub authzid: String,
    /// Who logs in.
    pub authcid: String,
    /// With which password.
    pub password: Secret,
}

/// Reads the one response of PLAIN: `[authzid] NUL authcid NUL password`.
///
/// # Errors
/// When it does not have that form, or a part is empty, too long or not UTF-8.
pub fn read_plain(response: &[u8]) -> Result<PlainCredentials, SaslError> {
    let mut parts = response.split(|byte| *byte == 0);
    let (Some(authzid), Some(authcid), Some(password), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(SaslError::Form);
    };
    let authzid = if authzid.is_empty() {
        String::new()
    } else {
        text(authzid)?
    };
    Ok(PlainCredentials {
        authzid,
        authcid: text(authcid)?,
        password: Secret(text(password)?),
    })
}

fn text(bytes: &[u8]) -> Result<String, SaslError> {
    if bytes.is_empty() {
        return Err(SaslError::Empty);
    }
    if bytes.len() > SASL_TEXT_BYTES_MAX {
        return Err(SaslError::TooLong);
    }
    if bytes.contains(&0) {
        return Err(SaslError::Form);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| SaslError::Utf8)?;
    Ok(text.to_owned())
}

/// What follows an answer in LOGIN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoginStep {
    /// Send [`LoginExchange::challenge`] and wait for the next answer.
    Challenge,
    /// Both answers are there.
    Done(PlainCredentials),
}

/// The mechanism LOGIN (draft-murchison-sasl-login): a name, then a password, each after a challenge. A name that
/// comes as initial response is answered before any challenge is sent.
#[derive(Clone, Debug, Default)]
pub struct LoginExchange {
    state: LoginState,
}

#[derive(Clone, Debug, Default)]
enum LoginState {
    #[default]
    Name,
    Password {
        name: String,
    },
    Over,
}

impl LoginExchange {
    /// An exchange that waits for the name.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What to send now, before base64; empty once the exchange is over.
    #[must_use]
    pub const fn challenge(&self) -> &'static str {
        match self.state {
            LoginState::Name => "Username:",
            LoginState::Password { .. } => "Password:",
            LoginState::Over => "",
        }
    }

    /// Takes the client's next answer.
    ///
    /// # Errors
    /// When it is empty, too long, has a NUL, is not UTF-8, or the exchange is over; it is over then in any case.
    pub fn answer(&mut self, response: &[u8]) -> Result<LoginStep, SaslError> {
        match std::mem::replace(&mut self.state, LoginState::Over) {
            LoginState::Name => {
                let name = text(response)?;
                self.state = LoginState::Password { name };
                Ok(LoginStep::Challenge)
            }
            LoginState::Password { name } => Ok(LoginStep::Done(PlainCredentials {
                authzid: String::new(),
                authcid: name,
                password: Secret(text(response)?),
            })),
            LoginState::Over => Err(SaslError::Over),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_reads_its_three_parts() {
        let read = read_plain(b"boss\0ann@example.org\0s\xC3\xA9same").unwrap();
        assert_eq!(
            (read.authzid.as_str(), read.authcid.as_str()),
            ("boss", "ann@example.org")
        );
        assert_eq!(read.password.expose(), "s\u{e9}same");
        assert_eq!(read_plain(b"\0ann\0x").unwrap().authzid, "");
    }

    #[test]
    fn odd_plain_responses_are_refused() {
        let long = format!("\0ann\0{}", "x".repeat(SASL_TEXT_BYTES_MAX + 1));
        let cases: [(&[u8], SaslError); 8] = [
            (b"", SaslError::Form),
            (b"ann\0x", SaslError::Form),
            (b"\0ann\0x\0", SaslError::Form),
            (b"\0\0x", SaslError::Empty),
            (b"\0ann\0", SaslError::Empty),
            (b"\0ann\0\xFF", SaslError::Utf8),
            (b"\xFF\0ann\0x", SaslError::Utf8),
            (long.as_bytes(), SaslError::TooLong),
        ];
        for (response, expected) in cases {
            assert_eq!(read_plain(response), Err(expected), "{response:?}");
        }
    }

    #[test]
    fn login_asks_for_name_and_password_and_then_no_more() {
        let mut exchange = LoginExchange::new();
        assert_eq!(exchange.challenge(), "Username:");
        assert_eq!(exchange.answer(b"ann"), Ok(LoginStep::Challenge));
        assert_eq!(exchange.challenge(), "Password:");
        let LoginStep::Done(credentials) = exchange.answer(b"x y").unwrap() else {
            panic!("a password ends the exchange");
        };
        assert_eq!(
            (credentials.authcid.as_str(), credentials.password.expose()),
            ("ann", "x y")
        );
        assert_eq!(exchange.challenge(), "");
        assert_eq!(exchange.answer(b"again"), Err(SaslError::Over));
    }

    #[test]
    fn a_bad_answer_ends_login() {
        for bad in [&b""[..], b"a\0b", b"\xFF"] {
            let mut exchange = LoginExchange::new();
            assert!(exchange.answer(bad).is_err());
            assert_eq!(exchange.answer(b"ann"), Err(SaslError::Over));
        }
    }

    #[test]
    fn a_secret_is_not_printed() {
        let credentials = read_plain(b"\0ann\0hunter2").unwrap();
        assert!(!format!("{credentials:?}").contains("hunter2"));
    }
}
