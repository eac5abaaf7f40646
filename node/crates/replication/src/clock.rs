//! Whether this node's clock may be trusted, and what time its leaders stamp (DESIGN D5).
//!
//! A node keeps a *timeline*: its wall clock as long as that goes on steadily, judged by the monotonic clock; over a jump
//! it goes on as before. The others' timelines come with their liveness frames, and are remembered as a difference to
//! the monotonic clock, so that a step of the own clock shows at once.
//!
//! Invariants
//! - A jump of more than [`CLOCK_JUMP_MS`] does not reach log time, so nothing expires by it, until half of the other
//!   nodes show the new time too, or it has been steady for [`CLOCK_ACCEPT_MS`].
//! - A node more than [`CLOCK_OFF_MS`] off the median does not lead; what it stamps meanwhile is the median.
//! - With two clocks that differ nobody can tell which is wrong, so neither is off.
//!
//! Everything here is a function of what it is told: both clocks come from outside.

use std::collections::BTreeMap;

use mail_model::NodeId;

use crate::limits::{CLOCK_ACCEPT_MS, CLOCK_JUMP_MS, CLOCK_OFF_MS, CLOCK_SAMPLE_MS};

/// The wall clock, for log time alone. Behind a trait since it may be wrong, and in tests is.
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds since 1970.
    fn now_ms(&self) -> u64;
}

/// The clock of the system.
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> u64 {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}

/// Both clocks at one instant.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Instants {
    /// Milliseconds since some start that never changes while the node runs.
    pub(crate) mono_ms: u64,
    /// Milliseconds since 1970, if the clock is right.
    pub(crate) wall_ms: u64,
}

/// How a node's clock is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClockStatus {
    /// How far it is ahead of the median of the nodes' clocks, in milliseconds; negative when behind.
    pub ahead_ms: i64,
    /// So far that this node does not lead.
    pub is_off: bool,
    /// By how much it jumped, in milliseconds, while that is not accepted: nothing expires by it.
    pub jumped_ms: Option<i64>,
}

/// What is known of another node's timeline.
#[derive(Clone, Copy, Debug)]
struct Sample {
    /// Its timeline less our monotonic clock.
    offset_ms: i64,
    at_mono_ms: u64,
}

/// A jump that is not accepted.
#[derive(Clone, Copy, Debug)]
struct Jump {
    /// The new clock less the monotonic one, followed as long as it is steady.
    wall_offset_ms: i64,
    since_mono_ms: u64,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct ClockJudge {
    /// Other nodes there are.
    others: usize,
    /// The timeline less the monotonic clock.
    offset_ms: Option<i64>,
    jump: Option<Jump>,
    samples: BTreeMap<NodeId, Sample>,
}

fn signed(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}

impl ClockJudge {
    pub(crate) fn new(others: usize) -> Self {
        Self {
            others,
            offset_ms: None,
            jump: None,
            samples: BTreeMap::new(),
        }
    }

    /// Another node's timeline read `their_ms` when our monotonic clock read `mono_ms`.
    pub(crate) fn heard(&mut self, node: NodeId, mono_ms: u64, their_ms: u64) {
        let sample = Sample {
            offset_ms: signed(their_ms).saturating_sub(signed(mono_ms)),
            at_mono_ms: mono_ms,
        };
        self.samples.insert(node, sample);
    }

    /// This node's timeline now, for the others.
    pub(crate) fn timeline_ms(&mut self, now: Instants) -> u64 {
        let offset = self.follow(now);
        u64::try_from(signed(now.mono_ms).saturating_add(offset)).unwrap_or(0)
    }

    /// What a leader stamps now: its timeline, or the median while that is off.
    pub(crate) fn stamp_ms(&mut self, now: Instants) -> u64 {
        let own = self.timeline_ms(now);
        let status = self.status(now);
        if !status.is_off {
            return own;
        }
        u64::try_from(signed(own).saturating_sub(status.ahead_ms)).unwrap_or(0)
    }

    pub(crate) fn status(&mut self, now: Instants) -> ClockStatus {
        let own = self.follow(now);
        let ahead_ms = self.ahead_of_median(own, now.mono_ms);
        ClockStatus {
            ahead_ms,
            is_off: ahead_ms.unsigned_abs() > CLOCK_OFF_MS,
            jumped_ms: self.jump.map(|jump| jump.wall_offset_ms.saturating_sub(own)),
        }
    }

