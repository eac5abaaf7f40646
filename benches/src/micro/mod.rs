//! `bench micro`: instructions of the hot paths, each by itself, counted by valgrind and compared with what they were when
//! the baseline was written. Times differ from run to run and machine to machine; these hardly do, so that a change that
//! makes a path dearer is seen.
//!
//! A path is run some times and twice as often, each in a process of its own; the difference is what the additional runs
//! took, without what it takes to start.

mod baseline;
mod paths;
mod store;

use std::process::{Command, Stdio};

use anyhow::{Context, ensure};

use self::baseline::Baseline;
use self::paths::{PATHS, Path};
use crate::report::table;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Write what is found as the new baseline
    #[arg(long)]
    update: bool,
    /// Only this path
    #[arg(long, value_name = "NAME")]
    path: Option<String>,
    /// Run the path so often and count nothing: for a profiler
    #[arg(long, value_name = "NUMBER", requires = "path")]
    times: Option<usize>,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let wanted = |path: &&Path| options.path.as_ref().is_none_or(|only| only == path.name);
    let paths: Vec<&Path> = PATHS.iter().filter(wanted).collect();
    let names: Vec<&str> = PATHS.iter().map(|path| path.name).collect();
    ensure!(
        !paths.is_empty(),
        "there is no such path; there are {}",
        names.join(", ")
    );
    if let (Some(times), [path]) = (options.times, &paths[..]) {
        return (path.run)(times);
    }
    let mut counts = Baseline::default();
    for path in paths {
        let once = instructions(path.name, path.times)?;
        let twice = instructions(path.name, 2 * path.times)?;
        let each = twice.saturating_sub(once) / path.times as u64;
        eprintln!("{}: {each}", path.name);
        counts.set(path.name, each);
    }
    let before = Baseline::read()?;
    print(&before, &counts);
    if options.update {
        return before.with(&counts).write();
    }
    before.ensure_not_dearer(&counts)
}

/// Of one process that runs a path so often.
fn instructions(path: &str, times: usize) -> anyhow::Result<u64> {
    let own = std::env::current_exe().context("find this program")?;
    let output = Command::new("valgrind")
        .args(["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"])
        .arg(own)
        .args(["micro", "--path", path, "--times", &times.to_string()])
        .stdin(Stdio::null())
        .output()
        .context("run valgrind: install it first")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "valgrind ended with {}:\n{said}",
        output.status
    );
    counted(&said).with_context(|| format!("valgrind does not say how many instructions it saw:\n{said}"))
}

/// From a line such as `==1== I refs: 1,234`.
fn counted(said: &str) -> Option<u64> {
    let (_, number) = said
        .lines()
        .find_map(|line| line.split_once(" I ")?.1.split_once("refs:"))?;
    number.trim().replace(',', "").parse().ok()
}

fn print(before: &Baseline, counts: &Baseline) {
    let header = ["path", "what", "instructions", "baseline", "×"].map(str::to_owned);
    let row = |(name, count): (&str, u64)| {
        let what = PATHS.iter().find(|path| path.name == name).map_or("", |path| path.what);
        let known = before.get(name);
        let times = known.and_then(|known| baseline::times(known, count));
        vec![
            name.to_owned(),
            what.to_owned(),
            count.to_string(),
            known.map_or_else(|| "–".to_owned(), |known| known.to_string()),
            times.map_or_else(|| "–".to_owned(), |times| format!("{times:.2}")),
        ]
    };
    println!("{}\n", table(header.to_vec(), counts.iter().map(row)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_found_in_what_valgrind_says() {
        let said = "==7== Cachegrind\n==7== \n==7== I   refs:      12,345,678\n";
        assert_eq!(counted(said), Some(12_345_678));
        assert_eq!(counted("==7== I refs:  9\n"), Some(9));
        assert_eq!(counted("valgrind: no such file\n"), None);
    }

    #[test]
    fn every_path_runs_and_has_its_baseline() {
        let before = Baseline::read().unwrap();
        for path in PATHS {
            (path.run)(2).unwrap();
            assert!(before.get(path.name).is_some(), "{} has no baseline", path.name);
        }
        assert_eq!(before.iter().count(), PATHS.len(), "a baseline has no path");
    }
}
