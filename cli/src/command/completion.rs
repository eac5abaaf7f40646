//! `holdfast completion`: what a shell needs to complete the command line of this tool.

use std::io::{Write, stdout};

use clap::CommandFactory;
use clap_complete::{Shell, generate};

use super::Cli;

/// Write a script that completes the commands and options of this tool in a shell
#[derive(clap::Args)]
#[command(after_help = "Examples:
  holdfast completion bash > /etc/bash_completion.d/holdfast
  holdfast completion zsh > ~/.zfunc/_holdfast
  holdfast completion fish > ~/.config/fish/completions/holdfast.fish")]
pub(super) struct Completion {
    /// Which shell
    shell: Shell,
}

pub(super) fn run(completion: &Completion) -> anyhow::Result<()> {
    let mut script = Vec::new();
    generate(completion.shell, &mut Cli::command(), "holdfast", &mut script);
    let mut out = stdout().lock();
    out.write_all(&script)?;
    out.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_learns_every_command() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let mut script = Vec::new();
            generate(shell, &mut Cli::command(), "holdfast", &mut script);
            let script = String::from_utf8(script).unwrap();
            for word in ["status", "passwd", "alias-of", "check", "quiet"] {
                assert!(script.contains(word), "{shell} does not learn {word}");
            }
        }
    }
}
