//! What a file of a shelf is for, by its name.

use std::ffi::OsStr;
use std::path::Path;

/// What a file of a shelf is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileKind {
    /// A write-ahead log.
    Wal,
    /// A sorted table.
    Sst,
    /// Bodies.
    Blob,
    /// Which files the database has.
    Manifest,
    /// Which manifest counts.
    Current,
    /// Which shelf it is, or which database.
    Identity,
    /// Anything else, directories too.
    Other,
}

impl FileKind {
    /// What a file is, by its name.
    pub(super) fn of(path: &Path) -> Self {
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        match path.extension().and_then(OsStr::to_str) {
            Some("log") => return Self::Wal,
            Some("sst") => return Self::Sst,
            Some("blob") => return Self::Blob,
            _ => {}
        }
        match name {
            "CURRENT" => Self::Current,
            "IDENTITY" | "holdfast-shelf" => Self::Identity,
            name if name.starts_with("MANIFEST-") => Self::Manifest,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_a_shelf_are_told_by_their_names() {
        for (path, kind) in [
            ("db/000004.log", FileKind::Wal),
            ("db/000012.sst", FileKind::Sst),
            ("db/000013.blob", FileKind::Blob),
            ("db/MANIFEST-000005", FileKind::Manifest),
            ("db/CURRENT", FileKind::Current),
            ("db/IDENTITY", FileKind::Identity),
            ("holdfast-shelf", FileKind::Identity),
            ("db/LOG", FileKind::Other),
            ("db/CURRENT.dbtmp", FileKind::Other),
            ("", FileKind::Other),
        ] {
            assert_eq!(FileKind::of(Path::new(path)), kind, "{path}");
        }
    }
}
