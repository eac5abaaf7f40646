//! How rows, commands, queries and replies become bytes: one version byte, then minicbor with numbered fields (D21).
//!
//! Invariants
//! - What this program does not know is an error, never a guess. A newer program may add fields, an older one skips them.
//! - Equal values give equal bytes, so replicas that apply the same log hold the same rows.

use minicbor::{Decode, Decoder, Encode};

/// The version that this program writes; it reads this one and none before it.
pub(crate) const VERSION: u8 = 1;

/// Why bytes are not what they should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} cannot be read: {cause}")]
pub struct CodecError {
    /// What was to be read.
    pub what: &'static str,
    /// Where it went wrong.
    pub cause: String,
}

impl CodecError {
    pub(crate) fn new(what: &'static str, cause: impl std::fmt::Display) -> Self {
        let cause = cause.to_string();
        Self { what, cause }
    }
}

/// Writes the version byte and `value`.
pub(crate) fn seal<T: Encode<()>>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(64);
    bytes.push(VERSION);
    minicbor::encode(value, &mut bytes).expect("a vector takes every byte, and no encoder of ours fails by itself");
    bytes
}

/// Reads what [`seal`] wrote.
pub(crate) fn open<T: for<'b> Decode<'b, ()>>(what: &'static str, bytes: &[u8]) -> Result<T, CodecError> {
    match bytes.split_first() {
        Some((&VERSION, body)) => Decoder::new(body)
            .decode()
            .map_err(|error| CodecError::new(what, error)),
        Some((version, _)) => Err(CodecError::new(what, format_args!("version {version} is unknown"))),
        None => Err(CodecError::new(what, "nothing is there")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_version_is_an_error() {
        assert_eq!(open::<u32>("a number", &seal(&7_u32)), Ok(7));
        assert!(
            open::<u32>("a number", &[2, 7])
                .unwrap_err()
                .cause
                .contains("version 2")
        );
        assert!(open::<u32>("a number", &[]).is_err());
        assert!(open::<u32>("a number", &[VERSION]).is_err());
    }
}
