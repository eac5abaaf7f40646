//! Every bound of replication, in one place, with the relations between them proved.

/// Largest payload of one command. `apply` keeps it in memory and every replica logs it.
pub const PAYLOAD_BYTES_MAX: usize = 1 << 20;

/// Largest blob of one command: a piece of 256 KiB with room for its header and for data that does not compress.
pub const BLOB_BYTES_MAX: usize = 288 << 10;

/// Most bytes that one answer of the replicating log reader carries (DESIGN D3).
pub const REPLICATE_BYTES_MAX: usize = 2 << 20;

const _: () = assert!(PAYLOAD_BYTES_MAX + BLOB_BYTES_MAX < REPLICATE_BYTES_MAX);

/// Bytes of log heads that one read from the disk brings into memory.
pub const READ_BYTES_MAX: usize = 1 << 20;

/// Entries that one state transaction spans: bounds what a view keeps on disk and how long a reply waits.
pub const APPLY_ENTRIES_MAX: usize = 256;

/// Changed bytes after which a state transaction ends, whatever entries are left.
pub const APPLY_BYTES_MAX: usize = 4 << 20;

/// Bytes of state rows that one write of a snapshot's copy carries.
pub const COPY_BYTES_MAX: usize = 1 << 20;

/// Blobs that one step of a snapshot's copy looks up.
pub const COPY_ROWS_MAX: usize = 1_024;

/// Events that wait for one subscriber of a feed. More than a mailbox gets in one go; past it the subscriber reads its
/// state anew, which is cheaper than a long queue for each idle session.
pub const FEED_EVENTS_MAX: usize = 64;

/// Time for one step of a snapshot transfer, in milliseconds: a page of rows or one blob, on a busy disk.
pub const SNAPSHOT_STEP_MS: u64 = 10_000;

/// Group timers, in milliseconds (DESIGN D13): slow, so that many groups idle cheaply. Failover is driven by liveness.
pub const HEARTBEAT_MS: u64 = 500;
/// Time between the instants at which timers of groups fall due, in milliseconds: one wake of a thread serves them all.
pub const TICK_MS: u64 = 500;
/// Sleeps shorter than this, in milliseconds, end at their own deadline.
pub const SHORT_SLEEP_MS: u64 = 50;
/// One sleep in so many ends between two such instants, so that replicas whose instants are the same cannot campaign
/// together for ever.
pub const TICKS_PER_ODD_ONE: u32 = 8;
/// See [`HEARTBEAT_MS`].
pub const ELECTION_TIMEOUT_MS_MIN: u64 = 1_500;
/// See [`HEARTBEAT_MS`].
pub const ELECTION_TIMEOUT_MS_MAX: u64 = 2_000;

const _: () = assert!(HEARTBEAT_MS == TICK_MS && SHORT_SLEEP_MS * 4 < TICK_MS);
const _: () = assert!(HEARTBEAT_MS * 3 <= ELECTION_TIMEOUT_MS_MIN && ELECTION_TIMEOUT_MS_MIN < ELECTION_TIMEOUT_MS_MAX);

/// Outcomes that a lane holds before they get rows of their own: more than a sender has under way in one group.
pub const LANE_OUTCOMES_MAX: usize = 32;
/// Largest outcome that a lane holds, in bytes: the lane is written with every batch.
pub const LANE_REPLY_BYTES_MAX: usize = 256;

/// Entries of one AppendEntries; bytes are bounded by [`REPLICATE_BYTES_MAX`].
pub const REPLICATE_ENTRIES_MAX: u64 = 1_024;

/// Bytes waiting for the disk of a leader beyond which it takes no more proposals: about a second of a slow disk.
pub const ADMIT_QUEUED_BYTES_MAX: usize = 64 << 20;

const _: () = assert!(ADMIT_QUEUED_BYTES_MAX < shelf::limits::QUEUE_BYTES_MAX);

/// Time between liveness frames to one node, in milliseconds.
pub const LIVENESS_MS: u64 = 100;
/// Silence after which a node counts as dead, in milliseconds. Long enough for a machine that is busy, since a wrong
/// verdict costs an election.
pub const DEAD_AFTER_MS: u64 = 800;
/// Time between attempts to have the groups of a dead leader led again, in milliseconds: a campaign takes less.
pub const HAND_OVER_RETRY_MS: u64 = 400;

const _: () = assert!(LIVENESS_MS * 4 <= DEAD_AFTER_MS && DEAD_AFTER_MS < ELECTION_TIMEOUT_MS_MIN);

