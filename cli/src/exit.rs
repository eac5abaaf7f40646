//! What the process ends with. Every number that any command ends with stands here and in the help of that command.
//!
//! Invariant: 0 is said only when what was asked for is done, or all that was asked about is well.

use std::process::ExitCode;

use anstyle::{AnsiColor, Style};

use crate::admin_client::CallError;

/// How the name of the program looks before an error.
pub const ERROR: Style = AnsiColor::Red.on_default().bold();

/// What was asked for was not done, and nothing changed.
pub(crate) const NOT_DONE: u8 = 1;
/// What was asked about was looked at, and somebody has to look at it: see the help of the command.
pub(crate) const FOUND: u8 = 3;
/// Some group has no leader: the mail of its accounts has to wait.
pub(crate) const NOT_LED: u8 = 4;
/// A change may have taken effect or not, since the node that was asked gave no answer.
pub(crate) const UNCERTAIN: u8 = 5;

/// What an error ends the process with.
#[must_use]
pub fn of(error: &anyhow::Error) -> ExitCode {
    let mut causes = error.chain().filter_map(|cause| cause.downcast_ref::<CallError>());
    if causes.any(CallError::is_uncertain) {
        UNCERTAIN.into()
    } else {
        NOT_DONE.into()
    }
}
