//! Which faults there are now, and what they make of a call: values and an instant in, a ruling out.
//!
//! Invariant: all that is random comes from the seed of the mount.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};

use super::call::{Call, Subject};
use super::fault::{Fault, FaultId, Listing};

struct Active {
    id: FaultId,
    fault: Fault,
    since: Instant,
}

/// See the module.
pub(super) struct Faults {
    seed: u64,
    rng: StdRng,
    last_id: u64,
    active: Vec<Active>,
}

/// What becomes of a call.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ruling {
    /// It is done, with a twist where there is one.
    Done(Twist),
    Fails(Errno),
    /// It waits until then, or until the fault is ended.
    Waits(Wait),
}

/// How a call is done otherwise than it should be.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Twist {
    /// Says which bit is wrong.
    pub(super) flip: Option<u64>,
    pub(super) is_short: bool,
    /// With the seed of what is wrong in it.
    pub(super) listing: Option<(Listing, u64)>,
    pub(super) is_full: bool,
    pub(super) is_lie: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wait {
    pub(super) fault: FaultId,
    pub(super) until: Option<Instant>,
}

impl Faults {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            seed,
            rng: StdRng::seed_from_u64(seed),
            last_id: 0,
            active: Vec::new(),
        }
    }

    pub(super) fn inject(&mut self, fault: Fault, now: Instant) -> FaultId {
        self.last_id += 1;
        let id = FaultId(self.last_id);
        let since = now;
        self.active.push(Active { id, fault, since });
        id
    }

    pub(super) fn end(&mut self, id: FaultId) {
        self.active.retain(|active| active.id != id);
    }

    pub(super) fn end_all(&mut self) {
        self.active.clear();
    }

    pub(super) fn is_active(&self, id: FaultId) -> bool {
        self.active.iter().any(|active| active.id == id)
    }

    /// What becomes of a call that has waited for `waited` already.
    pub(super) fn judge(&mut self, subject: &Subject, now: Instant, waited: &[FaultId]) -> Ruling {
        let Self { seed, rng, active, .. } = self;
        let mut waits = active.iter().filter(|active| !waited.contains(&active.id));
        if let Some(wait) = waits.find_map(|active| active.wait(subject, now)) {
            return Ruling::Waits(wait);
        }
        if let Some(errno) = active.iter().find_map(|active| active.errno(subject, now, *seed)) {
            return Ruling::Fails(errno);
        }
        let mut twist = Twist::default();
        for active in active {
            active.fault.twist(subject, rng, &mut twist);
        }
        Ruling::Done(twist)
    }
}

impl Active {
    fn wait(&self, subject: &Subject, now: Instant) -> Option<Wait> {
        let fault = self.id;
        match self.fault {
            Fault::Hang { calls, lasting } if calls.include(subject.call) => {
                let until = lasting.map(|lasting| self.since + lasting);
                let is_over = until.is_some_and(|until| until <= now);
                (!is_over).then_some(Wait { fault, until })
            }
            Fault::Slow { calls, by } if calls.include(subject.call) => {
                let until = Some(now + by);
                Some(Wait { fault, until })
            }
            _ => None,
        }
    }

    fn errno(&self, subject: &Subject, now: Instant, seed: u64) -> Option<Errno> {
        let call = subject.call;
        match self.fault {
            Fault::LinkCut(error) => Some(error.errno()),
            Fault::Flapping { up, down, error } => {
                is_down(now.duration_since(self.since), up, down).then(|| error.errno())
            }
            Fault::Missing { one_in } => {
                let is_hidden = call == Call::Lookup && is_hidden(&subject.path, one_in, seed);
                is_hidden.then_some(Errno::ENOENT)
            }
            Fault::Full => call.grows().then_some(Errno::ENOSPC),
            Fault::ReadOnly => call.changes().then_some(Errno::EROFS),
            Fault::NoPermission => call.is_by_name().then_some(Errno::EACCES),
            _ => None,
        }
    }
}

impl Fault {
    fn twist(self, subject: &Subject, rng: &mut StdRng, twist: &mut Twist) {
        match (self, subject.call) {
            (Self::FlippedReads { files, one_in }, Call::Read)
            | (Self::FlippedWrites { files, one_in }, Call::Write)
                if files.include(subject.kind) && happens(rng, one_in) =>
            {
                twist.flip = Some(rng.next_u64());
            }
            (Self::ShortReads { one_in }, Call::Read) if happens(rng, one_in) => twist.is_short = true,
            (Self::Listings(listing), Call::List) => twist.listing = Some((listing, rng.next_u64())),
            (Self::Full, Call::Space) => twist.is_full = true,
            (Self::LyingSyncs, Call::Sync) => twist.is_lie = true,
            _ => {}
        }
    }
}

