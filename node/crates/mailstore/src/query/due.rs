//! GetDue: when the next thing becomes due, so that a group at rest is not swept for nothing.

use minicbor::{Decode, Encode};

use crate::key;
use crate::query::GroupQuery;
use crate::rows::{Failure, Rows};

/// Whether something is due by a time.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct GetDue {
    /// Milliseconds since 1970: the clock of the node that asks, which also stamps log time.
    #[n(0)]
    pub by_ms: u64,
}

impl GroupQuery for GetDue {
    type Reply = bool;

    fn run(&self, rows: &impl Rows) -> Result<bool, Failure> {
        Ok(!rows.is_empty(&key::due_by(self.by_ms))?)
    }
}
