//! Argon2id (RFC 9106) in PHC string form: the scheme by which passwords are checked.

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use super::limits::{
    ARGON2_LANES, ARGON2_LANES_MAX, ARGON2_MEMORY_KIB, ARGON2_MEMORY_KIB_MAX, ARGON2_PASSES, ARGON2_PASSES_MAX,
    SALT_BYTES,
};

/// Name of the scheme in the directory.
pub(super) const SCHEME: &str = "ARGON2ID";

const HASH_BYTES: usize = 32;

/// A hash under a fresh salt; `None` when the system has no randomness to give.
pub(super) fn make(password: &[u8]) -> Option<String> {
    let params = Params::new(ARGON2_MEMORY_KIB, ARGON2_PASSES, ARGON2_LANES, Some(HASH_BYTES)).ok()?;
    let mut salt = [0; SALT_BYTES];
    aws_lc_rs::rand::fill(&mut salt).ok()?;
    let hasher = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let hash: PasswordHash = hasher.hash_password_with_salt(password, &salt).ok()?;
    Some(hash.to_string())
}

/// A stored hash that may be checked: of this algorithm, within the bounds of [`super::limits`].
pub(super) struct Hash(PasswordHash);

impl Hash {
    /// Reads a PHC string; `None` for one that does not count.
    pub(super) fn read(value: &str) -> Option<Self> {
        let hash = PasswordHash::new(value).ok()?;
        let params = Params::try_from(&hash).ok()?;
        let bearable = params.m_cost() <= ARGON2_MEMORY_KIB_MAX
            && params.t_cost() <= ARGON2_PASSES_MAX
            && params.p_cost() <= ARGON2_LANES_MAX;
        let complete = hash.salt.is_some() && hash.hash.is_some();
        (hash.algorithm.as_str() == "argon2id" && bearable && complete).then_some(Self(hash))
    }

    /// A hash of no password, as costly as those made here.
    pub(super) fn decoy() -> Option<Self> {
        let (salt, hash) = ([0u8; SALT_BYTES], [0u8; HASH_BYTES]);
        let (salt, hash) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(hash));
        let cost = format!("m={ARGON2_MEMORY_KIB},t={ARGON2_PASSES},p={ARGON2_LANES}");
        Self::read(&format!("$argon2id$v=19${cost}${salt}${hash}"))
    }

    /// Whether it is the hash of `password`. Compares in constant time.
    pub(super) fn is_of(&self, password: &[u8]) -> bool {
        Argon2::default().verify_password(password, &self.0).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_of_its_password_only_and_says_its_cost() {
        let value = make(b"pencil").expect("made");
        assert!(value.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{value}");
        let hash = Hash::read(&value).expect("reads");
        assert!(hash.is_of(b"pencil"));
        assert!(!hash.is_of(b"pencil "));
        assert!(!hash.is_of(b""));
        assert_ne!(make(b"pencil").expect("made"), value, "the same salt twice");
    }

    #[test]
    fn a_hash_of_another_program_with_another_cost_counts() {
        // From the Argon2 reference implementation: password "password", salt "somesalt", m=65536, t=2, p=1.
        let value = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        let hash = Hash::read(value).expect("reads");
        assert!(hash.is_of(b"password"));
        assert!(!hash.is_of(b"Password"));
    }

    #[test]
    fn hashes_of_other_kinds_or_of_absurd_cost_do_not_count() {
        let tail = "c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        for value in [
            String::new(),
            "$6$salt$hash".to_owned(),
            format!("$argon2i$v=19$m=65536,t=2,p=1${tail}"),
            format!("$argon2id$v=19$m=4194304,t=2,p=1${tail}"),
            format!("$argon2id$v=19$m=65536,t=200,p=1${tail}"),
            "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ".to_owned(),
        ] {
            assert!(Hash::read(&value).is_none(), "{value}");
        }
    }

    #[test]
    fn the_decoy_costs_what_a_hash_costs() {
        let decoy = Hash::decoy().expect("reads");
        let made = Hash::read(&make(b"x").expect("made")).expect("reads");
        assert_eq!(decoy.0.params, made.0.params);
        assert_eq!(decoy.0.version, made.0.version);
        assert_eq!(decoy.0.hash.map(|hash| hash.len()), made.0.hash.map(|hash| hash.len()));
        assert!(!decoy.is_of(b""));
    }
}
