//! Whole connections as transcripts of `C:` and `S:` lines, and properties over any bytes.

mod auth;
mod chunking;
mod data;
mod harness;
mod limits;
mod lmtp;
mod properties;
mod session;
mod starttls;
mod timeouts;
