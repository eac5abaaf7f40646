//! What must hold, whatever happened.
//!
//! Invariants that it checks
//! - **Nothing acknowledged is lost**: every acknowledged value is in its list, at the position that was named.
//! - **Nothing is doubled**: no value is in a list twice.
//! - **What was said not to be done is not there.** An unanswered append may be there once, or not.
//! - **Nothing is made up**: every value in a list was begun for it.
//! - **Reads do not go back**: a read shows what was acknowledged before it began, and lists only grow at their end.
//! - **Replicas are equal**, and every blob is there, whole, at every node, also at one whose own copy is damaged.
//! - **It heals**: without faults, every group takes writes again.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use mail_model::{BlobId, GroupId, LogIndex, ReplicaId};
use replication::GroupClient;

use super::client;
use super::journal::{self, Item, KEYS};
use super::world::{self, World};
use super::{HEAL, Report};

/// Log time may be ahead by what a clock may be off.
const LOG_TIME_AHEAD_MS: i64 = 5_500;
/// Log time may be behind by that, and by what healing takes.
const LOG_TIME_BEHIND_MS: i64 = LOG_TIME_AHEAD_MS + 20_000;

/// What did not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// An acknowledged value is not where it was said to be.
    #[error("group {group} key {key}: acknowledged value {value} is not at position {position}")]
    Lost {
        /// Its group.
        group: GroupId,
        /// Its key.
        key: u8,
        /// The value.
        value: u64,
        /// From 1, as the acknowledgement said.
        position: u64,
    },
    /// A value is there that should not be, or twice.
    #[error("group {group} key {key}: value {value} is there {what}")]
    Extra {
        /// Its group.
        group: GroupId,
        /// Its key.
        key: u8,
        /// The value.
        value: u64,
        /// In what way.
        what: &'static str,
    },
    /// A read did not show what it had to.
    #[error("group {group} key {key}: {what}")]
    StaleRead {
        /// The group.
        group: GroupId,
        /// The key.
        key: u8,
        /// What is wrong with it.
        what: &'static str,
    },
    /// Two nodes hold different lists.
    #[error("group {group} key {key}: replicas differ")]
    Differ {
        /// The group.
        group: GroupId,
        /// The key.
        key: u8,
    },
    /// A blob cannot be had at a node, or has other bytes.
    #[error("blob {blob} of value {value}: {what}")]
    Blob {
        /// The blob.
        blob: BlobId,
        /// The value that it belongs to.
        value: u64,
        /// What is wrong with it.
        what: String,
    },
    /// A group waits for a disk that it does not need.
    #[error("group {group} is held up by one disk: {what}")]
    HeldUp {
        /// The group.
        group: GroupId,
        /// The last that was heard of it.
        what: String,
    },
    /// A group does not take writes though nothing is wrong any more.
    #[error("group {group} does not heal: {what}")]
    NotHealed {
        /// The group.
        group: GroupId,
        /// The last that was heard of it.
        what: String,
    },
    /// A replica that has lost what it acknowledged went on as if nothing had happened.
    #[error("replica {replica} came back with entry {now} after it had acknowledged {before}, and nobody noticed")]
    NotNoticed {
        /// The replica.
        replica: ReplicaId,
        /// The last entry that it had acknowledged.
        before: u64,
        /// The last that it has now.
        now: u64,
    },
    /// A node whose clock is off the median leads.
    #[error("group {group} is led from a node whose clock is {ahead_ms} ms ahead of the median")]
    WrongClockLeads {
        /// The group.
        group: GroupId,
        /// By how much the node finds itself ahead.
        ahead_ms: i64,
    },
    /// Log time shows a clock that was wrong.
    #[error("group {group}: log time is {ahead_ms} ms ahead of the right time")]
    LogTime {
        /// The group.
        group: GroupId,
        /// Negative when behind.
        ahead_ms: i64,
    },
    /// A node does not start on what its disks hold.
    #[error("a node does not start: {0}")]
    DoesNotStart(String),
}

