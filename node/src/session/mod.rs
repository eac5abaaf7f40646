//! Sessions: each joins a sans-io wire machine to the mail store, one task per connection.

#[cfg(test)]
mod faults;
pub mod imap;
mod login;
pub mod pop3;
mod pump;
pub mod smtp;
#[cfg(test)]
mod transcript;
