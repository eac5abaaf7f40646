//! What a structure may still keep. Every retained value is paid for here, so that no header decides how much memory
//! a message takes; a value that cannot be paid for is left out.

use crate::limits::VALUE_OVERHEAD;
use crate::part::RawText;

/// Bytes left to keep, and bytes kept.
#[derive(Debug)]
pub(crate) struct Budget {
    left: usize,
    spent: usize,
}

impl Budget {
    pub(crate) fn new(left: usize) -> Self {
        Self { left, spent: 0 }
    }

    pub(crate) fn spent(&self) -> usize {
        self.spent
    }

    /// Pays for `values` values of together `bytes` bytes; false, and nothing paid, where that is too much.
    pub(crate) fn pay(&mut self, values: usize, bytes: usize) -> bool {
        let cost = bytes.saturating_add(values.saturating_mul(VALUE_OVERHEAD));
        if cost > self.left {
            return false;
        }
        self.left -= cost;
        self.spent += cost;
        true
    }

    /// Keeps `bytes` if it can be paid for.
    pub(crate) fn keep(&mut self, bytes: &[u8]) -> Option<RawText> {
        self.pay(1, bytes.len()).then(|| RawText::from(bytes))
    }
}
