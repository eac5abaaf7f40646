//! `holdfast`: reads the command line, runs one subcommand, and turns its error into one message and an exit code.

use std::io;
use std::process::ExitCode;

use cli::command::{Cli, run};
use cli::exit;

fn main() -> ExitCode {
    match run(&Cli::of_this_process()) {
        Ok(code) => code,
        // Whoever read our output has seen enough.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            anstream::eprintln!("{}holdfast:{} {error:#}", exit::ERROR, exit::ERROR.render_reset());
            exit::of(&error)
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
