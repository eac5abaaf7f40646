//! A file system that fails on purpose: what is written below a mount point goes to a directory of this machine, and a test
//! says meanwhile what goes wrong on the way. The table of faults, and what a power cut loses, is in docs/testing.md.
//!
//! It runs on threads of the test's own process. When that process ends, however it ends, the kernel aborts the connection,
//! and nobody hangs any more; the dead mount that is left is removed by the next process that mounts.
//!
//! Invariants
//! - Nothing is cached: files are opened for direct I/O, names and attributes are valid for no time.
//! - A call that is held up holds up no other one: it waits on a thread of its own.
//! - A call of this very process is never held up; it gets EDEADLK. A process in which one thread waits for another one's
//!   answer cannot be killed: its end waits for the answer, and the answer for its end.
//! - The directory behind the mount holds what a node has written; what of that is not durable is known here alone.
//!
//! Must not know: what a shelf is, beyond the names of its files.

mod answer;
mod call;
mod counts;
mod disk;
mod fault;
mod faults;
mod file_kind;
mod leftovers;
pub mod limits;
mod listing;
mod mount;
mod names;
mod rot;
mod server;
mod unsynced;
mod unsynced_names;

pub use call::Call;
pub use counts::{Count, Counts};
pub use fault::{Calls, Fault, FaultId, Files, LinkError, Listing};
pub use file_kind::FileKind;
pub use mount::{EXCEPTION, Mount, may_mount};
pub use rot::Rotten;
pub use unsynced::{Loss, Lost};
