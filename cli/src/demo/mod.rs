//! The parts of `holdfast demo`: its directory, its processes, its accounts, and what it shows.
//!
//! Must not know: what is inside a node; it is started as an operator starts it, and asked by the admin API.

pub(crate) mod accounts;
pub(crate) mod place;
pub(crate) mod processes;
pub(crate) mod ready;
pub(crate) mod screen;

pub(crate) use processes::NODE_PROGRAM;
