//! Sessions over streams in memory, against a node with real groups.

mod appends;
mod bodies;
mod concurrency;
mod faults;
mod harness;
mod limits;
mod log_in;
mod mailboxes;
mod messages;
mod search;
mod structure;
mod tls;
