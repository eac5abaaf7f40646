//! The programs under test: `holdfast` and `holdfast-node`, beside the test's own executable.
//!
//! Invariant: they are never older than their sources. The whole suite builds them before it runs; where they are
//! missing or stale, since only some crates were built, cargo builds them here.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::SystemTime;

/// Where both programs are.
pub(super) struct Programs {
    pub(super) tool: PathBuf,
    pub(super) node: PathBuf,
}

impl Programs {
    /// Finds them; builds them first where it has to, once in a process.
    ///
    /// # Panics
    /// When they cannot be built.
    pub(super) fn get() -> &'static Self {
        static PROGRAMS: OnceLock<Programs> = OnceLock::new();
        PROGRAMS.get_or_init(|| {
            let dir = own_dir();
            let programs = Self {
                tool: dir.join("holdfast"),
                node: dir.join("holdfast-node"),
            };
            if !is_fresh(&programs.tool) || !is_fresh(&programs.node) {
                build(&dir);
            }
            programs
        })
    }
}

/// The directory that both are in.
///
/// # Panics
/// When they are not there and cannot be built.
#[must_use]
pub fn directory() -> PathBuf {
    Programs::get();
    own_dir()
}

/// Where cargo puts programs of the profile that this one was built with.
fn own_dir() -> PathBuf {
    let own = std::env::current_exe().expect("this program has a path");
    let dir = own.parent().expect("it is in a directory");
    match dir.ends_with("deps") {
        true => dir.parent().expect("it is below the profile's").to_owned(),
        false => dir.to_owned(),
    }
}

/// Whether the program is there, and is as new as each source file that went into it, by the list that cargo keeps
/// beside it.
fn is_fresh(program: &Path) -> bool {
    let modified = |path: &Path| fs::metadata(path)?.modified();
    let (Ok(built), Ok(list)) = (modified(program), fs::read_to_string(program.with_extension("d"))) else {
        return false;
    };
    // A list as make reads it: the program, a colon, and the sources, in whose names a backslash hides a space.
    let Some((_, sources)) = list.split_once(": ") else {
        return false;
    };
    let sources = sources.replace("\\ ", "\0");
    let is_older = |at: SystemTime| at <= built;
    sources
        .split_whitespace()
        .all(|source| modified(Path::new(&source.replace('\0', " "))).is_ok_and(is_older))
}

fn build(dir: &Path) {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut build = Command::new(cargo);
    build
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .args([
            "build",
            "--quiet",
            "--locked",
            "-p",
            "node",
            "-p",
            "cli",
            "--target-dir",
        ])
        .arg(
            dir.parent()
                .expect("the profile's directory is in the target directory"),
        );
    let status = build.status().expect("cargo runs");
    assert!(status.success(), "holdfast and holdfast-node cannot be built: {status}");
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_program_is_stale_once_a_source_of_it_has_changed_or_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let (program, source) = (dir.path().join("program"), dir.path().join("the source.rs"));
        assert!(!is_fresh(&program));
        fs::write(&source, "").unwrap();
        fs::write(&program, "").unwrap();
        assert!(!is_fresh(&program));
        let name = source.display().to_string().replace(' ', "\\ ");
        fs::write(dir.path().join("program.d"), format!("{}: {name}\n", program.display())).unwrap();
        assert!(is_fresh(&program));
        let later = SystemTime::now() + Duration::from_secs(5);
        File::options()
            .write(true)
            .open(&source)
            .unwrap()
            .set_modified(later)
            .unwrap();
        assert!(!is_fresh(&program));
        fs::remove_file(&source).unwrap();
        assert!(!is_fresh(&program));
    }
}
