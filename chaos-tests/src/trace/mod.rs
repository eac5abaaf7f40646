//! What a node asks of the kernel, and when: system calls of a node that runs under strace, and what they say about an
//! acknowledgement.
//!
//! SIGKILL keeps the page cache, so that killing nodes cannot show whether anything was synced. The order of system calls
//! can: a reply is worth its words if the disk had said so before.
//!
//! Invariant: times err to one side. A call began after the time at which strace saw it begin, and had ended before strace
//! saw it end; so "ended before that one began" is never said of calls that overlapped.
//!
//! Must not know: what is inside a node, but for the suffix of RocksDB's write-ahead logs.

mod call;
mod run;
mod verdict;

pub use call::Call;
pub use run::{Tracer, may_trace};
pub use verdict::{Acknowledgement, acknowledgements, shelves_with};
