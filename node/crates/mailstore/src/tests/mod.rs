//! Larger tests of the whole crate, by subject.

mod appends;
mod bodies;
mod deliveries;
mod determinism;
mod histories;
mod kept_views;
mod mailboxes;
mod maildrops;
mod messages;
mod queue;
mod uploads;
mod views;
