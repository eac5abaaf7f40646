//! Which shelf a directory is. Read before anything else is touched, written once.
//!
//! Invariants
//! - Opening never writes an identity: an empty mount point, where a disk failed to mount, stays empty and is refused.
//! - The identity gets its name last, so a directory that has one has everything an empty shelf needs.

use std::fs;
use std::path::Path;

use bytes::Bytes;
use mail_model::{ClusterId, NodeId, ShelfId};
use minicbor::{Decode, Encode};

use crate::crashsafe;
use crate::error::{ErrorClass, ShelfError, ShelfLabel};
use crate::record;

const FILE: &str = "holdfast-shelf";
const UNFINISHED: &str = "holdfast-shelf.new";
/// Directory of the database below that of the shelf.
pub(crate) const DATABASE: &str = "db";

/// The layout of everything else on the shelf, raised when an older program must not touch it.
const FORMAT: u32 = 1;

/// Who a shelf belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShelfIdentity {
    /// The cluster.
    pub cluster: ClusterId,
    /// The node of that cluster.
    pub node: NodeId,
    /// The shelf itself.
    pub shelf: ShelfId,
}

#[derive(Encode, Decode)]
struct IdentityRecord {
    #[n(0)]
    format: u32,
    #[cbor(n(1), with = "minicbor::bytes")]
    cluster: [u8; 16],
    #[cbor(n(2), with = "minicbor::bytes")]
    node: [u8; 16],
    #[cbor(n(3), with = "minicbor::bytes")]
    shelf: [u8; 16],
}

/// Whether `dir` looks like a shelf: a bare mount point does not.
pub(crate) fn is_there(dir: &Path) -> bool {
    dir.join(FILE).is_file()
}

/// Reads the identity of the shelf in `dir`.
///
/// # Errors
/// Refused when there is none or it is of a newer format; medium when it is damaged; else what the system reports.
pub fn read(label: &ShelfLabel, dir: &Path) -> Result<ShelfIdentity, ShelfError> {
    const READ: &str = "read identity";
    let refused = |detail: String| ShelfError::new(label, ErrorClass::Refused, READ, detail);
    let bytes = crashsafe::read_file(dir, FILE);
    let bytes = bytes.map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => refused(format!("{} is not there: is its disk mounted?", dir.display())),
        _ => ShelfError::io(label, READ, dir.display(), &error),
    })?;
    let Some(bytes) = bytes else {
        let shown = dir.display();
        return Err(refused(
            match fs::read_dir(dir).map(|mut names| names.next().is_none()) {
                Ok(true) => {
                    format!("{shown} is empty: is its disk mounted? a new shelf is made by an explicit init only")
                }
                _ => format!("{shown} has no file {FILE}, so it is not a shelf"),
            },
        ));
    };
    let record: IdentityRecord = record::unseal_record(label, READ, FILE.as_bytes(), &Bytes::from(bytes))?;
    if record.format > FORMAT {
        return Err(refused(format!(
            "the shelf has format {}, this program knows {FORMAT}",
            record.format
        )));
    }
    Ok(ShelfIdentity {
        cluster: ClusterId(record.cluster),
        node: NodeId(record.node),
        shelf: ShelfId(record.shelf),
    })
}

/// Checks that the shelf in `dir` belongs to this node.
pub(crate) fn check(
    label: &ShelfLabel,
    dir: &Path,
    cluster: ClusterId,
    node: NodeId,
) -> Result<ShelfIdentity, ShelfError> {
    let found = read(label, dir)?;
    let refused = |what| {
        let detail = format_args!("{} belongs to another {what}", dir.display());
        Err(ShelfError::new(label, ErrorClass::Refused, "check identity", detail))
    };
    if found.cluster != cluster {
        return refused("cluster");
    }
    if found.node != node {
        return refused("node");
    }
    Ok(found)
}

/// Notes that an `init` has begun. The directory must be empty but for what an unfinished `init` left, and for
/// `lost+found`, which every ext4 mount point has.
pub(crate) fn begin(label: &ShelfLabel, dir: &Path) -> Result<(), ShelfError> {
    const INIT: &str = "init shelf";
    let io = |error: std::io::Error| ShelfError::io(label, INIT, dir.display(), &error);
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).map_err(io)? {
        names.push(entry.map_err(io)?.file_name());
    }
    let unfinished = names.iter().any(|name| name == UNFINISHED);
    let ours = |name: &std::ffi::OsString| name == UNFINISHED || (unfinished && name == DATABASE);
    if let Some(other) = names.iter().find(|name| *name != "lost+found" && !ours(name)) {
        let detail = format_args!("{} is not empty: it has {}", dir.display(), other.display());
        return Err(ShelfError::new(label, ErrorClass::Refused, INIT, detail));
    }
    crashsafe::write_file(dir, UNFINISHED, b"").map_err(io)?;
    match fs::remove_dir_all(dir.join(DATABASE)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(io(error)),
        _ => Ok(()),
    }
}

/// Writes the identity: from now on this is a shelf.
pub(crate) fn finish(label: &ShelfLabel, dir: &Path, identity: &ShelfIdentity) -> Result<(), ShelfError> {
    let record = IdentityRecord {
        format: FORMAT,
        cluster: identity.cluster.0,
        node: identity.node.0,
        shelf: identity.shelf.0,
    };
    let bytes = record::seal_record(FILE.as_bytes(), &record);
    crashsafe::write_file(dir, UNFINISHED, &bytes)
        .and_then(|()| crashsafe::rename(dir, &dir.join(UNFINISHED), &dir.join(FILE)))
        .map_err(|error| ShelfError::io(label, "init shelf", dir.display(), &error))
}
