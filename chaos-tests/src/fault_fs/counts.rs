//! How many calls a mount has had, and how many bytes went through it.

use std::collections::BTreeMap;

use super::call::{Call, Subject};
use super::file_kind::FileKind;

/// Calls of one kind on files of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Calls that were answered.
    pub calls: u64,
    /// Those of them that failed.
    pub failed: u64,
    /// Bytes read or written.
    pub bytes: u64,
}

/// All calls since the mount was made.
#[derive(Clone, Debug, Default)]
pub struct Counts(BTreeMap<(Call, FileKind), Count>);

impl Counts {
    pub(super) fn note(&mut self, subject: &Subject, outcome: Result<u64, ()>) {
        let count = self.0.entry((subject.call, subject.kind)).or_default();
        count.calls += 1;
        match outcome {
            Ok(bytes) => count.bytes += bytes,
            Err(()) => count.failed += 1,
        }
    }

    /// Calls of one kind on files of one kind.
    #[must_use]
    pub fn of(&self, call: Call, kind: FileKind) -> Count {
        self.0.get(&(call, kind)).copied().unwrap_or_default()
    }

    /// Calls of one kind on all files.
    #[must_use]
    pub fn of_call(&self, call: Call) -> Count {
        let mut sum = Count::default();
        for (_, count) in self.0.iter().filter(|((of, _), _)| *of == call) {
            sum.calls += count.calls;
            sum.failed += count.failed;
            sum.bytes += count.bytes;
        }
        sum
    }
}
