//! The file that says that a shelf was stopped in order, and with which batch.
//!
//! Invariants
//! - It is written after everything else is durable, and removed, durably, before an opened shelf takes work.

use std::path::Path;

use crate::crashsafe;
use crate::error::{ShelfError, ShelfLabel};
use crate::record;

const FILE: &str = "clean-stop";

/// The last batch at an orderly stop, if the file is there and whole. A damaged one proves nothing.
pub(crate) fn read(label: &ShelfLabel, dir: &Path) -> Result<Option<u64>, ShelfError> {
    const READ: &str = "read clean stop";
    let bytes = crashsafe::read_file(dir, FILE);
    let bytes = bytes.map_err(|error| ShelfError::io(label, READ, dir.display(), &error))?;
    let body = bytes.and_then(|bytes| record::unseal(label, READ, FILE.as_bytes(), &bytes.into()).ok());
    Ok(body.and_then(|body| Some(u64::from_be_bytes(body.as_ref().try_into().ok()?))))
}

pub(crate) fn write(label: &ShelfLabel, dir: &Path, sequence: u64) -> Result<(), ShelfError> {
    let value = record::seal(FILE.as_bytes(), &sequence.to_be_bytes());
    crashsafe::write_file(dir, FILE, &value)
        .map_err(|error| ShelfError::io(label, "write clean stop", dir.display(), &error))
}

pub(crate) fn remove(label: &ShelfLabel, dir: &Path) -> Result<(), ShelfError> {
    crashsafe::remove_file(dir, FILE).map_err(|error| ShelfError::io(label, "remove clean stop", dir.display(), &error))
}
