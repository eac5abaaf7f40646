//! Every bound of the node process itself, in one place, with the relations between them proved. Bounds of sessions
//! stand in their wire crates, those of log-in in `auth::limits`.

use std::time::Duration;

/// How long a client may take for its handshake.
pub const HANDSHAKE_WITHIN: Duration = Duration::from_secs(20);
/// Largest header by which a balancer names its client, fields behind the addresses included. Those that are in use,
/// certificates of clients left out, stay below a quarter of it.
pub const PROXY_HEADER_BYTES_MAX: usize = 4 << 10;
/// How long a balancer may take for it. It is the first that it sends, and nothing goes back before.
pub const PROXY_HEADER_WITHIN: Duration = Duration::from_secs(5);
/// Connections that the kernel keeps while we are busy.
pub const BACKLOG: u32 = 1_024;
/// Pause after a failed accept, such as for want of file descriptors: others may close some meanwhile.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// File descriptors that all but connections of mail clients needs.
const DESCRIPTORS_BESIDE: u64 = 16_384;

/// File descriptors that a node wants that may have so many connections of mail clients; each may need two.
#[must_use]
pub const fn descriptors_wanted(connections_max: u32) -> u64 {
    2 * connections_max as u64 + DESCRIPTORS_BESIDE
}

/// Clients that are remembered for what they did lately, before those are looked for that can be forgotten. What is kept
/// then is bounded by what a node admits within the time that one client's allowance takes to fill up.
pub const CLIENTS_SWEPT_AT: usize = 1_024;

/// Connections of administrators at once.
pub const ADMIN_CONNECTIONS_MAX: usize = 64;
/// How long an administrator's tool may take for the head of a request.
pub const ADMIN_HEAD_WITHIN: Duration = Duration::from_secs(10);
/// How long one call may take, the longest check of an account included.
pub const ADMIN_CALL_WITHIN: Duration = Duration::from_secs(120);
/// Connections for metrics at once.
pub const METRICS_CONNECTIONS_MAX: usize = 16;
/// Time between looks at what the metrics show as a level.
pub const GAUGES_EVERY: Duration = Duration::from_secs(5);

/// How often the service manager is told that the node is alive, in the time after which it would believe that it is not.
pub const SIGNS_OF_LIFE_PER_WATCHDOG: u32 = 4;

/// Block cache of all shelves of the process, in bytes.
pub const BLOCK_CACHE_BYTES: usize = 128 << 20;
/// A call into a shelf's disk that takes this long is a warning.
pub const SLOW_AFTER: Duration = Duration::from_secs(1);
/// A call into a shelf's disk that takes this long ends the use of that shelf (DESIGN D11).
pub const STALLED_AFTER: Duration = Duration::from_secs(10);
/// Time between looks at the calls in flight.
pub const WATCH_EVERY: Duration = Duration::from_millis(500);
/// Time between looks at the free space of a shelf.
pub const SPACE_EVERY: Duration = Duration::from_secs(2);

/// Time between looking up the addresses of the other nodes.
pub const PEERS_EVERY: Duration = Duration::from_secs(60);
/// How long the first look may hold up the start.
pub const PEERS_WITHIN: Duration = Duration::from_secs(5);
/// Pause between attempts to found the directory.
pub const FOUND_EVERY: Duration = Duration::from_millis(500);

/// How long sessions get to say good-bye.
pub const SESSIONS_END_WITHIN: Duration = Duration::from_secs(5);
/// How long groups get to be led from elsewhere, and replicas to end.
pub const GROUPS_END_WITHIN: Duration = Duration::from_secs(6);
/// How long requests of other nodes get to be answered.
pub const TRANSPORT_END_WITHIN: Duration = Duration::from_secs(2);
/// How long a shelf gets to write what is queued and to close.
pub const SHELF_END_WITHIN: Duration = Duration::from_secs(8);
/// The process is gone after this, whatever hangs.
pub const STOP_WITHIN: Duration = Duration::from_secs(25);

// Two unix addresses are the most that a header has before its fields.
const _: () = assert!(PROXY_HEADER_BYTES_MAX > 16 + 216 && PROXY_HEADER_BYTES_MAX <= 16 + u16::MAX as usize);
const _: () = assert!(PROXY_HEADER_WITHIN.as_secs() <= SESSIONS_END_WITHIN.as_secs());
const _: () = assert!(WATCH_EVERY.as_millis() < SLOW_AFTER.as_millis());
const _: () = assert!(SLOW_AFTER.as_millis() < STALLED_AFTER.as_millis());
const _: () = assert!(replication::limits::HAND_OVER_MS < GROUPS_END_WITHIN.as_millis() as u64);
const _: () = assert!(
    SESSIONS_END_WITHIN.as_secs()
        + GROUPS_END_WITHIN.as_secs()
        + TRANSPORT_END_WITHIN.as_secs()
        + SHELF_END_WITHIN.as_secs()
        < STOP_WITHIN.as_secs()
);

mail_model::limits_table!("node":
    HANDSHAKE_WITHIN, PROXY_HEADER_BYTES_MAX, PROXY_HEADER_WITHIN, BACKLOG, ACCEPT_PAUSE, CLIENTS_SWEPT_AT,
    ADMIN_CONNECTIONS_MAX, ADMIN_HEAD_WITHIN, ADMIN_CALL_WITHIN, METRICS_CONNECTIONS_MAX, GAUGES_EVERY,
    SIGNS_OF_LIFE_PER_WATCHDOG, BLOCK_CACHE_BYTES, SLOW_AFTER, STALLED_AFTER, WATCH_EVERY, SPACE_EVERY, PEERS_EVERY,
    PEERS_WITHIN, FOUND_EVERY, SESSIONS_END_WITHIN, GROUPS_END_WITHIN, TRANSPORT_END_WITHIN, SHELF_END_WITHIN,
    STOP_WITHIN,
);

/// Every bound of the program, all its crates together.
#[must_use]
pub fn every_limit() -> Vec<mail_model::Limit> {
    let tables = [
        self::table(),
        crate::auth::limits::table(),
        crate::session::smtp::limits::table(),
        crate::session::imap::limits::table(),
        crate::delivery_log::limits::table(),
        smtp_wire::limits::table(),
        imap_wire::limits::table(),
        pop3_wire::limits::table(),
        mail_message::limits::table(),
        mailstore::limits::table(),
        mailstore::directory::limits::table(),
        replication::limits::table(),
        replication::quic::limits::table(),
        shelf::limits::table(),
        mail_model::limits::table(),
        cluster_config::limits::table(),
    ];
    tables.into_iter().flatten().collect()
}
