//! What a directory holds, and what a bad link makes of it.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use fuser::FileType;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::fault::Listing;

/// A name in a directory.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) number: u64,
    pub(super) file_type: FileType,
    pub(super) name: OsString,
}

/// What is told of a directory instead of what it holds.
pub(super) fn damaged(entries: Vec<Entry>, listing: Listing, seed: u64) -> Vec<Entry> {
    let is_own = |entry: &Entry| entry.name == "." || entry.name == "..";
    match listing {
        Listing::Empty => entries.into_iter().filter(is_own).collect(),
        Listing::Garbled => {
            let mut rng = StdRng::seed_from_u64(seed);
            let garble = |mut entry: Entry| {
                if !is_own(&entry) {
                    entry.name = garbled(&entry.name, &mut rng);
                }
                entry
            };
            entries.into_iter().map(garble).collect()
        }
    }
}

/// A bit of each other letter is wrong. The kernel takes no name with a slash or NUL in it.
fn garbled(name: &OsStr, rng: &mut StdRng) -> OsString {
    let mut bytes = name.as_bytes().to_vec();
    let first = rng.random_range(0..2_usize.min(bytes.len()));
    for byte in bytes.iter_mut().skip(first).step_by(2) {
        let wrong = *byte ^ (1 << rng.random_range(0..7));
        if !matches!(wrong, 0 | b'/') {
            *byte = wrong;
        }
    }
    OsStr::from_bytes(&bytes).to_owned()
}
