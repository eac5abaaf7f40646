//! SCRAM-SHA-256 keys (RFC 5802, RFC 7677): made with every password, so that the mechanism can be offered without asking
//! everybody for a new password; and good for checking a password that has no other hash.
//!
//! The value is `iterations:salt$StoredKey:ServerKey`, the last three in base64 (RFC 5803 without its scheme).

use std::num::NonZeroU32;

use aws_lc_rs::{constant_time, digest, hmac, pbkdf2, rand};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::limits::{SALT_BYTES, SALT_BYTES_MAX, SCRAM_ITERATIONS, SCRAM_ITERATIONS_MAX, SCRAM_ITERATIONS_MIN};

/// Name of the scheme in the directory.
pub(super) const SCHEME: &str = "SCRAM-SHA-256";

const KEY_BYTES: usize = digest::SHA256_OUTPUT_LEN;

/// What a server keeps instead of a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Keys {
    iterations: NonZeroU32,
    salt: Vec<u8>,
    stored_key: [u8; KEY_BYTES],
    server_key: [u8; KEY_BYTES],
}

impl Keys {
    /// The keys of `password` (RFC 5802 section 3).
    fn derive(password: &[u8], salt: Vec<u8>, iterations: NonZeroU32) -> Self {
        let mut salted = [0; KEY_BYTES];
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, &salt, password, &mut salted);
        let salted = hmac::Key::new(hmac::HMAC_SHA256, &salted);
        let client_key = hmac::sign(&salted, b"Client Key");
        let stored_key = digest::digest(&digest::SHA256, client_key.as_ref());
        Self {
            iterations,
            salt,
            stored_key: sized(stored_key.as_ref()),
            server_key: sized(hmac::sign(&salted, b"Server Key").as_ref()),
        }
    }

    /// Keys under a fresh salt; `None` when the system has no randomness to give.
    ///
    /// Also `None` for passwords beyond ASCII: clients prepare them by SASLprep (RFC 4013), which maps some characters
    /// otherwise than the rest of the world does now, so their keys would fail a right password.
    pub(super) fn make(password: &str) -> Option<Self> {
        if !password.is_ascii() {
            return None;
        }
        let mut salt = vec![0; SALT_BYTES];
        rand::fill(&mut salt).ok()?;
        Some(Self::derive(
            password.as_bytes(),
            salt,
            NonZeroU32::new(SCRAM_ITERATIONS)?,
        ))
    }

    /// Reads stored keys; `None` for those that do not count.
    pub(super) fn read(value: &str) -> Option<Self> {
        let (head, keys) = value.split_once('$')?;
        let (iterations, salt) = head.split_once(':')?;
        let (stored_key, server_key) = keys.split_once(':')?;
        let iterations: NonZeroU32 = iterations.parse().ok()?;
        let salt = STANDARD.decode(salt).ok()?;
        let bearable = (SCRAM_ITERATIONS_MIN..=SCRAM_ITERATIONS_MAX).contains(&iterations.get())
            && (1..=SALT_BYTES_MAX).contains(&salt.len());
        bearable.then_some(())?;
        Some(Self {
            iterations,
            salt,
            stored_key: STANDARD.decode(stored_key).ok()?.try_into().ok()?,
            server_key: STANDARD.decode(server_key).ok()?.try_into().ok()?,
        })
    }

    /// As the directory keeps them.
    pub(super) fn to_value(&self) -> String {
        let (salt, stored) = (STANDARD.encode(&self.salt), STANDARD.encode(self.stored_key));
        let server = STANDARD.encode(self.server_key);
        format!("{}:{salt}${stored}:{server}", self.iterations)
    }

    /// Whether they are the keys of `password`. Compares in constant time.
    pub(super) fn are_of(&self, password: &[u8]) -> bool {
        let other = Self::derive(password, self.salt.clone(), self.iterations);
        constant_time::verify_slices_are_equal(&other.stored_key, &self.stored_key).is_ok()
    }
}

/// All outputs here have one length, that of SHA-256; a shorter one would leave zeros, a longer one be cut.
fn sized(output: &[u8]) -> [u8; KEY_BYTES] {
    let mut key = [0; KEY_BYTES];
    for (to, from) in key.iter_mut().zip(output) {
        *to = *from;
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The exchange of RFC 7677 section 3: user "user", password "pencil".
    const SALT: &str = "W22ZaJ0SNY7soEsUEjb6gQ==";
    const AUTH_MESSAGE: &str = "n=user,r=rOprNGfwEbeRWgbNEkqO,\
        r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,\
        c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
    const PROOF: &str = "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
    const SERVER_SIGNATURE: &str = "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

    fn of_the_rfc() -> Keys {
        let salt = STANDARD.decode(SALT).expect("base64");
        Keys::derive(b"pencil", salt, NonZeroU32::new(4_096).expect("not zero"))
    }

    fn sign(key: &[u8], message: &str) -> Vec<u8> {
        hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message.as_bytes())
            .as_ref()
            .to_vec()
    }

    #[test]
    fn the_server_key_signs_as_in_rfc_7677() {
        let signature = sign(&of_the_rfc().server_key, AUTH_MESSAGE);
        assert_eq!(STANDARD.encode(signature), SERVER_SIGNATURE);
    }

    #[test]
    fn the_stored_key_accepts_the_proof_of_rfc_7677() {
        let keys = of_the_rfc();
        let signature = sign(&keys.stored_key, AUTH_MESSAGE);
        let proof = STANDARD.decode(PROOF).expect("base64");
        let client_key: Vec<_> = proof.iter().zip(signature).map(|(proof, sign)| proof ^ sign).collect();
        assert_eq!(digest::digest(&digest::SHA256, &client_key).as_ref(), keys.stored_key);
    }

    #[test]
    fn keys_read_back_and_are_of_their_password_only() {
        let keys = of_the_rfc();
        let value = keys.to_value();
        assert!(value.starts_with("4096:W22ZaJ0SNY7soEsUEjb6gQ==$"), "{value}");
        assert_eq!(Keys::read(&value), Some(keys.clone()));
        assert!(keys.are_of(b"pencil"));
        assert!(!keys.are_of(b"Pencil"));
    }

    #[test]
    fn keys_made_here_read_back_under_a_salt_of_their_own() {
        let (one, two) = (Keys::make("pencil").expect("made"), Keys::make("pencil").expect("made"));
        assert_ne!(one.salt, two.salt);
        assert_eq!(one.iterations.get(), SCRAM_ITERATIONS);
        assert_eq!(Keys::read(&one.to_value()), Some(one));
        assert_eq!(Keys::make("gr\u{fc}n"), None);
    }

    #[test]
    fn broken_values_do_not_count() {
        let good = of_the_rfc().to_value();
        let keys = good.split_once('$').expect("two halves").1;
        for value in [
            String::new(),
            "4096".to_owned(),
            good.replace("4096:", "0:"),
            good.replace("4096:", "1000:"),
            good.replace("4096:", "99999999:"),
            format!("4096:$${keys}"),
            format!("4096:{SALT}$AAAA:AAAA"),
        ] {
            assert_eq!(Keys::read(&value), None, "{value}");
        }
    }
}
