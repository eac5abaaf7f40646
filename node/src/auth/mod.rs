//! Who somebody is: making and checking passwords, and log-in over the directory (DESIGN D16, D22).
//!
//! [`Authenticator::log_in`] is what every protocol calls; [`Authenticator::make_credentials`] is what sets a password;
//! [`Access`] ends the sessions of whom an administrator has locked out.
//!
//! Invariants
//! - A password exists in clear only between the wire and the check; it is neither stored nor printed.
//! - A right password lets in by what the local replica knows. "Wrong" is said only once ReadIndex has shown that nothing
//!   newer is known; otherwise the answer is temporary.
//! - An unknown name costs what a wrong password costs.
//! - Failures slow down whoever makes them; nobody is locked out.
//!
//! Must not know: protocols, and how they word a refusal.

mod access;
mod argon2id;
mod authenticator;
mod credential;
pub mod limits;
mod password;
mod pool;
mod scram;
mod success_cache;
mod throttle;

#[cfg(test)]
mod testing;

pub use access::{Access, Pass};
pub(crate) use authenticator::LOGIN_OUTCOMES;
pub use authenticator::{Authenticator, LoggedIn, LoginError, MakeError};
pub use password::UnfitPassword;
