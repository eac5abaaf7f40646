//! Any bytes as what a disk gives back: records of shelves, of replicas, of mail groups and of the directory.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mailstore::fuzzing::{self, replication};

fuzz_target!(|input: &[u8]| {
    let [layer, kind, bytes @ ..] = input else { return };
    match layer % 3 {
        0 => replication::shelf::record(*kind, bytes),
        1 => replication::record(*kind, bytes),
        _ => fuzzing::record(*kind, bytes),
    }
});
