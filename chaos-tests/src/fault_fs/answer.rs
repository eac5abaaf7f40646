//! The one way in which each kind of call is answered.

use std::ffi::OsString;
use std::time::Duration;

use fuser::{
    Errno, FileAttr, FileHandle, FileType, FopenFlags, Generation, INodeNo, ReplyAttr, ReplyCreate, ReplyData,
    ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyStatfs, ReplyWrite,
};
use nix::sys::statvfs::Statvfs;

/// Nothing that is told stays true.
const FOR_NO_TIME: Duration = Duration::ZERO;
/// Past the page cache, and without a call at the end that a killed process would wait for.
const OPENED: FopenFlags = FopenFlags::FOPEN_DIRECT_IO.union(FopenFlags::FOPEN_NOFLUSH);

/// Where an answer goes.
pub(super) trait Answer: Send + 'static {
    type Value;

    fn give(self, outcome: Result<Self::Value, Errno>);

    /// Bytes of a file that the answer is about.
    fn bytes(_value: &Self::Value) -> u64 {
        0
    }
}

impl Answer for ReplyEntry {
    type Value = FileAttr;

    fn give(self, outcome: Result<FileAttr, Errno>) {
        match outcome {
            Ok(attributes) => self.entry(&FOR_NO_TIME, &attributes, Generation(0)),
            Err(errno) => self.error(errno),
        }
    }
}

impl Answer for ReplyAttr {
    type Value = FileAttr;

    fn give(self, outcome: Result<FileAttr, Errno>) {
        match outcome {
            Ok(attributes) => self.attr(&FOR_NO_TIME, &attributes),
            Err(errno) => self.error(errno),
        }
    }
}

impl Answer for ReplyEmpty {
    type Value = ();

    fn give(self, outcome: Result<(), Errno>) {
        match outcome {
            Ok(()) => self.ok(),
            Err(errno) => self.error(errno),
        }
    }
}

impl Answer for ReplyOpen {
    type Value = u64;

    fn give(self, outcome: Result<u64, Errno>) {
        match outcome {
            Ok(handle) => self.opened(FileHandle(handle), OPENED),
            Err(errno) => self.error(errno),
        }
    }
}

impl Answer for ReplyCreate {
    type Value = (FileAttr, u64);

    fn give(self, outcome: Result<(FileAttr, u64), Errno>) {
        match outcome {
            Ok((attributes, handle)) => {
                self.created(&FOR_NO_TIME, &attributes, Generation(0), FileHandle(handle), OPENED);
            }
            Err(errno) => self.error(errno),
        }
    }
}

impl Answer for ReplyData {
    type Value = Vec<u8>;

    fn give(self, outcome: Result<Vec<u8>, Errno>) {
        match outcome {
            Ok(bytes) => self.data(&bytes),
            Err(errno) => self.error(errno),
        }
    }

    fn bytes(value: &Vec<u8>) -> u64 {
        value.len() as u64
    }
}

impl Answer for ReplyWrite {
    type Value = u32;

    fn give(self, outcome: Result<u32, Errno>) {
        match outcome {
            Ok(len) => self.written(len),
            Err(errno) => self.error(errno),
        }
    }

    fn bytes(value: &u32) -> u64 {
        u64::from(*value)
    }
}

/// A row of a directory, and where to go on after it.
pub(super) type Row = (u64, u64, FileType, OsString);

impl Answer for ReplyDirectory {
    type Value = Vec<Row>;

    fn give(mut self, outcome: Result<Vec<Row>, Errno>) {
        match outcome {
            Ok(rows) => {
                for (number, next, file_type, name) in rows {
                    if self.add(INodeNo(number), next, file_type, name) {
                        break;
                    }
                }
                self.ok();
            }
            Err(errno) => self.error(errno),
        }
    }
}

impl Answer for ReplyStatfs {
    type Value = (Statvfs, bool);

    fn give(self, outcome: Result<(Statvfs, bool), Errno>) {
        match outcome {
            Ok((space, is_full)) => {
                let free = |blocks: u64| if is_full { 0 } else { blocks };
                let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
                self.statfs(
                    space.blocks(),
                    free(space.blocks_free()),
                    free(space.blocks_available()),
                    space.files(),
                    space.files_free(),
                    small(space.block_size()),
                    small(space.name_max()),
                    small(space.fragment_size()),
                );
            }
            Err(errno) => self.error(errno),
        }
    }
}
