//! The recovery key: what an administrator keeps on paper, and what the CA's key is sealed under (DESIGN D22).
//!
//! Invariants
//! - 160 random bits, shown once as nine groups of four characters; the last four are a checksum, so that a slip of
//!   the pen is told from the wrong paper.
//! - Letters that look alike are read alike (Crockford's base 32: no I, L, O, U); case and spacing do not count.
//! - A sealed key opens for its cluster only, whole or not at all (AES-256-GCM, the cluster's id authenticated with it).
//!   Each sealing has its own nonce and a version.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::{hkdf, rand};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mail_model::ClusterId;

const KEY_BYTES: usize = 20;
const KEY_CHARS: usize = KEY_BYTES * 8 / 5;
const CHECK_CHARS: usize = 4;
const WRITTEN_CHARS: usize = KEY_CHARS + CHECK_CHARS;
const GROUP_CHARS: usize = 4;
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// First byte of what is sealed.
const VERSION: u8 = 1;
const PURPOSE: &[u8] = b"holdfast recovery key 1: seals the key of the cluster's CA";

const _: () = assert!((KEY_BYTES * 8).is_multiple_of(5) && WRITTEN_CHARS.is_multiple_of(GROUP_CHARS));
const _: () = assert!(CHECK_CHARS * 5 <= 32);

/// The key on the paper. Shown only by `to_string`.
#[derive(Clone, PartialEq, Eq)]
pub struct RecoveryKey([u8; KEY_BYTES]);

/// Why a text is no recovery key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRecoveryKey {
    /// Too long or too short.
    #[error(
        "a recovery key has {WRITTEN_CHARS} characters besides dashes and spaces, this has {0}: it is what holdfast init showed"
    )]
    Length(usize),
    /// A character that no key has.
    #[error("no recovery key has the character {0:?}")]
    Character(char),
    /// Something was misread.
    #[error("the recovery key does not match its last {CHECK_CHARS} characters: one of them was misread")]
    Checksum,
}

/// Why a key was not sealed or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecoveryError {
    /// The system gave no random bytes.
    #[error("the system gave no random bytes")]
    Random,
    /// Sealing failed, or what was sealed did not open again.
    #[error("seal the key of the CA under the recovery key")]
    Seal,
    /// What is to be opened was not made by a program like this one.
    #[error("the sealed key of the CA is damaged or of a later version")]
    Damaged,
    /// It is another key, or another cluster's.
    #[error("the recovery key does not open the key of this cluster's CA: is it that of another cluster?")]
    WrongKey,
}

impl RecoveryKey {
    /// Makes a new one.
    ///
    /// # Errors
    /// [`RecoveryError::Random`].
    pub fn make() -> Result<Self, RecoveryError> {
        let mut key = [0; KEY_BYTES];
        rand::fill(&mut key).map_err(|_| RecoveryError::Random)?;
        Ok(Self(key))
    }

    /// Seals `secret` for `cluster`: base 64 of version, nonce, cipher text and tag.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn seal(&self, cluster: ClusterId, secret: &[u8]) -> Result<String, RecoveryError> {
        let mut nonce = [0; NONCE_LEN];
        rand::fill(&mut nonce).map_err(|_| RecoveryError::Random)?;
        let mut sealed = secret.to_vec();
        let bound = Nonce::assume_unique_for_key(nonce);
        self.cipher()?
            .seal_in_place_append_tag(bound, authenticated(cluster), &mut sealed)
            .map_err(|_| RecoveryError::Seal)?;
        Ok(STANDARD.encode([&[VERSION][..], &nonce, &sealed].concat()))
    }

    /// Opens what was sealed for `cluster`.
    ///
    /// # Errors
    /// When it is damaged, or was sealed under another key or for another cluster.
    pub fn open(&self, cluster: ClusterId, sealed: &str) -> Result<Vec<u8>, RecoveryError> {
        let bytes = STANDARD.decode(sealed).map_err(|_| RecoveryError::Damaged)?;
        let (version, rest) = bytes.split_first().ok_or(RecoveryError::Damaged)?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>().ok_or(RecoveryError::Damaged)?;
        if *version != VERSION {
            return Err(RecoveryError::Damaged);
        }
        let mut secret = sealed.to_vec();
        let bound = Nonce::assume_unique_for_key(*nonce);
        let opened = self
            .cipher()?
            .open_in_place(bound, authenticated(cluster), &mut secret)
            .map_err(|_| RecoveryError::WrongKey)?
            .len();
        secret.truncate(opened);
        Ok(secret)
    }

    fn cipher(&self) -> Result<LessSafeKey, RecoveryError> {
        let extracted = hkdf::Salt::new(hkdf::HKDF_SHA256, PURPOSE).extract(&self.0);
        let expanded = extracted
            .expand(&[PURPOSE], &AES_256_GCM)
            .map_err(|_| RecoveryError::Seal)?;
        Ok(LessSafeKey::new(UnboundKey::from(expanded)))
    }

    fn checksum(&self) -> u32 {
        let hash = digest(&SHA256, &[PURPOSE, &self.0].concat());
        let first = hash
            .as_ref()
            .iter()
            .take(4)
            .fold(0_u32, |sum, byte| sum << 8 | u32::from(*byte));
        first >> (32 - 5 * CHECK_CHARS)
    }
}

