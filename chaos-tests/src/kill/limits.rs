//! How large a run is, in one place.

use std::time::Duration;

/// Nodes of the cluster. One of them down leaves a majority of every group.
pub(super) const NODES: u16 = 3;
/// Shelves of a node.
pub(super) const SHELVES: u16 = 2;
/// Mail groups.
pub(super) const GROUPS: u32 = 6;
/// Accounts that get mail.
pub(super) const ACCOUNTS: u32 = 20;
/// In every such round all nodes are killed at once.
pub(super) const ALL_KILLED_EVERY: u32 = 5;
/// In every such round the power of all nodes is cut at once.
pub(super) const ALL_WITHOUT_POWER_EVERY: u32 = 2;

/// How long all nodes run before the next kill, in milliseconds.
pub(super) const UP_MS_MIN: u64 = 200;
/// See [`UP_MS_MIN`].
pub(super) const UP_MS_MAX: u64 = 1_500;
/// How long a node stays down at most, in milliseconds, beyond the time that looking at the others takes.
pub(super) const DOWN_MS_MAX: u64 = 1_500;
/// Accounts that are looked at in a round.
pub(super) const LOOKS: u32 = 3;

/// Clients of each protocol that put messages in.
pub(super) const SENDERS: u64 = 2;
/// Clients that work on messages over IMAP.
pub(super) const CURATORS: u64 = 2;
/// Messages that a client sends before it connects anew.
pub(super) const MESSAGES_OF_A_VISIT: u32 = 12;
/// Messages that a client works on before it connects anew.
pub(super) const ACTS_OF_A_VISIT: u32 = 8;
/// Pause between two messages of one client, in milliseconds: the tests beside this one need the machine, too.
pub(super) const PACE_MS_MAX: u64 = 60;
/// Accounts that one message goes to at most.
pub(super) const RECIPIENTS_MAX: usize = 3;
/// Messages that one POP3 session deletes at most.
pub(super) const DELETIONS_MAX: usize = 2;
/// How far from the newest message clients look for some to work on.
pub(super) const NEWEST: u32 = 40;

/// Bytes of an ordinary message's body at most.
pub(super) const BODY_BYTES_MAX: usize = 8_000;
/// One message in so many is large: it takes several pieces of 256 KiB.
pub(super) const LARGE_EVERY: u32 = 60;
/// Bytes of a large message's body at most.
pub(super) const LARGE_BYTES_MAX: usize = 800_000;

/// After the last round every message has to be taken within this.
pub(super) const DRAIN_WITHIN: Duration = Duration::from_secs(120);

const _: () = assert!(NODES >= 3 && NODES % 2 == 1);
const _: () = assert!(UP_MS_MIN < UP_MS_MAX);
const _: () = assert!(LARGE_BYTES_MAX > 512 << 10, "large messages take more than two pieces");
