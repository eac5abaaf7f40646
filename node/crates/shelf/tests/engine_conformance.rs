//! What every engine owes (see `engine.rs`), run by both.

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use mail_model::{ClusterId, NodeId, ShelfId};
use proptest::prelude::*;
use shelf::{
    Batch, Column, Crash, Engine, EngineSnapshot, KeyRange, MemDisk, RocksEngine, SharedPool, ShelfIdentity, ShelfLabel,
};

/// A place where an engine can be opened again and again.
enum Rig {
    Mem(MemDisk),
    Rocks { dir: tempfile::TempDir, pool: SharedPool },
}

impl Rig {
    fn both() -> [Self; 2] {
        let dir = tempfile::tempdir().expect("temporary directory");
        let pool = SharedPool::new(1, 8 << 20).expect("pool");
        let identity = ShelfIdentity {
            cluster: ClusterId([1; 16]),
            node: NodeId([2; 16]),
            shelf: ShelfId([3; 16]),
        };
        shelf::init("r", dir.path(), &identity, &pool).expect("made");
        [Self::Mem(MemDisk::new("m")), Self::Rocks { dir, pool }]
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Mem(_) => "memory",
            Self::Rocks { .. } => "rocksdb",
        }
    }

    /// Opens; any engine opened before must be gone.
    fn open(&self) -> Arc<dyn Engine> {
        match self {
            Self::Mem(disk) => {
                disk.crash(Crash::KeepAll);
                Arc::new(disk.open())
            }
            Self::Rocks { dir, pool } => {
                let db: PathBuf = dir.path().join("db");
                Arc::new(RocksEngine::open(&ShelfLabel::new("r", 1), &db, pool).expect("opens"))
            }
        }
    }
}

fn rows(view: &dyn EngineSnapshot, column: Column, range: &KeyRange, reverse: bool) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut rows = Vec::new();
    let mut visit = |key: &[u8], value: &[u8]| {
        rows.push((key.to_vec(), value.to_vec()));
        ControlFlow::Continue(())
    };
    let scanned = if reverse {
        view.scan_reverse(column, range, &mut visit)
    } else {
        view.scan(column, range, &mut visit)
    };
    scanned.expect("scans");
    rows
}

#[test]
fn steps_of_a_batch_count_in_their_order() {
    for rig in Rig::both() {
        let engine = rig.open();
        let mut batch = Batch::new();
        batch.put(Column::Log, "a", "1");
        batch.put(Column::Log, "b", "1");
        batch.delete_range(Column::Log, "a", "c");
        batch.put(Column::Log, "b", "2");
        batch.put(Column::State, "a", "other column");
        batch.put(Column::Log, "c", "3");
        batch.delete(Column::Log, "c");
        engine.write(&batch).expect("written");
        let values = engine
            .multi_get(Column::Log, &[b"c".to_vec(), b"b".to_vec(), b"a".to_vec()])
            .expect("reads");
        assert_eq!(values, [None, Some(Bytes::from_static(b"2")), None], "{}", rig.name());
        assert_eq!(
            engine.get(Column::State, b"a").expect("reads"),
            Some("other column".into()),
            "{}",
            rig.name()
        );
    }
}

#[test]
fn a_snapshot_does_not_see_what_comes_later() {
    for rig in Rig::both() {
        let engine = rig.open();
        let put = |value: &'static str| {
            let mut batch = Batch::new();
            batch.put(Column::State, "key", value);
            engine.write(&batch).expect("written");
        };
        put("old");
        let view = engine.snapshot().expect("taken");
        put("new");
        assert_eq!(
            view.get(Column::State, b"key").expect("reads"),
            Some("old".into()),
            "{}",
            rig.name()
        );
        let all = view
            .multi_get(Column::State, &[b"key".to_vec(), b"no".to_vec()])
            .expect("reads");
        assert_eq!(all, [Some("old".into()), None], "{}", rig.name());
        assert_eq!(
            engine.get(Column::State, b"key").expect("reads"),
            Some("new".into()),
            "{}",
            rig.name()
        );
        drop(engine);
        // A view keeps its database open.
        assert_eq!(
            view.get(Column::State, b"key").expect("reads"),
            Some("old".into()),
            "{}",
            rig.name()
        );
    }
}

