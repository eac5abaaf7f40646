//! The committed instruction counts, in `benches/micro-baseline.txt`: a line for each path, its name and its count.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, ensure};

use crate::limits::DEARER_MAX;
use crate::report::short;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/micro-baseline.txt");

/// Instructions of one run of each path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Baseline(BTreeMap<String, u64>);

impl Baseline {
    pub(super) fn read() -> anyhow::Result<Self> {
        Self::parse(&fs::read_to_string(FILE).with_context(|| format!("read {FILE}"))?)
    }

    fn parse(text: &str) -> anyhow::Result<Self> {
        let line = |line: &str| {
            let (name, count) = line.split_once(' ').context("a line without a count")?;
            let count = count
                .trim()
                .parse()
                .with_context(|| format!("read {line:?} of {FILE}"))?;
            Ok((name.to_owned(), count))
        };
        text.lines().map(line).collect::<anyhow::Result<_>>().map(Self)
    }

    pub(super) fn write(&self) -> anyhow::Result<()> {
        let lines = self.0.iter().map(|(name, count)| format!("{name} {count}\n"));
        fs::write(FILE, lines.collect::<String>()).with_context(|| format!("write {FILE}"))
    }

    pub(super) fn set(&mut self, name: &str, count: u64) {
        self.0.insert(name.to_owned(), count);
    }

    pub(super) fn get(&self, name: &str) -> Option<u64> {
        self.0.get(name).copied()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(name, count)| (name.as_str(), *count))
    }

    /// With the counts of `newer` in place of its own.
    pub(super) fn with(&self, newer: &Self) -> Self {
        let mut counts = self.0.clone();
        counts.extend(newer.0.clone());
        Self(counts)
    }

    /// # Errors
    /// When a path of `now` takes more than [`DEARER_MAX`] times what it took.
    pub(super) fn ensure_not_dearer(&self, now: &Self) -> anyhow::Result<()> {
        let dearer = now.iter().filter_map(|(name, count)| {
            let times = times(self.get(name)?, count)?;
            (times > DEARER_MAX).then(|| format!("{name} takes {} times what it took", short(times)))
        });
        let dearer: Vec<String> = dearer.collect();
        ensure!(
            dearer.is_empty(),
            "{}: make it cheaper, or write a new baseline with --update and say why",
            dearer.join(", ")
        );
        Ok(())
    }
}

/// `now` over `before`; `None` where there is nothing to divide by.
pub(super) fn times(before: u64, now: u64) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "numbers of instructions")]
    let times = now as f64 / before as f64;
    (before > 0).then_some(times)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_got_dearer_is_named() {
        let before = Baseline::parse("a 1000\nb 1000\n").unwrap();
        let now = |a, b| Baseline::parse(&format!("a {a}\nb {b}\nnew 7\n")).unwrap();
        before.ensure_not_dearer(&now(1_090, 10)).unwrap();
        let error = before.ensure_not_dearer(&now(1_000, 1_110)).unwrap_err().to_string();
        assert!(error.starts_with("b takes 1.11 times what it took"), "{error}");
        assert_eq!(before.with(&now(1, 2)), now(1, 2));
        assert!(Baseline::parse("a many\n").is_err());
    }
}