impl Violation {
    pub(crate) fn from_shelf(error: shelf::ShelfError) -> Self {
        Self::DoesNotStart(error.to_string())
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Unknown,
    NotDone,
    Acknowledged(u64),
}

struct Begun {
    group: GroupId,
    key: u8,
    with_blob: bool,
    fate: Fate,
}

#[derive(Default)]
struct State {
    begun: Vec<Begun>,
    longest: HashMap<(GroupId, u8), Vec<Item>>,
    reads: usize,
    violation: Option<Violation>,
}

/// Remembers what clients were told.
#[derive(Default)]
pub struct Oracle {
    state: Mutex<State>,
}

impl Oracle {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new value, whose fate is unknown.
    pub fn begin(&self, group: GroupId, key: u8, with_blob: bool) -> u64 {
        let mut state = self.lock();
        let fate = Fate::Unknown;
        state.begun.push(Begun {
            group,
            key,
            with_blob,
            fate,
        });
        state.begun.len() as u64
    }

    fn set(&self, value: u64, fate: Fate) {
        let at = usize::try_from(value).expect("fits") - 1;
        self.lock().begun[at].fate = fate;
    }

    /// The client was told that it is at `position`, from 1.
    pub fn acknowledged(&self, value: u64, position: u64) {
        self.set(value, Fate::Acknowledged(position));
    }

    /// The client was told that it is not there and will not be.
    pub fn not_done(&self, value: u64) {
        self.set(value, Fate::NotDone);
    }

    /// The client was told nothing.
    pub fn unknown(&self, value: u64) {
        self.set(value, Fate::Unknown);
    }

    /// What a read that begins now has to show.
    pub fn promised(&self, group: GroupId, key: u8) -> BTreeSet<u64> {
        let state = self.lock();
        let values = (1..).zip(&state.begun);
        let promised = values.filter(|(_, begun)| {
            begun.group == group && begun.key == key && matches!(begun.fate, Fate::Acknowledged(_))
        });
        promised.map(|(value, _)| value).collect()
    }

    /// What a read showed.
    pub fn saw(&self, group: GroupId, key: u8, promised: &BTreeSet<u64>, items: &[Item]) {
        let mut state = self.lock();
        state.reads += 1;
        let shown: BTreeSet<_> = items.iter().map(|item| item.value).collect();
        let what = if promised.is_subset(&shown) {
            let longest = state.longest.entry((group, key)).or_default();
            let common = longest.len().min(items.len());
            let agrees = longest[..common] == items[..common];
            if longest.len() < items.len() {
                *longest = items.to_vec();
            }
            (!agrees).then_some("a list changed otherwise than at its end")
        } else {
            Some("a read lacks what was acknowledged before it")
        };
        if let Some(what) = what {
            state.violation.get_or_insert(Violation::StaleRead { group, key, what });
        }
    }

    /// Checks a list at the end of a run against what was promised.
    fn judge(&self, group: GroupId, key: u8, items: &[Item]) -> Result<(), Violation> {
        let state = self.lock();
        let mut seen = BTreeSet::new();
        for item in items {
            let value = item.value;
            let extra = |what| {
                Err(Violation::Extra {
                    group,
                    key,
                    value,
                    what,
                })
            };
            let at = usize::try_from(value).expect("fits").wrapping_sub(1);
            let Some(begun) = state
                .begun
                .get(at)
                .filter(|begun| begun.group == group && begun.key == key)
            else {
                return extra("though nobody put it there");
            };
            if begun.fate == Fate::NotDone {
                return extra("though it was said not to be done");
            }
            if begun.with_blob != (item.blob != 0) {
                return extra("with its blob missing, or with one too many");
            }
            if !seen.insert(value) {
                return extra("twice");
            }
        }
        for (value, begun) in (1..).zip(&state.begun) {
            if let Fate::Acknowledged(position) = begun.fate
                && begun.group == group
                && begun.key == key
            {
                let at = usize::try_from(position).expect("fits").wrapping_sub(1);
                if items.get(at).is_none_or(|item| item.value != value) {
                    return Err(Violation::Lost {
                        group,
                        key,
                        value,
                        position,
                    });
                }
            }
        }
        Ok(())
    }