fn happens(rng: &mut StdRng, one_in: u32) -> bool {
    rng.random_range(0..one_in.max(1)) == 0
}

fn is_down(elapsed: Duration, up: Duration, down: Duration) -> bool {
    let period = (up + down).as_nanos().max(1);
    elapsed.as_nanos() % period >= up.as_nanos()
}

fn is_hidden(path: &Path, one_in: u32, seed: u64) -> bool {
    let mut hasher = DefaultHasher::new();
    (seed, path).hash(&mut hasher);
    hasher.finish().is_multiple_of(u64::from(one_in.max(1)))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::super::fault::{Calls, Files, LinkError};
    use super::super::file_kind::FileKind;
    use super::*;

    fn subject(call: Call, path: &str) -> Subject {
        Subject::new(call, PathBuf::from(path))
    }

    fn judged(fault: Fault, after: Duration, call: Call, path: &str) -> Ruling {
        let (mut faults, begin) = (Faults::new(1), Instant::now());
        faults.inject(fault, begin);
        faults.judge(&subject(call, path), begin + after, &[])
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_link_flaps_up_first_and_then_in_turns() {
        let flapping = Fault::Flapping {
            up: SECOND,
            down: SECOND * 2,
            error: LinkError::Io,
        };
        for (seconds, is_up) in [(0, true), (1, false), (2, false), (3, true), (4, false)] {
            let ruling = judged(flapping, SECOND * seconds, Call::Read, "x");
            assert_eq!(ruling != Ruling::Fails(Errno::EIO), is_up, "{seconds} s");
        }
    }

    #[test]
    fn a_hang_ends_by_itself_and_concerns_those_calls_that_it_names() {
        let hang = |lasting| Fault::Hang {
            calls: Calls::Syncs,
            lasting,
        };
        let waits = |fault, after, call| matches!(judged(fault, after, call, "x"), Ruling::Waits(_));
        assert!(waits(hang(None), SECOND * 999, Call::Sync) && !waits(hang(None), SECOND, Call::Write));
        assert!(waits(hang(Some(SECOND)), SECOND / 2, Call::Sync) && !waits(hang(Some(SECOND)), SECOND, Call::Sync));
    }

    #[test]
    fn a_call_is_slowed_down_once() {
        let (mut faults, now) = (Faults::new(1), Instant::now());
        let calls = Calls::All;
        let id = faults.inject(Fault::Slow { calls, by: SECOND }, now);
        let read = subject(Call::Read, "x");
        let wait = Wait {
            fault: id,
            until: Some(now + SECOND),
        };
        assert_eq!(faults.judge(&read, now, &[]), Ruling::Waits(wait));
        assert_eq!(faults.judge(&read, now, &[id]), Ruling::Done(Twist::default()));
    }

    #[test]
    fn the_same_names_are_missing_every_time_and_not_all_of_them() {
        let missing = Fault::Missing { one_in: 2 };
        let hidden = || -> Vec<bool> {
            let judge = |n: u32| judged(missing, SECOND, Call::Lookup, &format!("{n}.sst"));
            (0..40).map(|n| judge(n) == Ruling::Fails(Errno::ENOENT)).collect()
        };
        assert_eq!(hidden(), hidden());
        assert!(hidden().contains(&true) && hidden().contains(&false));
    }

    #[test]
    fn bits_flip_in_the_files_that_are_named_about_as_often_as_said() {
        let (mut faults, now) = (Faults::new(1), Instant::now());
        let files = Files::Of(FileKind::Sst);
        faults.inject(Fault::FlippedReads { files, one_in: 4 }, now);
        let mut flips = |path: &str, call: Call| {
            let judge =
                |_: &u32| matches!(faults.judge(&subject(call, path), now, &[]), Ruling::Done(t) if t.flip.is_some());
            (0..400).filter(judge).count()
        };
        assert!((50..150).contains(&flips("1.sst", Call::Read)));
        assert_eq!(flips("1.log", Call::Read) + flips("1.sst", Call::Write), 0);
    }
}
