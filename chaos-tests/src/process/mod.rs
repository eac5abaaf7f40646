//! Clusters of real processes on real disks, for tests that kill them: `holdfast demo` founds and starts one, tests kill
//! its nodes and start them again as an operator would.
//!
//! This is the one harness of that kind. It panics when it cannot do what a test asks for, with what it saw last; a
//! cluster whose test fails leaves its directory behind and shows the end of each node's log.
//!
//! Must not know: what is inside a node. Everything goes through ports, signals, files that are documented, and the
//! operator's tool.

pub mod client;
mod cluster;
pub mod limits;
mod ports;
mod programs;

pub use cluster::{Cluster, Shape};
pub use programs::directory;
