//! Numbers for files, as the kernel wants them, and where each file is.
//!
//! Invariants
//! - A number is given once; it means one file for as long as the mount is there, whatever the file is called.
//! - The kernel asks for a number by a name before each use of that name, since names are valid for no time.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// The directory that is mounted.
pub(super) const ROOT: u64 = 1;

/// See the module. Paths are below the mount point.
pub(super) struct Names {
    by_path: HashMap<PathBuf, u64>,
    by_number: HashMap<u64, PathBuf>,
    last: u64,
}

impl Names {
    pub(super) fn new() -> Self {
        Self {
            by_path: HashMap::from([(PathBuf::new(), ROOT)]),
            by_number: HashMap::from([(ROOT, PathBuf::new())]),
            last: ROOT,
        }
    }

    /// The number of a file that is there.
    pub(super) fn number(&mut self, path: &Path) -> u64 {
        if let Some(number) = self.by_path.get(path) {
            return *number;
        }
        self.last += 1;
        self.by_path.insert(path.to_owned(), self.last);
        self.by_number.insert(self.last, path.to_owned());
        self.last
    }

    /// Where a file is; `None` once it has no name.
    pub(super) fn path(&self, number: u64) -> Option<&Path> {
        self.by_number.get(&number).map(PathBuf::as_path)
    }

    /// A file has a second name.
    pub(super) fn linked(&mut self, number: u64, path: &Path) {
        self.by_path.insert(path.to_owned(), number);
    }

    /// A name is gone.
    pub(super) fn removed(&mut self, path: &Path) {
        let Some(number) = self.by_path.remove(path) else {
            return;
        };
        if self.by_number.get(&number).is_some_and(|known| known == path) {
            let other = self.by_path.iter().find(|(_, of)| **of == number);
            match other.map(|(path, _)| path.clone()) {
                Some(other) => self.by_number.insert(number, other),
                None => self.by_number.remove(&number),
            };
        }
    }

    /// A file or directory, and what is below it, has another name.
    pub(super) fn renamed(&mut self, from: &Path, to: &Path) {
        self.removed(to);
        let below: Vec<PathBuf> = self
            .by_path
            .keys()
            .filter(|path| path.starts_with(from))
            .cloned()
            .collect();
        for old in below {
            let rest = old.strip_prefix(from).expect("it is below");
            let new = if rest.as_os_str().is_empty() {
                to.to_owned()
            } else {
                to.join(rest)
            };
            if let Some(number) = self.by_path.remove(&old) {
                self.by_path.insert(new.clone(), number);
                self.by_number.insert(number, new);
            }
        }
    }

    /// Nobody has a file any more, and names may have changed behind our back.
    pub(super) fn forget_all(&mut self) {
        self.by_path.retain(|_, number| *number == ROOT);
        self.by_number.retain(|number, _| *number == ROOT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_follows_its_file() {
        let mut names = Names::new();
        let [a, b, c] = ["a", "b", "d/c"].map(|path| names.number(Path::new(path)));
        assert_eq!(names.number(Path::new("a")), a);
        names.renamed(Path::new("a"), Path::new("b"));
        assert_eq!(names.path(a), Some(Path::new("b")));
        assert_eq!(names.path(b), None);
        names.renamed(Path::new("d"), Path::new("e"));
        assert_eq!(names.path(c), Some(Path::new("e/c")));
        names.linked(a, Path::new("l"));
        names.removed(Path::new("b"));
        assert_eq!(names.path(a), Some(Path::new("l")));
        names.removed(Path::new("l"));
        assert_eq!(names.path(a), None);
        assert_ne!(names.number(Path::new("b")), a);
        assert_eq!(names.path(ROOT), Some(Path::new("")));
    }
}
