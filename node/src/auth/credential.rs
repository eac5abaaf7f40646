//! A password as a list of credentials, and a list of credentials against a password.
//!
//! Invariant: checking always costs one hash at least, also where nothing can match.

use mail_model::Secret;
use mailstore::directory::Credential;

use super::{argon2id, scram};

/// Everything that is kept of a prepared password; `None` when the system has no randomness to give. Takes a core for
/// some 50 ms.
pub(super) fn make(password: &Secret) -> Option<Vec<Credential>> {
    let credential = |scheme: &str, value| Credential {
        scheme: scheme.to_owned(),
        value,
    };
    let hash = argon2id::make(password.expose().as_bytes())?;
    let keys = scram::Keys::make(password.expose());
    let keys = keys.map(|keys| credential(scram::SCHEME, keys.to_value()));
    Some([credential(argon2id::SCHEME, hash)].into_iter().chain(keys).collect())
}

/// Whether one of `credentials` is of the prepared `password`. Schemes that are not known do not count; without one that
/// does, a decoy is hashed. Takes a core for some 20 ms.
pub(super) fn check(credentials: &[Credential], password: &Secret) -> bool {
    let password = password.expose().as_bytes();
    let of = |scheme: &'static str| credentials.iter().filter(move |credential| credential.scheme == scheme);
    let hashes: Vec<_> = of(argon2id::SCHEME)
        .filter_map(|found| argon2id::Hash::read(&found.value))
        .collect();
    if !hashes.is_empty() {
        return hashes.iter().any(|hash| hash.is_of(password));
    }
    let keys: Vec<_> = of(scram::SCHEME)
        .filter_map(|found| scram::Keys::read(&found.value))
        .collect();
    if !keys.is_empty() {
        return keys.iter().any(|keys| keys.are_of(password));
    }
    // The answer is no in any case; what counts is the time.
    std::hint::black_box(argon2id::Hash::decoy().map(|decoy| decoy.is_of(password)));
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    #[test]
    fn a_password_is_kept_in_both_schemes_and_never_in_clear() {
        let made = make(&secret("pencil")).expect("made");
        let schemes: Vec<_> = made.iter().map(|credential| credential.scheme.as_str()).collect();
        assert_eq!(schemes, [argon2id::SCHEME, scram::SCHEME]);
        assert!(made.iter().all(|credential| !credential.value.contains("pencil")));
        for some in [&made[..], &made[..1], &made[1..]] {
            assert!(check(some, &secret("pencil")));
            assert!(!check(some, &secret("Pencil")));
        }
        let schemes = make(&secret("gr\u{fc}n")).expect("made").len();
        assert_eq!(schemes, 1, "SASLprep is not guessed at");
    }

    #[test]
    fn unknown_schemes_do_not_count_and_do_not_disturb() {
        let mut made = make(&secret("pencil")).expect("made");
        let old = Credential {
            scheme: "SSHA".to_owned(),
            value: "xxxx".to_owned(),
        };
        assert!(!check(std::slice::from_ref(&old), &secret("xxxx")));
        made.insert(0, old);
        assert!(check(&made, &secret("pencil")));
        assert!(!check(&[], &secret("")));
    }
}
