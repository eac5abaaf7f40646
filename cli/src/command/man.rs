//! `holdfast man`: the pages of the manual, from what the command line says of itself.

use std::fs;
use std::path::PathBuf;

use anyhow::Context;
use clap::CommandFactory;
use serde::Serialize;

use super::{Cli, Global};

/// Write the pages of the manual, one for each command
#[derive(clap::Args)]
#[command(after_help = "Example:
  holdfast man --out /usr/local/share/man/man1

The page of the node is written by holdfast-node --man.")]
pub(super) struct Man {
    /// The directory that they go to, which is made where it is missing
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

#[derive(Serialize)]
struct Written {
    dir: String,
}

pub(super) fn run(global: &Global, man: &Man) -> anyhow::Result<()> {
    let dir = &man.out;
    let written = fs::create_dir_all(dir).and_then(|()| clap_mangen::generate_to(Cli::command(), dir));
    written.with_context(|| format!("write the pages into {}", dir.display()))?;
    let dir = dir.display().to_string();
    global.done(
        &format!("the pages are in {dir}: man -l {dir}/holdfast.1"),
        &Written { dir },
    )
}
