//! Real messages from outside the project, where somebody has put them beside it.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Message, crlf};

/// The messages in `shared/corpus` beside the workspace; none where that directory is not there. Their lines end with
/// CR LF. A directory that is there, but cannot be read, is a panic: tests would pass without looking.
#[must_use]
pub fn corpus() -> Vec<Message> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let beside = workspace.parent().map(|above| above.join("shared/corpus"));
    let Some(root) = beside.filter(|dir| dir.is_dir()) else {
        return Vec::new();
    };
    let message = |path: PathBuf| {
        let name = path.strip_prefix(&root).expect("below its root").display().to_string();
        let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Message::new(name, crlf(&bytes))
    };
    let mut paths = Vec::new();
    collect(&root, &mut paths);
    paths.sort();
    paths.into_iter().map(message).collect()
}

/// Every message file below `dir`.
fn collect(dir: &Path, paths: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    for entry in entries {
        let path = entry.expect("an entry of a directory").path();
        if path.is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "eml") {
            paths.push(path);
        }
    }
}