    fn report(&self) -> Report {
        let state = self.lock();
        let count = |wanted: fn(&Fate) -> bool| state.begun.iter().filter(|begun| wanted(&begun.fate)).count();
        Report {
            acknowledged: count(|fate| matches!(fate, Fate::Acknowledged(_))),
            not_done: count(|fate| *fate == Fate::NotDone),
            unknown: count(|fate| *fate == Fate::Unknown),
            reads: state.reads,
            faults: BTreeMap::new(),
            digest: 0,
        }
    }
}

/// Looks at everything that is left of a run.
///
/// # Errors
/// The first thing that does not hold.
pub async fn scan(world: &Arc<World>) -> Result<Report, Violation> {
    if let Some(violation) = world.oracle.lock().violation.clone() {
        return Err(violation);
    }
    let mut digest = DefaultHasher::new();
    let mut lists = Vec::new();
    for plan in &world.groups {
        for key in 0..KEYS {
            let items = lists_at_all_nodes(world, plan.group, key).await?;
            world.oracle.judge(plan.group, key, &items)?;
            check_blobs(world, plan.group, &items).await?;
            (plan.group, key, &items).hash(&mut digest);
            lists.push((plan.group, items));
        }
    }
    // Whoever reads where a blob is damaged gets the bytes of another replica.
    world.damage_blobs();
    for (group, items) in lists {
        check_blobs(world, group, &items).await?;
    }
    let mut report = world.oracle.report();
    report.digest = digest.finish();
    Ok(report)
}

async fn lists_at_all_nodes(world: &Arc<World>, group: GroupId, key: u8) -> Result<Vec<Item>, Violation> {
    let not_healed = |what: String| Violation::NotHealed { group, what };
    let mut first: Option<Vec<Item>> = None;
    for machine in &world.machines {
        let Some((_, replicator)) = machine.replicator() else {
            continue;
        };
        let token = replicator
            .read_index(group, HEAL)
            .await
            .map_err(|error| not_healed(error.to_string()))?;
        let answer = replicator.query(group, token, Bytes::from(vec![key]), HEAL).await;
        let items = journal::items(&answer.map_err(|error| not_healed(error.to_string()))?.reply);
        if first.get_or_insert_with(|| items.clone()) != &items {
            return Err(Violation::Differ { group, key });
        }
    }
    Ok(first.unwrap_or_default())
}

/// Log time must be close to the right time, which every group has just written at.
///
/// # Errors
/// When it is not, or a group cannot be read.
pub async fn check_log_times(world: &Arc<World>) -> Result<(), Violation> {
    for plan in &world.groups {
        let group = plan.group;
        let not_healed = |what: String| Violation::NotHealed { group, what };
        let Some((_, replicator)) = world.machines.iter().find_map(|machine| machine.replicator()) else {
            continue;
        };
        let token = replicator.read_index(group, HEAL).await;
        let token = token.map_err(|error| not_healed(error.to_string()))?;
        let request = Bytes::from_static(&[journal::LOG_TIME]);
        let answer = replicator.query(group, token, request, HEAL).await;
        let answer = answer.map_err(|error| not_healed(error.to_string()))?.reply;
        let log_time = answer.iter().fold(0_i64, |number, byte| number << 8 | i64::from(*byte));
        let ahead_ms = log_time - world::right_time_ms();
        if !(-LOG_TIME_BEHIND_MS..=LOG_TIME_AHEAD_MS).contains(&ahead_ms) {
            return Err(Violation::LogTime { group, ahead_ms });
        }
    }
    Ok(())
}

async fn check_blobs(world: &Arc<World>, group: GroupId, items: &[Item]) -> Result<(), Violation> {
    for item in items.iter().filter(|item| item.blob != 0) {
        let blob = BlobId {
            group,
            index: LogIndex(item.blob),
        };
        let wrong = |what: String| Violation::Blob {
            blob,
            value: item.value,
            what,
        };
        for machine in &world.machines {
            let Some((_, replicator)) = machine.replicator() else {
                continue;
            };
            let read = replicator.read_blob(blob, Duration::from_secs(10)).await;
            let bytes = read.map_err(|error| wrong(error.to_string()))?;
            if bytes != client::body(item.value) {
                return Err(wrong("other bytes".to_owned()));
            }
        }
    }
    Ok(())
}
