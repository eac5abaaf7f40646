//! Every bound of the file system with faults, in one place.

/// Threads that serve one mount. Calls that are held up leave theirs, so that few are enough.
pub const THREADS: usize = 4;
/// Bytes that a disk writes whole or not at all: what a power cut may lose one by one.
pub const BLOCK_BYTES: u64 = 4096;
/// Longest name of a file, in bytes.
pub const NAME_BYTES_MAX: usize = 255;

const _: () = assert!(THREADS > 1, "one that syncs does not hold up the others");
