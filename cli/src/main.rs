//! `holdfast`: reads the command line, runs one subcommand, and turns its error into one message and an exit code.

use std::process::ExitCode;

use clap::Parser;
use cli::command::{Cli, run};

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("holdfast: {error:#}");
            ExitCode::FAILURE
        }
    }
}
