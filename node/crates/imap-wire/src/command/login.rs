//! LOGIN (RFC 3501 6.2.3).

use mail_model::{SASL_TEXT_BYTES_MAX, Secret};

use crate::refusal::{Parse, Refusal};
use crate::syntax::Cursor;

/// The arguments of LOGIN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// Who logs in.
    pub name: String,
    /// With which password.
    pub password: Secret,
}

pub(super) fn read(cursor: &mut Cursor<'_>) -> Parse<Login> {
    let name = cursor.astring_text("a user name")?;
    cursor.space()?;
    let password = cursor.astring_text("a password")?;
    if name.len() > SASL_TEXT_BYTES_MAX || password.len() > SASL_TEXT_BYTES_MAX {
        return Err(Refusal::bad(format!(
            "name and password have at most {SASL_TEXT_BYTES_MAX} octets"
        )));
    }
    Ok(Login {
        name,
        password: Secret::new(password),
    })
}

#[cfg(test)]
mod tests {
    use super::super::{Command, read_for_test};

    #[test]
    fn name_and_password_come_in_any_form() {
        for text in ["LOGIN ann x]y", "LOGIN \"ann\" \"x]y\"", "login {3}\r\nann {3+}\r\nx]y"] {
            let Ok(Command::Login(login)) = read_for_test(text) else {
                panic!("{text}")
            };
            assert_eq!((login.name.as_str(), login.password.expose()), ("ann", "x]y"));
            assert!(!format!("{login:?}").contains("x]y"));
        }
    }

    #[test]
    fn half_a_login_is_refused() {
        for text in [
            "LOGIN",
            "LOGIN ann",
            "LOGIN ann ",
            "LOGIN ann x y",
            "LOGIN ann NIL\\",
            "LOGIN ann {2}\r\n\u{e9}x",
        ] {
            assert!(read_for_test(text).is_err(), "{text}");
        }
        assert!(read_for_test(&format!("LOGIN ann {}", "x".repeat(2_000))).is_err());
    }
}
