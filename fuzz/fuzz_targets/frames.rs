//! Any bytes as what another node sends: requests, with the entries, payloads and blobs behind them, and replies.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mailstore::fuzzing::replication;

fuzz_target!(|frame: &[u8]| {
    replication::request(frame);
    replication::reply(frame);
});