#[test]
fn long_scans_are_complete_in_both_directions_and_stop_when_told() {
    for rig in Rig::both() {
        let engine = rig.open();
        let mut batch = Batch::new();
        for number in 0..20_000_u32 {
            batch.put(
                Column::State,
                number.to_be_bytes(),
                Bytes::from(vec![7; (number % 64) as usize]),
            );
        }
        for number in 0..8_u8 {
            batch.put(Column::Blob, [number], Bytes::from(vec![number; 300_000]));
        }
        engine.write(&batch).expect("written");
        let view = engine.snapshot().expect("taken");
        let forward = rows(view.as_ref(), Column::State, &KeyRange::all(), false);
        assert_eq!(forward.len(), 20_000, "{}", rig.name());
        assert!(forward.is_sorted(), "{}", rig.name());
        let mut backward = rows(view.as_ref(), Column::State, &KeyRange::all(), true);
        backward.reverse();
        assert!(forward == backward, "{}", rig.name());
        assert_eq!(
            rows(view.as_ref(), Column::Blob, &KeyRange::new([2], [6]), true).len(),
            4,
            "{}",
            rig.name()
        );
        let mut seen = 0;
        let mut visit = |_: &[u8], _: &[u8]| {
            seen += 1;
            if seen < 100 {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        };
        view.scan(Column::State, &KeyRange::all(), &mut visit).expect("scans");
        assert_eq!(seen, 100, "{}", rig.name());
    }
}

#[test]
fn what_was_synced_is_there_after_opening_again() {
    for rig in Rig::both() {
        let engine = rig.open();
        for column in Column::ALL {
            let mut batch = Batch::new();
            batch.put(column, "key", column.name());
            engine.write(&batch).expect("written");
        }
        engine.sync().expect("synced");
        drop(engine);
        let engine = rig.open();
        for column in Column::ALL {
            assert_eq!(
                engine.get(column, b"key").expect("reads"),
                Some(column.name().into()),
                "{}",
                rig.name()
            );
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Put(u8, u8),
    Delete(u8),
    DeleteRange(u8, u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0_u8..40, any::<u8>()).prop_map(|(key, value)| Step::Put(key, value)),
        2 => (0_u8..40).prop_map(Step::Delete),
        1 => (0_u8..40, 0_u8..40).prop_map(|(from, to)| Step::DeleteRange(from, to)),
    ]
}

fn apply(steps: &[Step], model: &mut BTreeMap<Vec<u8>, Vec<u8>>) -> Batch {
    let mut batch = Batch::new();
    for step in steps {
        match *step {
            Step::Put(key, value) => {
                batch.put(Column::State, [key], vec![value; 3]);
                model.insert(vec![key], vec![value; 3]);
            }
            Step::Delete(key) => {
                batch.delete(Column::State, [key]);
                model.remove([key].as_slice());
            }
            Step::DeleteRange(from, to) => {
                batch.delete_range(Column::State, [from], [to]);
                model.retain(|key, _| !(from <= key[0] && key[0] < to));
            }
        }
    }
    batch
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn any_history_of_batches_reads_like_a_sorted_map(
        history in proptest::collection::vec(proptest::collection::vec(step(), 1..12), 1..12),
        reopen_after in 0_usize..12,
        from in 0_u8..40,
        to in 0_u8..40,
    ) {
        for rig in Rig::both() {
            let mut engine = Some(rig.open());
            let mut model = BTreeMap::new();
            for (number, steps) in history.iter().enumerate() {
                let batch = apply(steps, &mut model);
                engine.as_ref().expect("open").write(&batch).expect("written");
                if number == reopen_after {
                    engine.take().expect("open").sync().expect("synced");
                    engine = Some(rig.open());
                }
            }
            let view = engine.as_ref().expect("open").snapshot().expect("taken");
            let range = KeyRange::new([from], [to]);
            let bounds = (Bound::Included(vec![from]), Bound::Excluded(vec![to.max(from)]));
            let wanted: Vec<_> = model.range(bounds).map(|(key, value)| (key.clone(), value.clone())).collect();
            prop_assert_eq!(rows(view.as_ref(), Column::State, &range, false), wanted.clone(), "{}", rig.name());
            let backward: Vec<_> = wanted.into_iter().rev().collect();
            prop_assert_eq!(rows(view.as_ref(), Column::State, &range, true), backward, "{}", rig.name());
            for key in 0..40 {
                let value = view.get(Column::State, &[key]).expect("reads").map(|value| value.to_vec());
                prop_assert_eq!(value.as_ref(), model.get([key].as_slice()), "{}", rig.name());
            }
        }
    }
}
