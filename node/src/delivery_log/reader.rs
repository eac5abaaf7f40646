//! Searching the log from its end.
//!
//! Invariant: memory is bounded by one line, one block and the records that are returned; time by
//! [`SEARCH_TIME_MAX`].

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::time::Instant;

use super::limits::{LINE_BYTES_MAX, READ_BYTES, RECORDS_FOUND_MAX, SEARCH_TIME_MAX};
use super::record::DeliveryRecord;
use super::writer::days_in;

/// What is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    text: String,
    limit: usize,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Newest first.
    pub records: Vec<DeliveryRecord>,
    /// Whether the whole log was read; not when the limit or the time ran out before, or a file could not be read.
    pub is_whole: bool,
}

impl Query {
    /// The records of which the id or the Message-ID is `text`, or of which sender or recipient contains it, in any
    /// spelling of case; angle brackets around it do not count. At most `limit` of them, and never more than
    /// [`RECORDS_FOUND_MAX`].
    #[must_use]
    pub fn new(text: &str, limit: usize) -> Self {
        let text = text.trim();
        let inside = text.strip_prefix('<').and_then(|text| text.strip_suffix('>'));
        Self {
            text: inside.unwrap_or(text).to_owned(),
            limit: limit.min(RECORDS_FOUND_MAX),
        }
    }

    fn fits(&self, record: &DeliveryRecord) -> bool {
        record.id.eq_ignore_ascii_case(&self.text)
            || record.message_id.as_ref() == Some(&self.text)
            || contains(&record.recipient, &self.text)
            || contains(&record.sender, &self.text)
    }
}

/// Whether `text` contains `part`, ASCII in any spelling of case.
fn contains(text: &str, part: &str) -> bool {
    let (text, part) = (text.as_bytes(), part.as_bytes());
    part.is_empty() || text.windows(part.len()).any(|window| window.eq_ignore_ascii_case(part))
}

/// Reads the days below `dir` from the newest line on.
pub(super) fn search(dir: &Path, query: &Query) -> io::Result<Found> {
    let deadline = Instant::now() + SEARCH_TIME_MAX;
    let mut found = Found {
        records: Vec::new(),
        is_whole: true,
    };
    for (_, path) in days_in(dir)?.into_iter().rev() {
        let is_more_wanted =
            match File::open(&path).and_then(|file| search_day(file, query, deadline, &mut found.records)) {
                Ok(is_more_wanted) => is_more_wanted,
                Err(error) => {
                    tracing::warn!(path = %path.display(), %error, "a delivery log cannot be read");
                    found.is_whole = false;
                    true
                }
            };
        if !is_more_wanted {
            found.is_whole = false;
            break;
        }
    }
    Ok(found)
}

/// Adds what fits of one day. Returns whether that may go on with the day before.
fn search_day(file: File, query: &Query, deadline: Instant, found: &mut Vec<DeliveryRecord>) -> io::Result<bool> {
    let mut lines = LinesFromEnd::new(file)?;
    while let Some(line) = lines.next()? {
        if found.len() >= query.limit || Instant::now() >= deadline {
            return Ok(false);
        }
        // What is no record was cut off by a crash.
        let record = serde_json::from_slice(&line).ok();
        found.extend(record.filter(|record| query.fits(record)));
    }
    Ok(true)
}

/// The lines of a file, the last one first. What is appended meanwhile is not seen.
struct LinesFromEnd {
    file: File,
    /// Where `block` begins.
    position: u64,
    /// What is read and not returned yet.
    block: Vec<u8>,
    /// The line at the end of `block` is too long, and its end is dropped.
    is_skipping: bool,
}

impl LinesFromEnd {
    fn new(mut file: File) -> io::Result<Self> {
        let position = file.seek(SeekFrom::End(0))?;
        Ok(Self {
            file,
            position,
            block: Vec::new(),
            is_skipping: false,
        })
    }

    /// The line before the last one returned, without its line feed; `None` at the beginning.
    fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            let feed = self.block.iter().rposition(|byte| *byte == b'\n');
            let line = match feed {
                Some(at) => {
                    let line = self.block.split_off(at + 1);
                    self.block.truncate(at);
                    line
                }
                None if self.position == 0 && self.block.is_empty() => return Ok(None),
                None if self.position == 0 => std::mem::take(&mut self.block),
                None => {
                    if self.block.len() > LINE_BYTES_MAX {
                        self.is_skipping = true;
                        self.block.clear();
                    }
                    self.read_before()?;
                    continue;
                }
            };
            if !std::mem::take(&mut self.is_skipping) && !line.is_empty() {
                return Ok(Some(line));
            }
        }
    }

    /// Puts the bytes before `block` in front of it.
    fn read_before(&mut self) -> io::Result<()> {
        let start = self.position.saturating_sub(READ_BYTES as u64);
        let mut block = Vec::with_capacity(READ_BYTES + self.block.len());
        self.file.seek(SeekFrom::Start(start))?;
        (&mut self.file).take(self.position - start).read_to_end(&mut block)?;
        if (block.len() as u64) < self.position - start {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        block.append(&mut self.block);
        self.block = block;
        self.position = start;
        Ok(())
    }
}

/// All lines of a file, the last one first.
#[cfg(test)]
pub(super) fn lines_from_end(path: &Path) -> io::Result<Vec<String>> {
    let mut lines = LinesFromEnd::new(File::open(path)?)?;
    let mut all = Vec::new();
    while let Some(line) = lines.next()? {
        all.push(String::from_utf8(line).map_err(io::Error::other)?);
    }
    Ok(all)
}
