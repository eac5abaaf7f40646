//! The engine over RocksDB: five column families, one write-ahead log, no retries.
//!
//! Invariants
//! - Nothing is written without the write-ahead log; `sync` is one sync of that log.
//! - Background errors are never resumed (`max_bgerror_resume_count=0`): RocksDB's own resume can report success without
//!   having done anything, so the first error stays until the shelf is closed.
//! - Recovery keeps the longest intact prefix of the log. Whether something acknowledged is missing from it is decided
//!   above, by the high-water mark (DESIGN D10).
//! - A database is made by [`create`] alone; opening never makes one.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamily, ColumnFamilyDescriptor, DBCompressionType, DBRecoveryMode,
    DBWithThreadMode, Env, Options, SingleThreaded, WriteBatch, WriteBufferManager,
};

use crate::engine::{Batch, BatchOp, Column, Engine, EngineSnapshot};
use crate::error::{ErrorClass, ShelfError, ShelfLabel};
use crate::limits::{
    BACKGROUND_FLUSHES, BACKGROUND_JOBS, BLOB_FILE_BYTES, BLOB_WRITE_BUFFER_BYTES, MEMTABLE_BYTES_MAX,
    MEMTABLE_FILTER_BYTES, OPEN_FILES_MAX, WAL_BYTES_MAX, WRITE_BUFFER_BYTES,
};
use crate::rocks_snapshot::RocksSnapshot;

pub(crate) type Db = DBWithThreadMode<SingleThreaded>;

/// What the shelves of one process share: background threads and the block cache. Memtables are not shared, so that a
/// hung shelf cannot hold what its sibling needs to flush.
#[derive(Clone)]
pub struct SharedPool {
    env: Env,
    cache: Cache,
}

impl SharedPool {
    /// For `shelves` shelves with one block cache of `cache_bytes`. The threads are sized so that one shelf whose jobs
    /// all hang leaves the others theirs.
    ///
    /// # Errors
    /// When RocksDB has no environment to offer.
    pub fn new(shelves: usize, cache_bytes: usize) -> Result<Self, ShelfError> {
        let label = ShelfLabel::new("all", 0);
        let mut env = Env::new().map_err(|error| ShelfError::rocks(&label, "start background threads", &error))?;
        let shelves = i32::try_from(shelves).unwrap_or(i32::MAX / BACKGROUND_JOBS);
        env.set_high_priority_background_threads(shelves.saturating_mul(BACKGROUND_FLUSHES));
        env.set_low_priority_background_threads(shelves.saturating_mul(BACKGROUND_JOBS - BACKGROUND_FLUSHES));
        Ok(Self {
            env,
            cache: Cache::new_lru_cache(cache_bytes),
        })
    }

    /// Memory, in bytes, that the block cache has.
    #[must_use]
    pub fn cache_used_bytes(&self) -> u64 {
        self.cache.get_usage() as u64
    }
}

/// [`Engine`] over one RocksDB.
pub struct RocksEngine {
    label: ShelfLabel,
    db: Arc<Db>,
    memtables: WriteBufferManager,
}

/// Makes an empty database in a directory that has none.
pub(crate) fn create(label: &ShelfLabel, dir: &Path, pool: &SharedPool) -> Result<(), ShelfError> {
    let mut options = database_options(label, pool, &memtables())?;
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    options.set_error_if_exists(true);
    let db = Db::open_cf_descriptors(&options, dir, columns(pool));
    let db = db.map_err(|error| ShelfError::rocks(label, "create database", &error))?;
    db.flush_wal(true)
        .map_err(|error| ShelfError::rocks(label, "create database", &error))
}

impl RocksEngine {
    /// Opens a database that [`create`] made.
    ///
    /// # Errors
    /// When it is not there, in use, damaged, or cannot be reached.
    pub fn open(label: &ShelfLabel, dir: &Path, pool: &SharedPool) -> Result<Self, ShelfError> {
        let memtables = memtables();
        let options = database_options(label, pool, &memtables)?;
        let db = Db::open_cf_descriptors(&options, dir, columns(pool));
        let db = db.map_err(|error| ShelfError::rocks(label, "open database", &error))?;
        Ok(Self {
            label: label.clone(),
            db: Arc::new(db),
            memtables,
        })
    }

    fn error(&self, operation: &'static str, error: &rocksdb::Error) -> ShelfError {
        ShelfError::rocks(&self.label, operation, error)
    }
}

