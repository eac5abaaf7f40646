//! Whole connections as transcripts of `C:` and `S:` lines, and properties over any bytes.

mod authorization;
mod harness;
mod limits;
mod properties;
mod starttls;
mod transaction;
