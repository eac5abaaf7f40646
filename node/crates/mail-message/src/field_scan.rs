//! Header lines, piece by piece, into fields. Shared by everything that reads headers as they stream by.
//!
//! Invariants: holds one field at most, its name and value within `limits`; a piece never reaches over a line end.
//! A line that is no field is passed by, and so are lines that continue it. Line ends are left out of a value, which
//! is what unfolding means (RFC 5322 2.2.3).

use crate::limits::{FIELD_BYTES_MAX, FIELD_NAME_BYTES_MAX};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    #[default]
    LineStart,
    Name,
    Value,
}

/// A field that has ended: its name as written, and its unfolded value, cut at the bound.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ScannedField {
    pub(crate) name: Vec<u8>,
    pub(crate) value: Vec<u8>,
}

/// See the head of this file.
#[derive(Debug, Default)]
pub(crate) struct FieldScan {
    at: At,
    name: Vec<u8>,
    value: Vec<u8>,
    /// The current field is one that the caller wants.
    wanted: bool,
}

impl FieldScan {
    /// The next bytes of the current line. Where they begin a line that starts a new field, the one before has ended.
    pub(crate) fn piece(&mut self, piece: &[u8], wants: impl Fn(&[u8]) -> bool) -> Option<ScannedField> {
        let first = piece.first()?;
        let mut ended = None;
        let mut rest = piece;
        if self.at == At::LineStart {
            if matches!(first, b' ' | b'\t') {
                self.at = At::Value;
            } else {
                ended = self.end();
                self.at = At::Name;
            }
        }
        if self.at == At::Name {
            let colon = memchr::memchr(b':', rest);
            let (name, value) = rest.split_at(colon.unwrap_or(rest.len()));
            let room = (FIELD_NAME_BYTES_MAX + 1).saturating_sub(self.name.len());
            self.name.extend_from_slice(name.get(..room).unwrap_or(name));
            rest = value;
            if colon.is_some() {
                rest = value.get(1..).unwrap_or_default();
                let len = self.name.trim_ascii_end().len();
                self.name.truncate(len);
                self.wanted = (1..=FIELD_NAME_BYTES_MAX).contains(&len) && wants(&self.name);
                self.at = At::Value;
            }
        }
        if self.at == At::Value && self.wanted {
            let room = FIELD_BYTES_MAX.saturating_sub(self.value.len());
            self.value.extend_from_slice(rest.get(..room).unwrap_or(rest));
        }
        ended
    }

    /// The line has ended; `had_cr` if the last byte fed was the CR of its line end.
    pub(crate) fn line_end(&mut self, had_cr: bool) {
        if had_cr && self.at == At::Value && self.value.len() < FIELD_BYTES_MAX && self.value.last() == Some(&b'\r') {
            self.value.pop();
        }
        if self.at == At::Name {
            // No colon: what continues this line belongs to no field.
            self.name.clear();
            self.wanted = false;
        }
        self.at = At::LineStart;
    }

    /// The header has ended, and with it the last field.
    pub(crate) fn end(&mut self) -> Option<ScannedField> {
        let wanted = std::mem::take(&mut self.wanted);
        self.at = At::LineStart;
        let name = std::mem::take(&mut self.name);
        let value = std::mem::take(&mut self.value);
        wanted.then_some(ScannedField { name, value })
    }

    /// Bytes held.
    pub(crate) fn state_bytes(&self) -> usize {
        self.name.capacity() + self.value.capacity()
    }
}