/// Options that the bindings have no setter for are given as text.
const TEXT_OPTIONS: &str = "max_bgerror_resume_count=0;file_checksum_gen_factory=FileChecksumGenCrc32cFactory";

/// The budget of one database's memtables.
fn memtables() -> WriteBufferManager {
    WriteBufferManager::new_write_buffer_manager(MEMTABLE_BYTES_MAX, false)
}

fn database_options(
    label: &ShelfLabel,
    pool: &SharedPool,
    memtables: &WriteBufferManager,
) -> Result<Options, ShelfError> {
    let options = Options::default().get_options_from_string(TEXT_OPTIONS);
    let mut options = options.map_err(|error| ShelfError::rocks(label, "set options", &error))?;
    options.set_env(&pool.env);
    options.set_paranoid_checks(true);
    options.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
    // A recycled log file holds old records past its end, which recovery could take for new ones.
    options.set_recycle_log_file_num(0);
    options.set_track_and_verify_wals_in_manifest(true);
    options.set_max_total_wal_size(WAL_BYTES_MAX);
    options.set_write_buffer_manager(memtables);
    options.set_max_background_jobs(BACKGROUND_JOBS);
    options.set_max_open_files(OPEN_FILES_MAX);
    options.set_skip_stats_update_on_db_open(true);
    options.set_bytes_per_sync(1 << 20);
    options.set_max_log_file_size(16 << 20);
    options.set_keep_log_file_num(4);
    Ok(options)
}

fn columns(pool: &SharedPool) -> Vec<ColumnFamilyDescriptor> {
    // RocksDB insists on its default family; nothing is stored in it.
    let default = ColumnFamilyDescriptor::new("default", Options::default());
    let ours = Column::ALL
        .iter()
        .map(|column| ColumnFamilyDescriptor::new(column.name(), column_options(*column, pool)));
    std::iter::once(default).chain(ours).collect()
}

fn column_options(column: Column, pool: &SharedPool) -> Options {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(&pool.cache);
    table.set_format_version(6);
    table.set_bloom_filter(10.0, false);
    let mut options = Options::default();
    options.set_block_based_table_factory(&table);
    options.set_write_buffer_size(WRITE_BUFFER_BYTES);
    options.set_compression_type(DBCompressionType::Lz4);
    if column == Column::State {
        // Most rows that a delivery asks for are not there: who has seen this message before?
        options.set_memtable_whole_key_filtering(true);
        options.set_memtable_prefix_bloom_ratio(MEMTABLE_FILTER_BYTES as f64 / WRITE_BUFFER_BYTES as f64);
    }
    if column == Column::Blob {
        options.set_write_buffer_size(BLOB_WRITE_BUFFER_BYTES);
        // Bodies go to blob files, written once and left alone by compaction; the front node has compressed them.
        options.set_enable_blob_files(true);
        options.set_min_blob_size(0);
        options.set_blob_file_size(BLOB_FILE_BYTES);
        options.set_blob_compression_type(DBCompressionType::None);
        options.set_enable_blob_gc(true);
        options.set_blob_gc_age_cutoff(0.25);
        options.set_blob_gc_force_threshold(0.5);
    }
    options
}

/// The family of a column. Every open database has all of them, or opening would have failed.
pub(crate) fn family<'d>(label: &ShelfLabel, db: &'d Db, column: Column) -> Result<&'d ColumnFamily, ShelfError> {
    let missing = || ShelfError::new(label, ErrorClass::Bug, "find column", column.name());
    db.cf_handle(column.name()).ok_or_else(missing)
}

impl Engine for RocksEngine {
    fn write(&self, batch: &Batch) -> Result<(), ShelfError> {
        let mut rows = WriteBatch::with_capacity_bytes(batch.approximate_bytes());
        for op in batch.ops() {
            match op {
                BatchOp::Put { column, key, value } => rows.put_cf(family(&self.label, &self.db, *column)?, key, value),
                BatchOp::Delete { column, key } => rows.delete_cf(family(&self.label, &self.db, *column)?, key),
                BatchOp::DeleteRange { column, from, to } => {
                    rows.delete_range_cf(family(&self.label, &self.db, *column)?, from, to);
                }
            }
        }
        self.db.write(rows).map_err(|error| self.error("write batch", &error))
    }

    fn sync(&self) -> Result<(), ShelfError> {
        self.db.flush_wal(true).map_err(|error| self.error("sync log", &error))
    }

    fn get(&self, column: Column, key: &[u8]) -> Result<Option<Bytes>, ShelfError> {
        let value = self.db.get_pinned_cf(family(&self.label, &self.db, column)?, key);
        let value = value.map_err(|error| self.error("read", &error))?;
        Ok(value.map(|value| Bytes::copy_from_slice(&value)))
    }

