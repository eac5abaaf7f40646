//! What of the bytes of files is not durable, and how to lose it: for each file, what its last sync has made durable of
//! those blocks that were changed since, and how long the file was.
//!
//! Invariants
//! - A change is noted before it is made, under one lock with it.
//! - Going back over the generations of a file, the newest first, makes it what its last sync has left.
//! - A sync that is under way has made nothing durable yet; what is written meanwhile is of the next generation.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::ops::AddAssign;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::limits::BLOCK_BYTES;

/// What a power cut takes of what is not durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// All of it.
    Everything,
    /// Of each file some blocks, at random, and some of its end; of the changed names the newest few.
    Some {
        /// Decides which.
        seed: u64,
    },
}

/// What a power cut took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// Files with bytes that were not durable.
    pub files: usize,
    /// Blocks that were changed or added and are as they were, or gone.
    pub blocks: usize,
    /// Names that were made, changed or removed and are as they were.
    pub names: usize,
}

impl AddAssign for Lost {
    fn add_assign(&mut self, other: Self) {
        self.files += other.files;
        self.blocks += other.blocks;
        self.names += other.names;
    }
}

/// A file with changes that are not durable.
struct Changed {
    file: Arc<File>,
    generations: Vec<Generation>,
}

/// Changes between two syncs.
struct Generation {
    id: u64,
    /// Of the file when it began.
    len: u64,
    /// Blocks as they were when it began, as far as they were changed.
    old: BTreeMap<u64, Vec<u8>>,
    /// The next change is of another generation.
    is_closed: bool,
}

/// See the module. Files by their numbers.
#[derive(Default)]
pub(super) struct Unsynced {
    files: BTreeMap<u64, Changed>,
    last_id: u64,
}

/// Generations of one file that become durable together.
pub(super) struct Sync {
    number: u64,
    up_to: u64,
}

impl Unsynced {
    /// Bytes are about to be written.
    pub(super) fn writes(&mut self, number: u64, file: &Arc<File>, offset: u64, len: u64) -> io::Result<()> {
        let generation = self.generation(number, file)?;
        match len {
            0 => Ok(()),
            len => generation.keep(file, offset, offset + len),
        }
    }

    /// The length is about to change.
    pub(super) fn resizes(&mut self, number: u64, file: &Arc<File>, len: u64) -> io::Result<()> {
        let generation = self.generation(number, file)?;
        generation.keep(file, len, generation.len)
    }

    fn generation(&mut self, number: u64, file: &Arc<File>) -> io::Result<&mut Generation> {
        let changed = self.files.entry(number).or_insert_with(|| Changed {
            file: file.clone(),
            generations: Vec::new(),
        });
        if changed.generations.last().is_none_or(|last| last.is_closed) {
            self.last_id += 1;
            changed.generations.push(Generation {
                id: self.last_id,
                len: file.metadata()?.len(),
                old: BTreeMap::new(),
                is_closed: false,
            });
        }
        Ok(changed.generations.last_mut().expect("just made"))
    }

    /// A sync begins.
    pub(super) fn begin_sync(&mut self, number: u64) -> Sync {
        let generations = self.files.get_mut(&number).map(|changed| &mut changed.generations);
        for generation in generations.into_iter().flatten() {
            generation.is_closed = true;
        }
        let up_to = self.last_id;
        Sync { number, up_to }
    }

    /// The sync is done.
    pub(super) fn end_sync(&mut self, Sync { number, up_to }: &Sync) {
        if let Some(changed) = self.files.get_mut(number) {
            changed.generations.retain(|generation| generation.id > *up_to);
            if changed.generations.is_empty() {
                self.files.remove(number);
            }
        }
    }

    /// A file is gone for good.
    pub(super) fn forget(&mut self, number: u64) {
        self.files.remove(&number);
    }

    /// Loses it.
    pub(super) fn lose(&mut self, loss: Loss) -> io::Result<Lost> {
        let mut lost = Lost::default();
        for (number, changed) in std::mem::take(&mut self.files) {
            lost.files += 1;
            lost.blocks += match loss {
                Loss::Everything => changed.lose_all()?,
                Loss::Some { seed } => changed.lose_some(&mut StdRng::seed_from_u64(seed ^ number))?,
            };
        }
        Ok(lost)
    }
}

impl Generation {
    /// Keeps the blocks between two offsets, as far as the file had them.
    fn keep(&mut self, file: &File, from: u64, to: u64) -> io::Result<()> {
        let to = to.min(self.len);
        if from >= to {
            return Ok(());
        }
        for block in from / BLOCK_BYTES..=(to - 1) / BLOCK_BYTES {
            if !self.old.contains_key(&block) {
                let start = block * BLOCK_BYTES;
                let len = BLOCK_BYTES.min(self.len - start);
                let mut bytes = vec![0; usize::try_from(len).expect("a block")];
                file.read_exact_at(&mut bytes, start)?;
                self.old.insert(block, bytes);
            }
        }
        Ok(())
    }
}

impl Changed {
    /// How long the file is as far as it is durable, and what its changed blocks held then.
    fn durable(&self) -> (u64, BTreeMap<u64, &[u8]>) {
        let len = self.generations.first().map_or(0, |first| first.len);
        let mut blocks = BTreeMap::new();
        for (block, bytes) in self.generations.iter().flat_map(|generation| &generation.old) {
            let room = usize::try_from(len.saturating_sub(block * BLOCK_BYTES)).unwrap_or(usize::MAX);
            // The oldest counts.
            blocks.entry(*block).or_insert(&bytes[..bytes.len().min(room)]);
        }
        (len, blocks)
    }