/// How far a node's clock may be off the median, in milliseconds; past it the node does not lead (DESIGN D5).
pub const CLOCK_OFF_MS: u64 = 5_000;
/// A jump of a clock past this, in milliseconds, does not reach log time.
pub const CLOCK_JUMP_MS: u64 = 3_600_000;
/// How long a clock has to be steady after such a jump to be believed, in milliseconds: time to look and to set it right.
pub const CLOCK_ACCEPT_MS: u64 = 3_600_000;
/// How long another node's clock counts after it was heard of, in milliseconds. It is carried on by the monotonic clock.
pub const CLOCK_SAMPLE_MS: u64 = 60_000;
/// The longest round trip that says something about a clock, in milliseconds: the error is half of it.
pub const CLOCK_ROUND_TRIP_MS: u64 = 1_000;
/// How long a group may be without a leader before a node with a wrong clock campaigns after all, in milliseconds. It
/// stamps the median, so what it leads loses nothing by it.
pub const LEADERLESS_MS: u64 = 10_000;

const _: () = assert!(CLOCK_ROUND_TRIP_MS < CLOCK_OFF_MS && CLOCK_OFF_MS < CLOCK_JUMP_MS);
const _: () = assert!(DEAD_AFTER_MS < CLOCK_SAMPLE_MS && 3 * ELECTION_TIMEOUT_MS_MAX < LEADERLESS_MS);

/// Time for one attempt at one node, in milliseconds; then another node may be asked.
pub const ATTEMPT_MS: u64 = 5_000;
/// Pause before the second attempt, in milliseconds; it doubles up to [`RETRY_MS_MAX`].
pub const RETRY_MS_MIN: u64 = 10;
/// Longest pause between attempts, in milliseconds.
pub const RETRY_MS_MAX: u64 = 300;
/// The last part of a proposal's time, in which it is only settled (DESIGN P6): a quarter, at most this, in milliseconds.
pub const SETTLE_MS_MAX: u64 = 3_000;

/// How long a lagging local replica is waited for before the leader is asked instead, in milliseconds.
pub const LOCAL_WAIT_MS: u64 = 250;

/// How long one question for events waits at another node, in milliseconds.
pub const FOLLOW_MS: u64 = 20_000;

/// Bytes of log that a replica keeps for followers that were away, so that a blip does not become a snapshot. A leader
/// keeps twice as much while a follower needs it.
pub const LOG_KEEP_BYTES: u64 = 512 << 20;
/// Time between looks at the log's size, in milliseconds.
pub const LOG_CHECK_MS: u64 = 10_000;

/// Time that a starting node gives the others to say what they saw from its replicas, in milliseconds (DESIGN D10).
pub const ASK_SEEN_MS: u64 = 2_000;

const _: () = assert!(ASK_SEEN_MS < ATTEMPT_MS);

/// Time that a stopping node gives its groups to be led elsewhere, in milliseconds.
pub const HAND_OVER_MS: u64 = 2_000;

mail_model::limits_table!("replication":
    PAYLOAD_BYTES_MAX, BLOB_BYTES_MAX, REPLICATE_BYTES_MAX, READ_BYTES_MAX, APPLY_ENTRIES_MAX, APPLY_BYTES_MAX,
    COPY_BYTES_MAX, COPY_ROWS_MAX, FEED_EVENTS_MAX, SNAPSHOT_STEP_MS, HEARTBEAT_MS, TICK_MS, SHORT_SLEEP_MS,
    TICKS_PER_ODD_ONE, ELECTION_TIMEOUT_MS_MIN, ELECTION_TIMEOUT_MS_MAX, LANE_OUTCOMES_MAX, LANE_REPLY_BYTES_MAX,
    REPLICATE_ENTRIES_MAX, ADMIT_QUEUED_BYTES_MAX, LIVENESS_MS, DEAD_AFTER_MS, HAND_OVER_RETRY_MS, CLOCK_OFF_MS,
    CLOCK_JUMP_MS, CLOCK_ACCEPT_MS, CLOCK_SAMPLE_MS, CLOCK_ROUND_TRIP_MS, LEADERLESS_MS, ATTEMPT_MS, RETRY_MS_MIN,
    RETRY_MS_MAX, SETTLE_MS_MAX, LOCAL_WAIT_MS, FOLLOW_MS, LOG_KEEP_BYTES, LOG_CHECK_MS, ASK_SEEN_MS, HAND_OVER_MS,
);
