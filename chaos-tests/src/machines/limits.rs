//! Every bound of tests on machines of namespaces, in one place.

use std::time::Duration;

/// How long the machines may take to be there.
pub const WORLD_WITHIN: Duration = Duration::from_secs(60);
/// How long one block of commands may take, on a machine that is busy with other tests.
pub const BLOCK_WITHIN: Duration = Duration::from_secs(300);
/// Bytes of a disk. Its file has holes, and takes what is written.
pub const DISK_BYTES: u64 = 2 << 30;
/// Lines of a unit's journal that are shown when a test fails.
pub const JOURNAL_LINES: usize = 30;

const _: () = assert!(WORLD_WITHIN.as_secs() < BLOCK_WITHIN.as_secs());