    fn lose_all(&self) -> io::Result<usize> {
        let (len, blocks) = self.durable();
        let added = self.file.metadata()?.len().saturating_sub(len).div_ceil(BLOCK_BYTES);
        self.file.set_len(len)?;
        for (block, bytes) in &blocks {
            self.file.write_all_at(bytes, block * BLOCK_BYTES)?;
        }
        Ok(blocks.len() + usize::try_from(added).expect("a file that was written"))
    }

    fn lose_some(&self, rng: &mut StdRng) -> io::Result<usize> {
        let (durable_len, blocks) = self.durable();
        let len = self.file.metadata()?.len();
        if len < durable_len {
            // It was cut short, wholly or not at all.
            return if rng.random() { self.lose_all() } else { Ok(0) };
        }
        let left = rng.random_range(durable_len..=len);
        let mut lost = usize::try_from((len - left).div_ceil(BLOCK_BYTES)).expect("a file that was written");
        self.file.set_len(left)?;
        let added = (durable_len / BLOCK_BYTES..left.div_ceil(BLOCK_BYTES)).filter(|_| left > durable_len);
        let touched: BTreeSet<u64> = blocks.keys().copied().chain(added).collect();
        for block in touched {
            if rng.random() {
                continue;
            }
            let (start, end) = (block * BLOCK_BYTES, ((block + 1) * BLOCK_BYTES).min(left));
            // What is kept of it lies below the durable length, and what lies above was never written.
            if let Some(bytes) = blocks.get(&block) {
                self.file.write_all_at(bytes, start)?;
            }
            let hole = start.max(durable_len);
            if hole < end {
                let zeros = vec![0; usize::try_from(end - hole).expect("a block")];
                self.file.write_all_at(&zeros, hole)?;
            }
            lost += 1;
        }
        Ok(lost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: u64 = 7;

    struct Rig {
        unsynced: Unsynced,
        file: Arc<File>,
    }

    impl Rig {
        fn with(content: &[u8]) -> Self {
            let file = Arc::new(tempfile::tempfile().unwrap());
            file.write_all_at(content, 0).unwrap();
            let unsynced = Unsynced::default();
            Self { unsynced, file }
        }

        fn write(&mut self, offset: u64, bytes: &[u8]) {
            self.unsynced
                .writes(FILE, &self.file, offset, bytes.len() as u64)
                .unwrap();
            self.file.write_all_at(bytes, offset).unwrap();
        }

        fn resize(&mut self, len: u64) {
            self.unsynced.resizes(FILE, &self.file, len).unwrap();
            self.file.set_len(len).unwrap();
        }

        fn content(&self) -> Vec<u8> {
            let len = self.file.metadata().unwrap().len();
            let mut content = vec![0; usize::try_from(len).unwrap()];
            self.file.read_exact_at(&mut content, 0).unwrap();
            content
        }
    }

    #[test]
    fn what_was_not_synced_is_lost_and_what_was_is_not() {
        let mut rig = Rig::with(&[1; 10_000]);
        rig.write(9_000, &[2; 3_000]);
        let sync = rig.unsynced.begin_sync(FILE);
        rig.unsynced.end_sync(&sync);
        let durable = rig.content();
        rig.write(0, &[3; 5_000]);
        rig.resize(100);
        rig.write(50, &[4; 9_000]);
        rig.write(20_000, &[5; 100]);
        assert!(rig.unsynced.lose(Loss::Everything).unwrap().blocks > 0);
        assert_eq!(rig.content(), durable);
        assert_eq!(rig.unsynced.lose(Loss::Everything).unwrap(), Lost::default());
    }

    #[test]
    fn a_sync_covers_what_was_written_before_it_began() {
        for (is_done, kept) in [(false, 1), (true, 2)] {
            let mut rig = Rig::with(&[1; 100]);
            rig.write(0, &[2; 100]);
            let sync = rig.unsynced.begin_sync(FILE);
            rig.write(50, &[3; 100]);
            if is_done {
                rig.unsynced.end_sync(&sync);
            }
            rig.unsynced.lose(Loss::Everything).unwrap();
            assert_eq!(rig.content(), [kept; 100]);
        }
    }

    #[test]
    fn some_loss_takes_no_durable_byte_and_invents_none() {
        let mut outcomes = BTreeSet::new();
        for seed in 0..50 {
            let mut rig = Rig::with(&[1; 10_000]);
            rig.write(10_000, &[2; 30_000]);
            rig.write(4_096, &[3; 100]);
            rig.unsynced.lose(Loss::Some { seed }).unwrap();
            let content = rig.content();
            assert!((10_000..=40_000).contains(&content.len()));
            let is_as_it_was = |(at, byte): (usize, &u8)| match at {
                4_096..4_196 => matches!(byte, 1 | 3),
                0..10_000 => *byte == 1,
                _ => matches!(byte, 0 | 2),
            };
            assert!(content.iter().enumerate().all(is_as_it_was), "seed {seed}");
            outcomes.insert(content);
        }
        assert!(outcomes.len() > 40, "{} ways", outcomes.len());
    }
}
