//! Every bound of the tests with real processes, in one place.

use std::time::Duration;

/// Waiting for a state of the cluster ends with this; a machine that is busy with other tests needs some of it.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// How long a cluster may take to start, its first founding included. The demo gives up by itself before that.
pub const START_WITHIN: Duration = Duration::from_secs(240);
/// How long a cluster may take to stop. The demo gives up by itself before that.
pub const STOP_WITHIN: Duration = Duration::from_secs(60);
/// Time between two looks at a state that is waited for.
pub const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long a listener may take to greet, before it is asked again.
pub const GREET_WITHIN: Duration = Duration::from_secs(5);
/// How long a client waits for one reply: longer than any time limit of a server, and any pause that a failover may be.
pub const REPLY_WITHIN: Duration = Duration::from_secs(60);
/// Longest line that a client takes, in bytes.
pub const LINE_BYTES_MAX: u64 = 1 << 20;
/// Longest literal that a client takes, in bytes.
pub const LITERAL_BYTES_MAX: usize = 64 << 20;
/// Lines of a node's log that are shown when a test fails.
pub const LOG_LINES: usize = 30;

const _: () = assert!(REPLY_WITHIN.as_secs() < PATIENCE.as_secs());
const _: () = assert!(PATIENCE.as_secs() < START_WITHIN.as_secs());
const _: () = assert!(LOOK_EVERY.as_millis() < GREET_WITHIN.as_millis());