    /// Nodes, this one not among them, whose clocks are off the median.
    pub(crate) fn others_off(&mut self, now: Instants) -> Vec<NodeId> {
        let own = self.follow(now);
        let median = own.saturating_sub(self.ahead_of_median(own, now.mono_ms));
        let is_off = |sample: &Sample| sample.offset_ms.abs_diff(median) > CLOCK_OFF_MS;
        let fresh = self.samples.iter().filter(|(_, sample)| is_fresh(sample, now.mono_ms));
        fresh
            .filter(|(_, sample)| is_off(sample))
            .map(|(node, _)| *node)
            .collect()
    }

    /// Takes a look at the own clock; returns the timeline less the monotonic clock.
    fn follow(&mut self, now: Instants) -> i64 {
        let seen = signed(now.wall_ms).saturating_sub(signed(now.mono_ms));
        let before = *self.offset_ms.get_or_insert(seen);
        if seen.abs_diff(before) <= CLOCK_JUMP_MS {
            self.jump = None;
            self.offset_ms = Some(seen);
            return seen;
        }
        let steady = self
            .jump
            .filter(|jump| seen.abs_diff(jump.wall_offset_ms) <= CLOCK_OFF_MS);
        let since_mono_ms = steady.map_or(now.mono_ms, |jump| jump.since_mono_ms);
        let is_old = now.mono_ms.saturating_sub(since_mono_ms) >= CLOCK_ACCEPT_MS;
        if is_old || self.others_agree(seen, now.mono_ms) {
            self.jump = None;
            self.offset_ms = Some(seen);
            return seen;
        }
        self.jump = Some(Jump {
            wall_offset_ms: seen,
            since_mono_ms,
        });
        before
    }

    /// Half of the other nodes show this time.
    fn others_agree(&self, offset_ms: i64, mono_ms: u64) -> bool {
        let agrees =
            |sample: &&Sample| is_fresh(sample, mono_ms) && sample.offset_ms.abs_diff(offset_ms) <= CLOCK_OFF_MS;
        let agreeing = self.samples.values().filter(agrees).count();
        agreeing > 0 && agreeing * 2 >= self.others
    }

