//! Every bound of a shelf, in one place, with the relations between them proved.

use std::time::Duration;

/// Most bytes that the committer puts into one write batch. Bounds how long a vote waits behind bulk: one batch.
/// A single append that is larger goes alone.
pub const COMMIT_BYTES_MAX: usize = 4 << 20;

/// Most bytes of written entries that the tail of one replica keeps for readers. Entries that wait for the committer
/// are kept beyond it, since nothing else holds them.
pub const TAIL_BYTES_MAX: usize = 2 << 20;

/// Memory that the rows of one replica's applied state take that were asked for lately: some two thousand of them.
pub const STATE_CACHE_BYTES: usize = 512 << 10;

/// Most bytes queued for the committer of one shelf. Leaders bound what is in flight per group, so only a disk that no
/// longer writes gets here: the shelf then fails itself as stalled, so that it cannot take the node's memory.
pub const QUEUE_BYTES_MAX: usize = 512 << 20;

/// Threads per shelf for reads and for applying. A hung disk can hold all of them and still hurts no other shelf.
pub const IO_THREADS: usize = 8;

/// Jobs that may wait for an I/O thread of one shelf. When full, a job is refused as stalled.
pub const IO_QUEUE_LEN_MAX: usize = 16_384;

/// Most bytes of an entry's head. Larger ones are refused before they are queued.
pub const HEAD_BYTES_MAX: usize = 2 << 20;

/// Most bytes of an entry's blob.
pub const BLOB_BYTES_MAX: usize = 1 << 20;

/// Bytes of plain text in one body piece; every piece but the last is full. A power of two of BLAKE3 chunks, so that
/// pieces are whole subtrees.
pub const PIECE_BYTES: usize = 256 << 10;

/// What a piece record may be larger than its plain text: header, and data that does not compress is kept raw.
pub const PIECE_OVERHEAD_MAX: usize = 256;

/// Rows or bytes that one page of a scan over a snapshot carries, whichever is reached first.
pub const SCAN_PAGE_ROWS: usize = 4_096;
/// See [`SCAN_PAGE_ROWS`].
pub const SCAN_PAGE_BYTES: usize = 256 << 10;

/// Freed blobs that one purge deletes, so that its batch stays small; the rest goes with the next purge.
pub const PURGE_BLOBS_MAX: usize = 20_000;

/// How often the acknowledged high-water mark is written to each of its places.
pub const HIGH_WATER_INTERVAL: Duration = Duration::from_secs(1);

/// How long an opening waits for marks that other disks keep; one that does not answer counts as gone.
pub const MARK_READ_WAIT: Duration = Duration::from_secs(2);

/// How often a closing shelf looks whether the last view of it is gone.
pub const RELEASE_POLL: Duration = Duration::from_millis(2);

/// Write buffer of the blob column: bodies are written twice (log, blob file), not more often.
pub const BLOB_WRITE_BUFFER_BYTES: usize = 64 << 20;
/// Write buffer of each other column.
pub const WRITE_BUFFER_BYTES: usize = 16 << 20;
/// The filter that says which keys a write buffer of applied state has: more than 10 bits for each of some 100,000 rows.
pub const MEMTABLE_FILTER_BYTES: usize = 160 << 10;
/// Memory that all memtables of one shelf may take; a shelf that cannot flush stops there and not in its sibling.
pub const MEMTABLE_BYTES_MAX: usize = 256 << 20;
/// Live write-ahead log of one shelf: bounds the time that reopening takes.
pub const WAL_BYTES_MAX: u64 = 256 << 20;

/// Size at which RocksDB starts a new blob file: what garbage collection rewrites at a time.
pub const BLOB_FILE_BYTES: u64 = 256 << 20;
/// Files that RocksDB keeps open per shelf.
pub const OPEN_FILES_MAX: i32 = 1_024;
/// Flushes and compactions that one shelf may run at once. RocksDB gives a quarter of them to flushes.
pub const BACKGROUND_JOBS: i32 = 4;
/// See [`BACKGROUND_JOBS`].
pub const BACKGROUND_FLUSHES: i32 = 1;

const _: () = assert!(BACKGROUND_FLUSHES * 4 == BACKGROUND_JOBS);
const _: () = assert!(PIECE_BYTES.is_power_of_two() && PIECE_BYTES >= 1024);
const _: () = assert!(PIECE_BYTES + PIECE_OVERHEAD_MAX <= BLOB_BYTES_MAX);
const _: () = assert!(HEAD_BYTES_MAX + BLOB_BYTES_MAX <= COMMIT_BYTES_MAX);
const _: () = assert!(COMMIT_BYTES_MAX < QUEUE_BYTES_MAX);
const _: () = assert!(2 * BLOB_WRITE_BUFFER_BYTES + 4 * 2 * WRITE_BUFFER_BYTES <= MEMTABLE_BYTES_MAX);

mail_model::limits_table!("shelf":
    COMMIT_BYTES_MAX, TAIL_BYTES_MAX, STATE_CACHE_BYTES, QUEUE_BYTES_MAX, IO_THREADS, IO_QUEUE_LEN_MAX, HEAD_BYTES_MAX,
    BLOB_BYTES_MAX, PIECE_BYTES, PIECE_OVERHEAD_MAX, SCAN_PAGE_ROWS, SCAN_PAGE_BYTES, PURGE_BLOBS_MAX,
    HIGH_WATER_INTERVAL, MARK_READ_WAIT, RELEASE_POLL, BLOB_WRITE_BUFFER_BYTES, WRITE_BUFFER_BYTES,
    MEMTABLE_FILTER_BYTES, MEMTABLE_BYTES_MAX, WAL_BYTES_MAX, BLOB_FILE_BYTES, OPEN_FILES_MAX, BACKGROUND_JOBS,
    BACKGROUND_FLUSHES,
);
