//! Patterns of LIST and LSUB (RFC 3501 6.3.8).
//!
//! All positions of the pattern that the name read so far can stand at are carried along as a set of bits, so that
//! matching takes (length of the name) times (length of the pattern / 64) steps, whatever the wildcards are.
//!
//! Invariant: of two wildcards in a row one is dropped, so that stepping over one never meets another.

use mail_model::SEPARATOR;
use unicode_normalization::UnicodeNormalization as _;

use crate::limits::PATTERN_BYTES_MAX;

const WORD_BITS: usize = u64::BITS as usize;
const INBOX: &str = "INBOX";

/// A pattern over decoded names: `*` stands for anything, `%` for anything without a separator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListPattern {
    text: Vec<char>,
    /// For each character of the pattern, the positions at which it stands; sorted by character.
    positions: Vec<(char, Bits)>,
    stars: Bits,
    percents: Bits,
}

/// One bit for each position of a pattern and its end.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Bits(Box<[u64]>);

impl Bits {
    fn none(len: usize) -> Self {
        Self(vec![0; len.div_ceil(WORD_BITS)].into())
    }

    fn set(&mut self, at: usize) {
        self.0[at / WORD_BITS] |= 1 << (at % WORD_BITS);
    }

    fn has(&self, at: usize) -> bool {
        self.0[at / WORD_BITS] & (1 << (at % WORD_BITS)) != 0
    }

    fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }
}

impl ListPattern {
    /// The pattern of decoded `text`; `None` when it is longer than [`PATTERN_BYTES_MAX`].
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        if text.len() > PATTERN_BYTES_MAX {
            return None;
        }
        let mut chars: Vec<char> = Vec::with_capacity(text.len());
        for c in text.nfc() {
            match (chars.last_mut(), c) {
                (Some('*'), '*' | '%') | (Some('%'), '%') => {}
                (Some(last @ '%'), '*') => *last = '*',
                _ => chars.push(c),
            }
        }
        let len = chars.len() + 1;
        let (mut stars, mut percents) = (Bits::none(len), Bits::none(len));
        let mut positions: Vec<(char, Bits)> = Vec::new();
        for (at, c) in chars.iter().enumerate() {
            match c {
                '*' => stars.set(at),
                '%' => percents.set(at),
                _ => {
                    let index = positions
                        .binary_search_by_key(c, |(known, _)| *known)
                        .unwrap_or_else(|index| {
                            positions.insert(index, (*c, Bits::none(len)));
                            index
                        });
                    positions[index].1.set(at);
                }
            }
        }
        Some(Self {
            text: chars,
            positions,
            stars,
            percents,
        })
    }

    /// Whether there is a `%`: LSUB then shows levels above subscribed names too (RFC 3501 6.3.9).
    #[must_use]
    pub fn has_percent(&self) -> bool {
        !self.percents.is_empty()
    }

    /// Whether the whole of `name` fits. INBOX fits in any case, as the first part of a name.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let is_inbox = name
            .strip_prefix(INBOX)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(SEPARATOR));
        let mut active = Bits::none(self.text.len() + 1);
        active.set(0);
        self.pass_wildcards(&mut active);
        for (at, c) in name.chars().enumerate() {
            let any_case = is_inbox && at < INBOX.len();
            active = self.step(&active, c, any_case);
            if active.is_empty() {
                return false;
            }
        }
        active.has(self.text.len())
    }

    fn step(&self, active: &Bits, c: char, any_case: bool) -> Bits {
        let positions = |c: char| {
            let found = self.positions.binary_search_by_key(&c, |(known, _)| *known);
            found.ok().map(|index| &self.positions[index].1)
        };
        let same = positions(c);
        let other_case = any_case.then(|| positions(c.to_ascii_lowercase())).flatten();
        let mut next = Bits::none(self.text.len() + 1);
        let mut carry = 0;
        for (at, word) in next.0.iter_mut().enumerate() {
            let here = |bits: Option<&Bits>| bits.map_or(0, |bits| bits.0[at]);
            let stay = self.stars.0[at] | if c == SEPARATOR { 0 } else { self.percents.0[at] };
            let moved = active.0[at] & (here(same) | here(other_case));
            *word = (active.0[at] & stay) | (moved << 1) | carry;
            carry = moved >> (WORD_BITS - 1);
        }
        self.pass_wildcards(&mut next);
        next
    }

    /// A wildcard may also stand for nothing.
    fn pass_wildcards(&self, active: &mut Bits) {
        let mut carry = 0;
        for (at, word) in active.0.iter_mut().enumerate() {
            let passed = *word & (self.stars.0[at] | self.percents.0[at]);
            *word |= (passed << 1) | carry;
            carry = passed >> (WORD_BITS - 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn matches(pattern: &str, name: &str) -> bool {
        ListPattern::new(pattern).unwrap().matches(name)
    }

    #[test]
    fn a_star_crosses_separators_and_a_percent_does_not() {
        assert!(matches("*", "a/b/c") && matches("a*c", "a/b/c") && matches("a/*", "a/"));
        assert!(matches("%", "a") && !matches("%", "a/b") && matches("a/%/c", "a/b/c") && !matches("a/%", "a/b/c"));
        assert!(matches("%%*%", "a/b") && matches("%/%", "a/b") && !matches("", "a") && matches("", ""));
        assert!(!matches("a", "A") && !matches("a", "ab") && !matches("ab", "a"));
    }

    #[test]
    fn inbox_fits_in_any_case_but_only_as_first_part() {
        assert!(matches("inbox", "INBOX") && matches("iNb%", "INBOX") && matches("inbox/%", "INBOX/a"));
        assert!(!matches("a/inbox", "a/INBOX") && !matches("inboxes", "INBOXES") && !matches("inbox/A", "INBOX/a"));
    }

    #[test]
    fn patterns_compare_in_nfc() {
        assert!(matches("Caf\u{65}\u{301}*", "Caf\u{e9}/x"));
    }

    #[test]
    fn many_wildcards_cost_no_more_than_few() {
        let pattern = ListPattern::new(&"%a*a".repeat(400)).unwrap();
        let (fits, short) = ("a".repeat(1_000), "a".repeat(799));
        let start = std::time::Instant::now();
        for _ in 0..100 {
            assert!(pattern.matches(&fits));
            assert!(!pattern.matches(&short));
        }
        assert!(start.elapsed() < std::time::Duration::from_secs(5));
    }

    /// The definition, without care for time.
    fn reference(pattern: &[char], name: &[char]) -> bool {
        match pattern.split_first() {
            None => name.is_empty(),
            Some((wild @ ('*' | '%'), rest)) => {
                let steps = name
                    .iter()
                    .position(|c| *wild == '%' && *c == '/')
                    .unwrap_or(name.len());
                (0..=steps).any(|taken| reference(rest, &name[taken..]))
            }
            Some((c, rest)) => name
                .split_first()
                .is_some_and(|(first, left)| first == c && reference(rest, left)),
        }
    }

    proptest! {
        #[test]
        fn matching_is_what_its_definition_says(pattern in "[ab/*%]{0,8}", name in "[ab/]{0,10}") {
            let (p, n): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
            prop_assert_eq!(matches(&pattern, &name), reference(&p, &n));
        }

        #[test]
        fn long_patterns_cross_words(prefix in "[ab]{60,70}", tail in "[ab]{0,70}") {
            let name = format!("{}{}", prefix, tail);
            let pattern = format!("{}*", prefix);
            prop_assert!(matches(&pattern, &name));
            let other = format!("{}c", name);
            prop_assert!(!matches(&name, &other));
        }
    }
}
