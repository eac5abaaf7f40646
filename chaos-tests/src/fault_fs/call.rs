//! The calls that a process makes of a file system, as far as faults tell them apart.

use std::path::PathBuf;

use super::file_kind::FileKind;

/// A kind of call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Call {
    /// A name is looked up in its directory, as before anything that goes by name.
    Lookup,
    /// What kind of file it is, how long, whose.
    Attributes,
    /// A file is opened for reading.
    Open,
    /// A file is opened for writing.
    OpenForWriting,
    /// A directory is listed.
    List,
    /// Bytes of an open file.
    Read,
    /// Bytes to an open file.
    Write,
    /// Room is reserved for an open file.
    Allocate,
    /// Length, mode or times are set.
    SetAttributes,
    /// A new file, directory or link.
    Create,
    /// A file or directory loses its name.
    Remove,
    /// A file or directory gets another name.
    Rename,
    /// A file or directory is made durable.
    Sync,
    /// How much room there is.
    Space,
}

impl Call {
    /// Whether it goes by a name, and not to a file that is open.
    pub(super) fn is_by_name(self) -> bool {
        matches!(
            self,
            Self::Lookup | Self::Open | Self::OpenForWriting | Self::List | Self::Create | Self::Remove | Self::Rename
        )
    }

    /// Whether it changes something.
    pub(super) fn changes(self) -> bool {
        matches!(
            self,
            Self::OpenForWriting
                | Self::Write
                | Self::Allocate
                | Self::SetAttributes
                | Self::Create
                | Self::Remove
                | Self::Rename
        )
    }

    /// Whether it takes room.
    pub(super) fn grows(self) -> bool {
        matches!(self, Self::Write | Self::Allocate | Self::Create)
    }
}

/// A call and what it is about.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    pub(super) call: Call,
    pub(super) kind: FileKind,
    /// Below the mount point.
    pub(super) path: PathBuf,
}

impl Subject {
    pub(super) fn new(call: Call, path: PathBuf) -> Self {
        let kind = FileKind::of(&path);
        Self { call, kind, path }
    }
}
