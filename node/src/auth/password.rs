//! A password as it is hashed: the same bytes whichever way a client composed its characters.
//!
//! Invariant: whoever sets a password and whoever checks it go through [`prepare`].

use mail_model::{SASL_TEXT_BYTES_MAX, Secret};
use unicode_normalization::UnicodeNormalization;

/// Why a text cannot be a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnfitPassword {
    /// No character.
    #[error("a password must not be empty")]
    Empty,
    /// More than a log-in can carry.
    #[error("a password has at most {SASL_TEXT_BYTES_MAX} octets")]
    TooLong,
    /// Control characters, which clients cannot send (RFC 8265 section 4.2.1).
    #[error("a password has no control characters")]
    Control,
}

/// The profile OpaqueString of RFC 8265 section 4.2 as far as it changes a text: spaces of all kinds are U+0020, and
/// composed form (NFC), so that a Mac and a telephone send the same "ü".
pub(super) fn prepare(password: &Secret) -> Secret {
    let plain = password.expose();
    if plain.is_ascii() {
        return password.clone();
    }
    let space = |c: char| if is_other_space(c) { ' ' } else { c };
    Secret::new(plain.chars().map(space).nfc().collect())
}

/// Whether a new password may be `password`, as prepared.
pub(super) fn check(password: &Secret) -> Result<(), UnfitPassword> {
    match password.expose() {
        "" => Err(UnfitPassword::Empty),
        text if text.len() > SASL_TEXT_BYTES_MAX => Err(UnfitPassword::TooLong),
        text if text.chars().any(char::is_control) => Err(UnfitPassword::Control),
        _ => Ok(()),
    }
}

/// Characters of the general category Zs but U+0020.
fn is_other_space(c: char) -> bool {
    matches!(
        c,
        '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    #[test]
    fn the_same_characters_are_the_same_password() {
        let composed = prepare(&secret("gr\u{fc}n tee"));
        let decomposed = prepare(&secret("gru\u{308}n\u{a0}tee"));
        assert_eq!(composed.expose(), decomposed.expose());
        assert_eq!(prepare(&secret(" A b")).expose(), " A b");
        assert_ne!(
            prepare(&secret("Gr\u{fc}n")).expose(),
            prepare(&secret("gr\u{fc}n")).expose()
        );
    }

    #[test]
    fn what_a_client_could_not_send_is_no_password() {
        assert_eq!(check(&secret("")), Err(UnfitPassword::Empty));
        assert_eq!(check(&secret("a\0b")), Err(UnfitPassword::Control));
        assert_eq!(
            check(&secret(&"x".repeat(SASL_TEXT_BYTES_MAX + 1))),
            Err(UnfitPassword::TooLong)
        );
        assert_eq!(check(&secret("demo")), Ok(()));
    }
}