fn authenticated(cluster: ClusterId) -> Aad<[u8; 17]> {
    let mut bound = [VERSION; 17];
    bound[1..].copy_from_slice(&cluster.0);
    Aad::from(bound)
}

/// The lowest five bits as a character.
fn character(value: u32) -> char {
    char::from(ALPHABET[(value & 31) as usize])
}

fn value(character: char) -> Option<u32> {
    let plain = match character.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    };
    let at = ALPHABET.iter().position(|letter| char::from(*letter) == plain)?;
    u32::try_from(at).ok()
}

impl fmt::Display for RecoveryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut characters = Vec::with_capacity(WRITTEN_CHARS);
        let (mut bits, mut count) = (0_u32, 0);
        for byte in self.0 {
            bits = bits << 8 | u32::from(byte);
            count += 8;
            while count >= 5 {
                count -= 5;
                characters.push(character(bits >> count));
            }
        }
        let checksum = self.checksum();
        characters.extend((0..CHECK_CHARS).rev().map(|at| character(checksum >> (5 * at))));
        let groups = characters
            .chunks(GROUP_CHARS)
            .map(|group| group.iter().collect::<String>());
        f.write_str(&groups.collect::<Vec<_>>().join("-"))
    }
}

impl fmt::Debug for RecoveryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryKey(…)")
    }
}

impl FromStr for RecoveryKey {
    type Err = InvalidRecoveryKey;

    fn from_str(text: &str) -> Result<Self, InvalidRecoveryKey> {
        let characters: Vec<char> = text.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
        if characters.len() != WRITTEN_CHARS {
            return Err(InvalidRecoveryKey::Length(characters.len()));
        }
        let mut values = Vec::with_capacity(characters.len());
        for read in characters {
            values.push(value(read).ok_or(InvalidRecoveryKey::Character(read))?);
        }
        let (key_values, check_values) = values.split_at(KEY_CHARS);
        let mut key = [0; KEY_BYTES];
        let (mut bits, mut count, mut bytes) = (0_u32, 0, key.iter_mut());
        for five in key_values {
            bits = bits << 5 | five;
            count += 5;
            if count >= 8 {
                count -= 8;
                if let Some(byte) = bytes.next() {
                    *byte = (bits >> count & 0xff) as u8;
                }
            }
        }
        let key = Self(key);
        let checksum = check_values.iter().fold(0, |sum, five| sum << 5 | five);
        if key.checksum() == checksum {
            Ok(key)
        } else {
            Err(InvalidRecoveryKey::Checksum)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLUSTER: ClusterId = ClusterId([7; 16]);

    #[test]
    fn a_written_key_reads_back_however_it_was_written_down() {
        for bytes in [[0; KEY_BYTES], [0xff; KEY_BYTES], *b"abcdefghijklmnopqrst"] {
            let key = RecoveryKey(bytes);
            let text = key.to_string();
            assert_eq!((text.len(), text.split('-').count()), (44, 9), "{text}");
            assert_eq!(text.parse(), Ok(key.clone()));
            let sloppy = text
                .to_lowercase()
                .replace('-', " ")
                .replace('0', "o")
                .replace('1', "l");
            assert_eq!(sloppy.parse(), Ok(key));
        }
    }

    #[test]
    fn a_misread_character_is_noticed() {
        let text = RecoveryKey(*b"abcdefghijklmnopqrst").to_string();
        for (at, was) in text.char_indices().filter(|(_, c)| *c != '-') {
            let other = if was == 'X' { "Y" } else { "X" };
            let mut misread = text.clone();
            misread.replace_range(at..=at, other);
            assert_eq!(
                misread.parse::<RecoveryKey>(),
                Err(InvalidRecoveryKey::Checksum),
                "{misread}"
            );
        }
        assert_eq!("ABC".parse::<RecoveryKey>(), Err(InvalidRecoveryKey::Length(3)));
        let odd = text.replacen(&text[..1], "U", 1);
        assert_eq!(odd.parse::<RecoveryKey>(), Err(InvalidRecoveryKey::Character('U')));
    }

    #[test]
    fn only_the_right_key_opens_and_only_for_its_cluster() {
        let key = RecoveryKey::make().unwrap();
        let sealed = key.seal(CLUSTER, b"the key").unwrap();
        assert_eq!(key.open(CLUSTER, &sealed).unwrap(), b"the key");
        let other = RecoveryKey::make().unwrap();
        assert_eq!(other.open(CLUSTER, &sealed), Err(RecoveryError::WrongKey));
        assert_eq!(key.open(ClusterId([8; 16]), &sealed), Err(RecoveryError::WrongKey));
        assert_ne!(key.seal(CLUSTER, b"the key").unwrap(), sealed);
    }

    #[test]
    fn what_is_damaged_does_not_open() {
        let key = RecoveryKey::make().unwrap();
        let sealed = STANDARD.decode(key.seal(CLUSTER, b"the key").unwrap()).unwrap();
        for at in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[at] ^= 1;
            assert!(key.open(CLUSTER, &STANDARD.encode(damaged)).is_err(), "byte {at}");
        }
        for text in ["", "AQ==", "not base 64"] {
            assert_eq!(key.open(CLUSTER, text), Err(RecoveryError::Damaged));
        }
    }

    #[test]
    fn the_key_does_not_show_in_debug_output() {
        let key = RecoveryKey::make().unwrap();
        assert_eq!(format!("{key:?}"), "RecoveryKey(…)");
    }
}
