//! The stored form of a structure: the structure row of a body (DESIGN D19, M2).
//!
//! Layout: format version (1 byte), then minicbor with numbered fields. Field numbers are never reused; what a later
//! version adds is skipped. [`PARSER_VERSION`] tells which rules of reading gave the structure: a row of an older one
//! is as valid as ever, and parsing anew is a command of its own.
//!
//! Invariants: a row is at most `RECORD_BYTES_MAX` long, because a reader keeps no more than that; a decoded row keeps
//! the invariants of [`Structure`], or is damage.

use minicbor::{Decode, Encode};
use thiserror::Error;

use crate::limits::RECORD_BYTES_MAX;
use crate::part::Structure;

const FORMAT_VERSION: u8 = 1;

/// Raised whenever the reader gives another structure for the same bytes.
pub const PARSER_VERSION: u32 = 1;

/// A structure as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct StructureRow {
    /// The [`PARSER_VERSION`] that gave the structure.
    #[n(0)]
    pub parser_version: u32,
    /// What was read.
    #[n(1)]
    pub structure: Structure,
}

/// Why a stored row cannot be read.
#[derive(Debug, Error)]
pub enum RecordError {
    /// Shorter than its version.
    #[error("structure row is empty")]
    Empty,
    /// Written by a program newer than this one.
    #[error("structure row has format version {0}, this program knows {FORMAT_VERSION}")]
    Version(u8),
    /// Longer than any row that was ever written.
    #[error("structure row of {0} bytes is too long")]
    TooLong(usize),
    /// Not what minicbor wrote.
    #[error("structure row is damaged: {0}")]
    Damaged(#[from] minicbor::decode::Error),
    /// Read, but no structure of a message.
    #[error("structure row is damaged: {0}")]
    Illegal(&'static str),
}

impl StructureRow {
    /// A row made by the reader of this program.
    #[must_use]
    pub fn new(structure: Structure) -> Self {
        Self {
            parser_version: PARSER_VERSION,
            structure,
        }
    }

    /// The bytes to store.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![FORMAT_VERSION];
        // Writing to a Vec does not fail, and no field here has an encoder that does.
        let written = minicbor::encode(self, &mut bytes);
        debug_assert!(written.is_ok(), "{written:?}");
        bytes
    }

    /// Reads stored bytes.
    ///
    /// # Errors
    /// [`RecordError::Version`] for the row of a newer program, anything else for damage.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        if bytes.len() > RECORD_BYTES_MAX {
            return Err(RecordError::TooLong(bytes.len()));
        }
        let (version, body) = bytes.split_first().ok_or(RecordError::Empty)?;
        if *version != FORMAT_VERSION {
            return Err(RecordError::Version(*version));
        }
        let row: Self = minicbor::decode(body)?;
        row.structure.check().map_err(RecordError::Illegal)?;
        Ok(row)
    }
}
