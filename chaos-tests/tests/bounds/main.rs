//! What clients, disks and administrators can do to a cluster, on real processes: each is answered with a clear error or a
//! bounded refusal, memory stays bounded, and well-behaved clients beside it are served all the time.
//!
//! `docs/testing.md` has a table of what is shown where; parsers and time limits have their own tests beside the code.

mod crowds;
mod disk;
mod garbage;
mod large;
mod mailboxes;
mod start;
mod support;
