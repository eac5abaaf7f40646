//! What can go wrong, as a test says it. The table in docs/testing.md has what a call sees of each.

use std::time::Duration;

use nix::errno::Errno;

use super::call::Call;
use super::file_kind::FileKind;

/// Something that goes wrong until it is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No call gets through.
    LinkCut(LinkError),
    /// The link is up for a while, then cut for a while, and so on.
    Flapping {
        /// How long it is up each time, first of all.
        up: Duration,
        /// How long it is cut each time.
        down: Duration,
        /// What calls get meanwhile.
        error: LinkError,
    },
    /// Calls get no answer.
    Hang {
        /// Which.
        calls: Calls,
        /// How long, from the injection on; `None` is for ever.
        lasting: Option<Duration>,
    },
    /// Each call takes longer.
    Slow {
        /// Which.
        calls: Calls,
        /// By how much.
        by: Duration,
    },
    /// Directories are listed otherwise than they are.
    Listings(Listing),
    /// Files that exist are not found by name.
    Missing {
        /// One name of so many is hidden, the same ones every time.
        one_in: u32,
    },
    /// A bit of what a read returns is wrong; the file is intact.
    FlippedReads {
        /// In which files.
        files: Files,
        /// In one read of so many.
        one_in: u32,
    },
    /// A bit of what is written is wrong on its way to the file.
    FlippedWrites {
        /// In which files.
        files: Files,
        /// In one write of so many.
        one_in: u32,
    },
    /// A read returns half of what was asked for.
    ShortReads {
        /// One read of so many.
        one_in: u32,
    },
    /// No room is left.
    Full,
    /// Mounted read-only, as some file systems do of themselves after an error.
    ReadOnly,
    /// Nothing can be reached by name; open files stay.
    NoPermission,
    /// Syncs are said to be done, and nothing is durable.
    LyingSyncs,
}

/// One injection of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultId(pub(super) u64);

/// What calls get whose link is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkError {
    /// ENOTCONN, as from a file server that is gone.
    NotConnected,
    /// EIO, as from a device that is gone.
    Io,
    /// ESTALE, as from a file server that has forgotten us.
    Stale,
}

impl LinkError {
    pub(super) fn errno(self) -> Errno {
        match self {
            Self::NotConnected => Errno::ENOTCONN,
            Self::Io => Errno::EIO,
            Self::Stale => Errno::ESTALE,
        }
    }
}

/// Which calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Calls {
    /// All of them.
    All,
    /// Syncs of files and directories.
    Syncs,
}

impl Calls {
    pub(super) fn include(self, call: Call) -> bool {
        match self {
            Self::All => true,
            Self::Syncs => call == Call::Sync,
        }
    }
}

/// Which files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Files {
    /// All of them.
    All,
    /// Those of one kind.
    Of(FileKind),
}

impl Files {
    pub(super) fn include(self, kind: FileKind) -> bool {
        match self {
            Self::All => true,
            Self::Of(wanted) => kind == wanted,
        }
    }
}

/// How directories are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listing {
    /// With nothing in them.
    Empty,
    /// With wrong letters in their names.
    Garbled,
}