    fn multi_get(&self, column: Column, keys: &[Vec<u8>]) -> Result<Vec<Option<Bytes>>, ShelfError> {
        let values = self
            .db
            .batched_multi_get_cf(family(&self.label, &self.db, column)?, keys, false);
        let copy = |value: Result<Option<rocksdb::DBPinnableSlice<'_>>, _>| {
            let value = value.map_err(|error| self.error("read many", &error))?;
            Ok(value.map(|value| Bytes::copy_from_slice(&value)))
        };
        values.into_iter().map(copy).collect()
    }

    fn snapshot(&self) -> Result<Arc<dyn EngineSnapshot>, ShelfError> {
        Ok(Arc::new(RocksSnapshot::take(self.label.clone(), self.db.clone())))
    }

    fn write_buffer_bytes(&self) -> u64 {
        self.memtables.get_usage() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RocksDB writes what it really uses to an OPTIONS file; that, not what we asked for, is what counts.
    #[test]
    fn the_database_uses_the_options_that_safety_rests_on() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let label = ShelfLabel::new("s", 1);
        let pool = SharedPool::new(2, 1 << 20).expect("pool");
        create(&label, dir.path(), &pool).expect("created");
        let engine = RocksEngine::open(&label, dir.path(), &pool).expect("opens");
        let files = std::fs::read_dir(dir.path())
            .expect("lists")
            .map(|file| file.expect("listed").path());
        let newest = files
            .filter(|path| path.to_string_lossy().contains("OPTIONS-"))
            .max()
            .expect("written");
        let text = std::fs::read_to_string(newest).expect("reads");
        let (database, families) = text.split_once("[CFOptions \"default\"]").expect("sections");
        for wanted in [
            "max_bgerror_resume_count=0",
            "file_checksum_gen_factory=FileChecksumGenCrc32cFactory",
            "paranoid_checks=true",
            "wal_recovery_mode=kPointInTimeRecovery",
            "recycle_log_file_num=0",
            "manual_wal_flush=false",
            "track_and_verify_wals_in_manifest=true",
            "max_total_wal_size=268435456",
        ] {
            assert!(
                database.lines().any(|line| line.trim() == wanted),
                "{wanted} not in {database}"
            );
        }
        let blob = families
            .split("[CFOptions \"blob\"]")
            .nth(1)
            .and_then(|rest| rest.split("[CFOptions").next());
        let blob = blob.expect("section of the blob column");
        for wanted in [
            "enable_blob_files=true",
            "min_blob_size=0",
            "blob_compression_type=kNoCompression",
            "write_buffer_size=67108864",
            "enable_blob_garbage_collection=true",
        ] {
            assert!(blob.lines().any(|line| line.trim() == wanted), "{wanted} not in {blob}");
        }
        drop(engine);
    }

    #[test]
    fn what_is_written_shows_in_the_write_buffers() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let label = ShelfLabel::new("s", 1);
        let pool = SharedPool::new(1, 1 << 20).expect("pool");
        create(&label, dir.path(), &pool).expect("created");
        let engine = RocksEngine::open(&label, dir.path(), &pool).expect("opens");
        let before = engine.write_buffer_bytes();
        let mut batch = Batch::new();
        batch.put(Column::Blob, *b"key", vec![0; 4 << 20]);
        engine.write(&batch).expect("written");
        assert!(engine.write_buffer_bytes() >= before + (4 << 20));
    }

    #[test]
    fn opening_never_makes_a_database() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let label = ShelfLabel::new("s", 1);
        let pool = SharedPool::new(1, 1 << 20).expect("pool");
        assert!(RocksEngine::open(&label, &dir.path().join("db"), &pool).is_err());
        assert!(std::fs::read_dir(dir.path().join("db")).map_or(true, |mut files| {
            !files.any(|file| file.is_ok_and(|file| file.file_name() == "CURRENT"))
        }));
    }

    #[test]
    fn a_database_in_use_is_refused() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let label = ShelfLabel::new("s", 1);
        let pool = SharedPool::new(1, 1 << 20).expect("pool");
        create(&label, dir.path(), &pool).expect("created");
        let _first = RocksEngine::open(&label, dir.path(), &pool).expect("opens");
        let error = RocksEngine::open(&label, dir.path(), &pool).err().expect("in use");
        assert_eq!(error.class(), ErrorClass::Refused, "{error}");
    }
}
