//! Every bound of authentication, in one place, with the relations between them proved.

use std::time::Duration;

/// Memory of one Argon2id hash in KiB. OWASP's recommendation of 2024 (19 MiB, 2 passes, 1 lane): some 20 ms on one core,
/// so that two shared cores still check fifty log-ins a second beside their work, and 19 MiB per running check.
pub const ARGON2_MEMORY_KIB: u32 = 19_456;
/// Passes over that memory.
pub const ARGON2_PASSES: u32 = 2;
/// Lanes; one check runs on one core.
pub const ARGON2_LANES: u32 = 1;

/// Most memory that a hash from elsewhere may ask for, in KiB. One that asks for more does not count.
pub const ARGON2_MEMORY_KIB_MAX: u32 = 131_072;
/// Most passes that a hash from elsewhere may ask for.
pub const ARGON2_PASSES_MAX: u32 = 8;
/// Most lanes that a hash from elsewhere may ask for.
pub const ARGON2_LANES_MAX: u32 = 8;

/// PBKDF2 rounds of SCRAM keys made here. The *client* does them at each log-in, telephones among them, which rules out
/// the 600,000 that OWASP asks for where a server does them; RFC 7677 section 4 asks for 4,096 at least.
pub const SCRAM_ITERATIONS: u32 = 100_000;
/// Fewest rounds of SCRAM keys from elsewhere that count (RFC 7677 section 4).
pub const SCRAM_ITERATIONS_MIN: u32 = 4_096;
/// Most rounds of SCRAM keys from elsewhere that count: bounds the time of one check.
pub const SCRAM_ITERATIONS_MAX: u32 = 1_000_000;
/// Bytes of a salt made here.
pub const SALT_BYTES: usize = 16;
/// Bytes of a salt from elsewhere.
pub const SALT_BYTES_MAX: usize = 64;

/// Hashes that are under way or wait. Full means that a log-in is told to come again: with one hash at a time the last of
/// them would wait for some seven seconds.
pub const HASHES_QUEUED_MAX: usize = 256;
/// How long a log-in waits for its turn to be hashed.
pub const HASH_WAIT: Duration = Duration::from_secs(10);

/// Successful log-ins that are remembered, so that the tenth connection of a mail program costs no hash.
pub const SUCCESSES_MAX: usize = 16_384;
/// How long they are.
pub const SUCCESS_AGE: Duration = Duration::from_secs(300);

/// Networks and accounts whose failures are counted, of each. When full, the least conspicuous goes.
pub const METERS_MAX: usize = 16_384;
/// One failure is forgotten after each such time.
pub const FAILURE_DECAY: Duration = Duration::from_secs(30);
/// Failures that are counted for one network or account; more do not make it slower.
pub const FAILURES_MAX: u32 = 240;
/// Failures of an account that cost nothing: a mistyped password.
pub const ACCOUNT_FAILURES_FREE: u32 = 5;
/// Failures of a network that cost nothing: many people may share one address.
pub const NETWORK_FAILURES_FREE: u32 = 20;
/// The first delay; each further failure doubles it.
pub const DELAY_FIRST: Duration = Duration::from_millis(250);
/// Longest delay because of a network.
pub const NETWORK_DELAY_MAX: Duration = Duration::from_secs(8);
/// Longest delay because of an account. Strangers can cause it, so it only annoys.
pub const ACCOUNT_DELAY_MAX: Duration = Duration::from_secs(2);
/// Longest delay of somebody who has logged in from the same network lately.
pub const KNOWN_DELAY_MAX: Duration = Duration::from_secs(1);
/// Pairs of network and account that have logged in and are remembered.
pub const KNOWN_MAX: usize = 16_384;
/// How long they are.
pub const KNOWN_AGE: Duration = Duration::from_secs(7 * 86_400);

/// Accounts whose sessions may have to end, looked at at once.
pub const ACCESS_CHECKS_MAX: usize = 16;
/// Pause before another look at accounts that could not be looked at.
pub const ACCESS_RETRY: Duration = Duration::from_secs(1);

const _: () = assert!(ARGON2_MEMORY_KIB <= ARGON2_MEMORY_KIB_MAX);
const _: () = assert!(ARGON2_PASSES <= ARGON2_PASSES_MAX && ARGON2_LANES <= ARGON2_LANES_MAX);
const _: () = assert!(SCRAM_ITERATIONS_MIN <= SCRAM_ITERATIONS && SCRAM_ITERATIONS <= SCRAM_ITERATIONS_MAX);
const _: () = assert!(SALT_BYTES <= SALT_BYTES_MAX);
const _: () = assert!(ACCOUNT_FAILURES_FREE < FAILURES_MAX && NETWORK_FAILURES_FREE < FAILURES_MAX);
const _: () = assert!(DELAY_FIRST.as_millis() <= KNOWN_DELAY_MAX.as_millis());
const _: () = assert!(KNOWN_DELAY_MAX.as_millis() <= ACCOUNT_DELAY_MAX.as_millis());
const _: () = assert!(ACCOUNT_DELAY_MAX.as_millis() <= NETWORK_DELAY_MAX.as_millis());
// Clients give up on a silent server after thirty seconds at the earliest: delay, two hashes and ReadIndex must fit.
const _: () = assert!(NETWORK_DELAY_MAX.as_secs() + 2 * HASH_WAIT.as_secs() < 30);

mail_model::limits_table!("node: auth":
    ARGON2_MEMORY_KIB, ARGON2_PASSES, ARGON2_LANES, ARGON2_MEMORY_KIB_MAX, ARGON2_PASSES_MAX, ARGON2_LANES_MAX,
    SCRAM_ITERATIONS, SCRAM_ITERATIONS_MIN, SCRAM_ITERATIONS_MAX, SALT_BYTES, SALT_BYTES_MAX, HASHES_QUEUED_MAX,
    HASH_WAIT, SUCCESSES_MAX, SUCCESS_AGE, METERS_MAX, FAILURE_DECAY, FAILURES_MAX, ACCOUNT_FAILURES_FREE,
    NETWORK_FAILURES_FREE, DELAY_FIRST, NETWORK_DELAY_MAX, ACCOUNT_DELAY_MAX, KNOWN_DELAY_MAX, KNOWN_MAX, KNOWN_AGE,
    ACCESS_CHECKS_MAX, ACCESS_RETRY,
);
