//! That something goes on: one line on standard error for what takes longer than a second, gone when it is done.
//!
//! Invariant: nothing is written unless standard error is a terminal, so that no log and no script ever sees it.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::limits::PROGRESS_EVERY;

/// See the module. Shows nothing until it is revealed.
pub(crate) struct Progress {
    bar: ProgressBar,
    is_wanted: bool,
}

impl Progress {
    /// Shows nothing at all when it is not wanted.
    pub(crate) fn new(is_wanted: bool) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        bar.set_style(spinner());
        bar.set_message("waiting for the nodes");
        Self { bar, is_wanted }
    }

    /// From now on it is seen.
    pub(crate) fn reveal(&self) {
        if self.is_wanted && self.bar.is_hidden() {
            // Which is hidden as well where there is no terminal.
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
            self.bar.enable_steady_tick(PROGRESS_EVERY);
        }
    }

    /// What goes on, of unknown length.
    pub(crate) fn say(&self, what: impl Into<String>) {
        self.bar.set_message(what.into());
    }

    /// What goes on, in `all` steps, of which `done` are done.
    pub(crate) fn count(&self, what: &str, done: usize, all: usize) {
        if self.bar.length() != Some(all as u64) {
            self.bar.set_style(counter());
            self.bar.set_length(all as u64);
        }
        self.bar.set_message(what.to_owned());
        self.bar.set_position(done as u64);
    }

    /// Does something that writes, with the line out of the way.
    pub(crate) fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        self.bar.suspend(write)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn spinner() -> ProgressStyle {
    ProgressStyle::with_template("{spinner} {wide_msg} {elapsed}").unwrap_or_else(|_| ProgressStyle::default_spinner())
}

fn counter() -> ProgressStyle {
    let template = "{spinner} {msg} [{wide_bar}] {pos} of {len} {elapsed}";
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    style.progress_chars("=> ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_are_legal() {
        assert!(ProgressStyle::with_template("{spinner} {wide_msg} {elapsed}").is_ok());
        assert!(ProgressStyle::with_template("{spinner} {msg} [{wide_bar}] {pos} of {len} {elapsed}").is_ok());
    }

    #[test]
    fn steps_are_counted_and_their_number_may_change() {
        let progress = Progress::new(false);
        progress.count("checking", 1, 3);
        assert_eq!((progress.bar.position(), progress.bar.length()), (1, Some(3)));
        progress.count("checking", 2, 5);
        assert_eq!((progress.bar.position(), progress.bar.length()), (2, Some(5)));
        progress.reveal();
        assert!(progress.bar.is_hidden(), "nobody wanted it");
    }
}
