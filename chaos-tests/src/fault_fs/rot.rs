//! Bits that go bad in files, behind everybody's back.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

use super::fault::Files;
use super::file_kind::FileKind;

/// A bit that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotten {
    /// The file, below the mount point.
    pub path: PathBuf,
    /// The byte.
    pub offset: u64,
    /// The bit of that byte, from 0.
    pub bit: u8,
}

/// Flips one bit in each of `count` files, or of as many as there are of those that are not empty.
pub(super) fn rot(root: &Path, files: Files, count: usize, seed: u64) -> io::Result<Vec<Rotten>> {
    let mut found = Vec::new();
    collect(root, Path::new(""), &mut found)?;
    found.retain(|(path, len)| *len > 0 && files.include(FileKind::of(path)));
    // In the order of their names, for the seed to mean something.
    found.sort();
    let mut rng = StdRng::seed_from_u64(seed);
    let chosen: Vec<_> = found.sample(&mut rng, count).cloned().collect();
    let flip = |(path, len): (PathBuf, u64)| {
        let (offset, bit) = (rng.random_range(0..len), rng.random_range(0..8));
        let file = OpenOptions::new().read(true).write(true).open(root.join(&path))?;
        let mut byte = [0];
        file.read_exact_at(&mut byte, offset)?;
        file.write_all_at(&[byte[0] ^ (1 << bit)], offset)?;
        Ok(Rotten { path, offset, bit })
    };
    chosen.into_iter().map(flip).collect()
}

fn collect(root: &Path, below: &Path, found: &mut Vec<(PathBuf, u64)>) -> io::Result<()> {
    for entry in fs::read_dir(root.join(below))? {
        let entry = entry?;
        let path = below.join(entry.file_name());
        match entry.metadata()? {
            metadata if metadata.is_dir() => collect(root, &path, found)?,
            metadata => found.push((path, metadata.len())),
        }
    }
    Ok(())
}
