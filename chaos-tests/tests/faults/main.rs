//! Disks that fail below running processes: each fault of the file system by itself, against plain file operations, and
//! clusters whose shelves are on it.

mod files;
mod link;
mod power;
mod support;