    /// How far `own` is ahead of the median of all clocks; nothing as long as it lies between the middle two.
    fn ahead_of_median(&self, own: i64, mono_ms: u64) -> i64 {
        let fresh = self.samples.values().filter(|sample| is_fresh(sample, mono_ms));
        let mut all: Vec<_> = fresh.map(|sample| sample.offset_ms).chain([own]).collect();
        all.sort_unstable();
        let (low, high) = (all[(all.len() - 1) / 2], all[all.len() / 2]);
        own.saturating_sub(own.clamp(low, high))
    }
}

fn is_fresh(sample: &Sample, mono_ms: u64) -> bool {
    mono_ms.saturating_sub(sample.at_mono_ms) <= CLOCK_SAMPLE_MS
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000;
    const DAY_ONE: u64 = 1_800_000_000_000;

    fn at(mono_ms: u64, wall_ms: u64) -> Instants {
        Instants { mono_ms, wall_ms }
    }

    fn node(number: u8) -> NodeId {
        NodeId([number; 16])
    }

    /// One of three, the others being right.
    fn one_of_three() -> ClockJudge {
        let mut judge = ClockJudge::new(2);
        judge.timeline_ms(at(0, DAY_ONE));
        judge.heard(node(2), 0, DAY_ONE);
        judge.heard(node(3), 0, DAY_ONE + 10);
        judge
    }

    #[test]
    fn a_small_step_is_followed_and_a_larger_one_is_off_at_once() {
        let mut judge = one_of_three();
        let status = judge.status(at(1_000, DAY_ONE + 5_000));
        assert!(!status.is_off && status.ahead_ms == 3_990, "{status:?}");
        assert_eq!(judge.stamp_ms(at(1_000, DAY_ONE + 5_000)), DAY_ONE + 5_000);
        let status = judge.status(at(1_000, DAY_ONE + 21_000));
        assert!(status.is_off && status.ahead_ms == 19_990, "{status:?}");
        assert_eq!(judge.stamp_ms(at(1_000, DAY_ONE + 21_000)), DAY_ONE + 1_010);
        let behind = judge.status(at(60_000, DAY_ONE + 30_000));
        assert!(behind.is_off && behind.ahead_ms == -30_000, "{behind:?}");
    }

    #[test]
    fn of_two_clocks_neither_is_off_and_old_samples_do_not_count() {
        let mut judge = ClockJudge::new(2);
        judge.heard(node(2), 0, DAY_ONE + 60_000);
        assert_eq!(judge.status(at(0, DAY_ONE)), ClockStatus::default());
        judge.heard(node(3), 0, DAY_ONE + 60_000);
        assert!(judge.status(at(0, DAY_ONE)).is_off);
        assert!(!judge.status(at(CLOCK_SAMPLE_MS + 1, DAY_ONE)).is_off);
    }

    #[test]
    fn it_is_seen_who_else_is_off() {
        let mut judge = one_of_three();
        judge.heard(node(3), 0, DAY_ONE + 7_000);
        assert_eq!(judge.others_off(at(0, DAY_ONE)), [node(3)]);
        // The own clock is the odd one.
        judge.heard(node(2), 0, DAY_ONE + 7_000);
        assert!(judge.others_off(at(0, DAY_ONE)).is_empty());
    }

    #[test]
    fn log_time_does_not_follow_a_jump_that_nobody_else_shows() {
        for jumped in [DAY_ONE + 9 * HOUR, DAY_ONE - 9 * HOUR] {
            let mut judge = one_of_three();
            assert_eq!(judge.stamp_ms(at(1_000, jumped)), DAY_ONE + 1_000);
            let status = judge.status(at(2_000, jumped + 1_000));
            assert!(
                !status.is_off && status.jumped_ms.is_some(),
                "its timeline is right: {status:?}"
            );
            assert_eq!(judge.timeline_ms(at(30_000, DAY_ONE + 30_000)), DAY_ONE + 30_000);
            assert_eq!(
                judge.status(at(30_000, DAY_ONE + 30_000)).jumped_ms,
                None,
                "it came back"
            );
        }
    }

    #[test]
    fn a_jump_that_half_of_the_others_show_is_accepted_at_once() {
        let mut judge = one_of_three();
        let woken = DAY_ONE + 9 * HOUR;
        assert_eq!(judge.stamp_ms(at(1_000, woken)), DAY_ONE + 1_000);
        judge.heard(node(2), 1_100, woken + 200);
        assert_eq!(judge.stamp_ms(at(1_200, woken + 200)), woken + 200);
        assert_eq!(judge.status(at(1_200, woken + 200)).jumped_ms, None);
    }

    #[test]
    fn a_jump_that_everybody_made_pauses_everybody_and_is_accepted_once_it_is_old() {
        let (mut one, mut two) = (ClockJudge::new(1), ClockJudge::new(1));
        for judge in [&mut one, &mut two] {
            judge.timeline_ms(at(0, DAY_ONE));
        }
        let jumped = DAY_ONE + 100 * HOUR;
        let theirs = two.timeline_ms(at(1_000, jumped));
        one.heard(node(2), 1_000, theirs);
        assert_eq!(one.stamp_ms(at(1_000, jumped)), DAY_ONE + 1_000);
        let almost = 1_000 + CLOCK_ACCEPT_MS - 1;
        assert_eq!(one.stamp_ms(at(almost, jumped + almost)), DAY_ONE + almost);
        assert_eq!(one.stamp_ms(at(almost + 1, jumped + almost + 1)), jumped + almost + 1);
    }

    #[test]
    fn a_clock_that_jumps_again_is_waited_for_anew() {
        let mut judge = ClockJudge::new(0);
        judge.timeline_ms(at(0, DAY_ONE));
        assert_eq!(judge.stamp_ms(at(1, DAY_ONE + 2 * HOUR)), DAY_ONE + 1);
        let half = CLOCK_ACCEPT_MS / 2;
        assert_eq!(judge.stamp_ms(at(half, DAY_ONE + 9 * HOUR)), DAY_ONE + half);
        let full = CLOCK_ACCEPT_MS + 1;
        assert_eq!(
            judge.stamp_ms(at(full, DAY_ONE + 9 * HOUR + full - half)),
            DAY_ONE + full
        );
    }

    proptest::proptest! {
        /// Whatever one clock of three shows, what its node stamps stays with the others.
        #[test]
        fn one_wrong_clock_of_three_moves_no_stamp(steps in proptest::collection::vec((1_u64..2_000, -20_000_000_i64..20_000_000), 1..60)) {
            let mut judge = ClockJudge::new(2);
            judge.timeline_ms(at(0, DAY_ONE));
            let mut mono_ms = 0;
            for (passed, skew) in steps {
                mono_ms += passed;
                let right = DAY_ONE + mono_ms;
                judge.heard(node(2), mono_ms, right);
                judge.heard(node(3), mono_ms, right);
                let wall = u64::try_from(signed(right) + skew).unwrap();
                let stamp = judge.stamp_ms(at(mono_ms, wall));
                proptest::prop_assert!(stamp.abs_diff(right) <= CLOCK_OFF_MS, "{stamp} at {right}");
            }
        }
    }
}
