//! The thread that writes the log, and takes old days away.
//!
//! Invariants
//! - A line is written whole with its line feed; after a crash in the middle of one the next begins on a line of its own.
//! - Only files that are named as days of the log are ever removed.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender};
use std::thread;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use super::limits::{GATHER, RECORDS_PER_WRITE};
use super::record::DeliveryRecord;

/// Behind the day in the name of a file.
const SUFFIX: &str = ".jsonl";

/// What the writer is asked.
pub(super) enum Order {
    /// To write a record.
    Write(Box<DeliveryRecord>),
    /// To say when everything before is written.
    Flush(SyncSender<()>),
}

/// Owner of the files.
pub(super) struct Writer {
    dir: PathBuf,
    days: u32,
    /// The file of the day that was last written.
    open: Option<(Date, File)>,
    is_failing: bool,
}

impl Writer {
    pub(super) fn open(dir: &Path, days: u32) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        let writer = Self {
            dir: dir.to_owned(),
            days,
            open: None,
            is_failing: false,
        };
        writer.expire(Timestamp::now().to_zoned_datetime(TimeZone::UTC).date());
        Ok(writer)
    }

    /// Works until the last handle is gone and everything is written.
    pub(super) fn run(mut self, orders: &Receiver<Order>) {
        let mut records = Vec::new();
        let mut flushes = Vec::new();
        while let Ok(first) = orders.recv() {
            for order in std::iter::once(first).chain(orders.try_iter()).take(RECORDS_PER_WRITE) {
                match order {
                    Order::Write(record) => records.push(*record),
                    Order::Flush(done) => flushes.push(done),
                }
            }
            self.write(&records);
            let wrote_all = records.len() + flushes.len() < RECORDS_PER_WRITE;
            let is_asked = !flushes.is_empty();
            records.clear();
            for done in flushes.drain(..) {
                // Who asked may have stopped waiting.
                let _ = done.send(());
            }
            if wrote_all && !is_asked {
                thread::sleep(GATHER);
            }
        }
    }

    /// Writes records, those of one day at a time.
    fn write(&mut self, records: &[DeliveryRecord]) {
        for same_day in records.chunk_by(|one, next| day_of(one) == day_of(next)) {
            match self.write_day(day_of(&same_day[0]), same_day) {
                Ok(()) => self.is_failing = false,
                Err(error) => {
                    self.open = None;
                    count_lost(same_day.len() as u64);
                    // Said once, until it works again: a full disk would fill the trace as well.
                    if !std::mem::replace(&mut self.is_failing, true) {
                        tracing::warn!(dir = %self.dir.display(), %error, "the delivery log cannot be written");
                    }
                }
            }
        }
    }

    fn write_day(&mut self, day: Date, records: &[DeliveryRecord]) -> io::Result<()> {
        let mut lines = Vec::new();
        for record in records {
            serde_json::to_writer(&mut lines, record)?;
            lines.push(b'\n');
        }
        self.file_of(day)?.write_all(&lines)
    }

    fn file_of(&mut self, day: Date) -> io::Result<&mut File> {
        let open = match self.open.take() {
            Some(open) if open.0 == day => open,
            _ => {
                let file = open_day(&self.dir.join(format!("{day}{SUFFIX}")))?;
                self.expire(day);
                (day, file)
            }
        };
        Ok(&mut self.open.insert(open).1)
    }

    /// Removes the days before the last `days` of them, `today` counted.
    fn expire(&self, today: Date) {
        let kept = Span::new().try_days(i64::from(self.days.max(1)) - 1);
        let Ok(first) = kept.and_then(|kept| today.checked_sub(kept)) else {
            return;
        };
        let days = days_in(&self.dir).unwrap_or_default();
        for (_, path) in days.into_iter().filter(|(day, _)| *day < first) {
            if let Err(error) = fs::remove_file(&path) {
                tracing::warn!(path = %path.display(), %error, "an old delivery log cannot be removed");
            }
        }
    }
}

/// The file of one day, ready to be appended to at the start of a line.
fn open_day(path: &Path) -> io::Result<File> {
    let mut file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)?;
    if file.seek(SeekFrom::End(0))? > 0 {
        let mut last = [0];
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            file.write_all(b"\n")?;
        }
    }
    Ok(file)
}

/// The days that have a file, oldest first.
pub(super) fn days_in(dir: &Path) -> io::Result<Vec<(Date, PathBuf)>> {
    let mut days = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let day = name.and_then(|name| name.strip_suffix(SUFFIX)).and_then(read_day);
        days.extend(day.map(|day| (day, path)));
    }
    days.sort_unstable();
    Ok(days)
}

/// A day exactly as it is written in names of files.
fn read_day(text: &str) -> Option<Date> {
    let day: Date = text.parse().ok()?;
    (day.to_string() == text).then_some(day)
}

fn day_of(record: &DeliveryRecord) -> Date {
    let time = i64::try_from(record.time_ms)
        .ok()
        .and_then(|ms| Timestamp::from_millisecond(ms).ok());
    time.unwrap_or(Timestamp::MAX).to_zoned_datetime(TimeZone::UTC).date()
}

/// Counts records that are in no file.
pub(super) fn count_lost(records: u64) {
    metrics::counter!("holdfast_delivery_log_lost_total").increment(records);
}
