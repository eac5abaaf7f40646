//! Every bound of the cluster file, in one place, with the relations between them proved.

/// Most bytes of a cluster file: one with hundreds of nodes is far below.
pub const FILE_BYTES_MAX: u64 = 4 << 20;

/// Most bytes of a node's, shelf's or cluster's name: it stands in table columns, file names and metric labels.
pub const NAME_BYTES_MAX: usize = 32;

/// Most nodes of one cluster.
pub const NODES_MAX: usize = 256;
/// Most shelves of one node.
pub const SHELVES_PER_NODE_MAX: usize = 64;

/// Mail groups of a cluster whose file names no number: enough for a handful of nodes.
pub const GROUPS_DEFAULT: u32 = 16;
/// Most mail groups: a few hundred replicas per node is what slow timers carry (DESIGN D1).
pub const GROUPS_MAX: u32 = 1_024;

/// Replicas of a mail group when there are shelves enough.
pub const REPLICATION_MAX: usize = 3;
/// Voters of the system group when there are nodes enough.
pub const SYSTEM_VOTERS_MAX: usize = 5;

/// Largest message, in bytes, when the file names none.
pub const MESSAGE_BYTES_DEFAULT: u64 = 64 << 20;
/// The smallest largest message: RFC 5321 section 4.5.3.1.7 wants 64 kB, mail with one photo wants more.
pub const MESSAGE_BYTES_LOW: u64 = 1 << 20;
/// The largest largest message.
pub const MESSAGE_BYTES_HIGH: u64 = 1 << 30;

/// Days that the delivery log is kept when the file names none.
pub const DELIVERY_LOG_DAYS_DEFAULT: u32 = 30;
/// Most days that it is kept.
pub const DELIVERY_LOG_DAYS_MAX: u32 = 3_650;

/// How full a shelf may be, in percent, before nothing is taken that makes its groups grow, when the file names no number
/// (DESIGN D12). The rest is for deleting, which writes first, and for compaction.
pub const SHELF_FULL_PERCENT_DEFAULT: u32 = 95;
/// The least that it may be.
pub const SHELF_FULL_PERCENT_LOW: u32 = 50;
/// The most that it may be.
pub const SHELF_FULL_PERCENT_HIGH: u32 = 99;

/// Connections of mail clients that a node has open at once when the file names no number.
pub const CONNECTIONS_DEFAULT: u32 = 16_384;
/// Most that it may have: each needs descriptors and memory.
pub const CONNECTIONS_HIGH: u32 = 131_072;
/// Those of one client address when the file names no number. A webmail server or a NAT has many users.
pub const CONNECTIONS_PER_CLIENT_DEFAULT: u32 = 256;
/// New ones of one client address a second when the file names no number: more than a busy relay makes.
pub const CONNECTIONS_PER_CLIENT_PER_SECOND_DEFAULT: u32 = 50;

/// Most bytes of a unix socket's path, its ending NUL aside (`sun_path`).
pub const SOCKET_PATH_BYTES_MAX: usize = 107;
/// Name of a group of the system, in bytes (`LOGIN_NAME_MAX` of Linux).
pub const GROUP_NAME_BYTES_MAX: usize = 255;

/// Most bytes of what an administrator's tool asks of a node.
pub const CALL_BYTES_MAX: usize = 1 << 20;
/// Most bytes of what a node answers to an administrator's tool.
pub const REPLY_BYTES_MAX: usize = 32 << 20;

/// What the demo adds to its base port from one node to the next.
pub const DEMO_PORT_STEP: u16 = 1_000;
/// Most nodes of a demo: one machine runs them all.
pub const DEMO_NODES_MAX: u16 = 9;
/// Most shelves of a demo's node.
pub const DEMO_SHELVES_MAX: u16 = 8;

const _: () = assert!(REPLICATION_MAX % 2 == 1 && SYSTEM_VOTERS_MAX % 2 == 1);
const _: () = assert!(REPLICATION_MAX <= SYSTEM_VOTERS_MAX);
const _: () = assert!(GROUPS_DEFAULT <= GROUPS_MAX);
const _: () = assert!(MESSAGE_BYTES_LOW <= MESSAGE_BYTES_DEFAULT && MESSAGE_BYTES_DEFAULT <= MESSAGE_BYTES_HIGH);
const _: () = assert!(SHELF_FULL_PERCENT_LOW <= SHELF_FULL_PERCENT_DEFAULT);
const _: () = assert!(SHELF_FULL_PERCENT_DEFAULT <= SHELF_FULL_PERCENT_HIGH && SHELF_FULL_PERCENT_HIGH < 100);
const _: () = assert!(CONNECTIONS_PER_CLIENT_DEFAULT < CONNECTIONS_DEFAULT && CONNECTIONS_DEFAULT <= CONNECTIONS_HIGH);
const _: () = assert!(CONNECTIONS_PER_CLIENT_PER_SECOND_DEFAULT <= CONNECTIONS_PER_CLIENT_DEFAULT);
const _: () = assert!(DELIVERY_LOG_DAYS_DEFAULT <= DELIVERY_LOG_DAYS_MAX);
const _: () = assert!((DEMO_NODES_MAX as usize) <= NODES_MAX && (DEMO_SHELVES_MAX as usize) <= SHELVES_PER_NODE_MAX);
const _: () = assert!(DEMO_PORT_STEP > 995, "the ports of two demo nodes must not meet");

mail_model::limits_table!("cluster-config":
    FILE_BYTES_MAX, NAME_BYTES_MAX, NODES_MAX, SHELVES_PER_NODE_MAX, GROUPS_DEFAULT, GROUPS_MAX, REPLICATION_MAX,
    SYSTEM_VOTERS_MAX, MESSAGE_BYTES_DEFAULT, MESSAGE_BYTES_LOW, MESSAGE_BYTES_HIGH, DELIVERY_LOG_DAYS_DEFAULT,
    DELIVERY_LOG_DAYS_MAX, SHELF_FULL_PERCENT_DEFAULT, SHELF_FULL_PERCENT_LOW, SHELF_FULL_PERCENT_HIGH,
    CONNECTIONS_DEFAULT, CONNECTIONS_HIGH, CONNECTIONS_PER_CLIENT_DEFAULT, CONNECTIONS_PER_CLIENT_PER_SECOND_DEFAULT,
    SOCKET_PATH_BYTES_MAX, GROUP_NAME_BYTES_MAX, CALL_BYTES_MAX, REPLY_BYTES_MAX, DEMO_PORT_STEP, DEMO_NODES_MAX,
    DEMO_SHELVES_MAX,
);
