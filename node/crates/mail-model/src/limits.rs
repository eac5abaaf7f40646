//! Every bound of the values that all crates speak in, in one place; and what a bound looks like when it is shown.
//!
//! Invariants
//! - Name, value and explanation of a [`Limit`] are those of the constant itself: the value is the compiler's, the
//!   explanation is read from the source, so that none of them can drift from what holds.
//! - Each `limits.rs` of the house ends with [`limits_table!`]; the test `tidy` sees that it names every constant.

use std::ops::RangeInclusive;
use std::time::Duration;

/// Longest local part in octets (RFC 5321 4.5.3.1.1).
pub const LOCAL_BYTES_MAX: usize = 64;
/// Longest domain in octets (RFC 5321 4.5.3.1.2).
pub const DOMAIN_BYTES_MAX: usize = 255;

/// Longest name of a mailbox in octets of UTF-8.
pub const NAME_BYTES_MAX: usize = 1_000;
/// Most leaves in the name of a mailbox.
pub const DEPTH_MAX: usize = 32;

/// Longest keyword in octets.
pub const KEYWORD_BYTES_MAX: usize = 128;

/// Longest name or password of a log-in, in octets; RFC 4616 asks for at least 255.
pub const SASL_TEXT_BYTES_MAX: usize = 1_024;

/// One bound, as it is shown to an administrator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// The part of the house that holds to it, such as `smtp-wire`.
    pub part: &'static str,
    /// The constant, such as `RECIPIENTS_MAX`.
    pub name: String,
    /// How much.
    pub value: u64,
    /// Of what: `bytes`, `KiB`, `ms`, `days`, or `count` for what is counted.
    pub unit: &'static str,
    /// What it bounds and protects, from the constant's documentation.
    pub protects: String,
}

/// What a constant of a `limits.rs` can be.
pub trait Bound {
    /// Its numbers, each with what tells it from the others of the same constant, and with its unit unless that shows in
    /// the constant's name.
    fn numbers(&self) -> Vec<(&'static str, u64, Option<&'static str>)>;
}

macro_rules! bound_of_number {
    ($($number:ty),*) => {$(
        impl Bound for $number {
            fn numbers(&self) -> Vec<(&'static str, u64, Option<&'static str>)> {
                // No bound is negative or beyond 64 bits; one that were would show as such.
                vec![("", u64::try_from(*self).unwrap_or(u64::MAX), None)]
            }
        }
    )*};
}
bound_of_number!(u16, u32, u64, usize, i32);

impl Bound for Duration {
    fn numbers(&self) -> Vec<(&'static str, u64, Option<&'static str>)> {
        vec![("", u64::try_from(self.as_millis()).unwrap_or(u64::MAX), Some("ms"))]
    }
}

impl Bound for RangeInclusive<u64> {
    fn numbers(&self) -> Vec<(&'static str, u64, Option<&'static str>)> {
        vec![(".start", *self.start(), None), (".end", *self.end(), None)]
    }
}

/// Shows one constant whose documentation is in `source`, the text of its `limits.rs`.
#[must_use]
pub fn shown(part: &'static str, source: &str, name: &str, bound: &dyn Bound) -> Vec<Limit> {
    let protects = documentation(source, name);
    let number = |(which, value, unit): (&str, u64, Option<&'static str>)| {
        let name = format!("{name}{which}");
        Limit {
            part,
            value,
            unit: unit.unwrap_or_else(|| unit_in(&name)),
            name,
            protects: protects.clone(),
        }
    };
    bound.numbers().into_iter().map(number).collect()
}

/// The unit that a name tells (STYLE: units stand in names).
fn unit_in(name: &str) -> &'static str {
    let is = |words: &[&str]| {
        let mut parts = name.split(['_', '.']);
        parts.any(|part| words.iter().any(|word| part.eq_ignore_ascii_case(word)))
    };
    match () {
        () if is(&["BYTES", "OVERHEAD"]) => "bytes",
        () if is(&["KIB"]) => "KiB",
        () if is(&["MS"]) => "ms",
        () if is(&["DAYS"]) => "days",
        () => "count",
    }
}

/// What stands above a constant in `source`, as one line of plain text. "See" another constant is what that one says.
fn documentation(source: &str, name: &str) -> String {
    let mut lines: Vec<&str> = Vec::new();
    for line in source.lines() {
        let line = line.trim();
        if let Some(text) = line.strip_prefix("///") {
            lines.push(text.trim());
            continue;
        }
        let declared = line.split_once("const ").and_then(|(_, rest)| rest.split_once(':'));
        if declared.is_some_and(|(declared, _)| declared == name) {
            let text = lines.join(" ");
            let other = text.strip_prefix("See [`").and_then(|rest| rest.strip_suffix("`]."));
            return match other {
                Some(other) if other != name => documentation(source, other),
                _ => text.replace("[`", "").replace("`]", "").replace('`', ""),
            };
        }
        lines.clear();
    }
    String::new()
}

/// Ends a `limits.rs`: names the part of the house, then every constant above that others can see. Makes `table()`, which
/// shows them.
#[macro_export]
macro_rules! limits_table {
    ($part:literal: $($name:ident),+ $(,)?) => {
        /// Every bound of this module, to be shown.
        #[must_use]
        pub fn table() -> ::std::vec::Vec<$crate::limits::Limit> {
            let source = include_str!("limits.rs");
            let mut all = ::std::vec::Vec::new();
            $(all.extend($crate::limits::shown($part, source, stringify!($name), &$name));)+
            all
        }
    };
}

limits_table!("mail-model": LOCAL_BYTES_MAX, DOMAIN_BYTES_MAX, NAME_BYTES_MAX, DEPTH_MAX, KEYWORD_BYTES_MAX, SASL_TEXT_BYTES_MAX);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_shown_with_its_value_unit_and_reason() {
        let local = table().into_iter().find(|limit| limit.name == "LOCAL_BYTES_MAX");
        let expected = Limit {
            part: "mail-model",
            name: "LOCAL_BYTES_MAX".to_owned(),
            value: 64,
            unit: "bytes",
            protects: "Longest local part in octets (RFC 5321 4.5.3.1.1).".to_owned(),
        };
        assert_eq!(local, Some(expected));
        assert!(table().iter().all(|limit| !limit.protects.is_empty()));
    }

    #[test]
    fn documentation_is_joined_and_looked_up_where_it_says_see() {
        let source = "/// Not this.\n\n/// How long, past [`B_MS`],\n/// a `thing` may take.\n\
                      pub const A_MS: u64 = 1;\n/// See [`A_MS`].\npub(crate) const B_MS: u64 = 2;\n";
        assert_eq!(documentation(source, "A_MS"), "How long, past B_MS, a thing may take.");
        assert_eq!(documentation(source, "B_MS"), documentation(source, "A_MS"));
        assert_eq!(documentation(source, "C_MS"), "");
    }

    #[test]
    fn units_are_those_of_the_name_or_the_type() {
        let unit = |name: &str, bound: &dyn Bound| shown("p", "", name, bound)[0].unit;
        assert_eq!(unit("A_BYTES_MAX", &1_usize), "bytes");
        assert_eq!(unit("RETRY_MS_MAX", &1_u64), "ms");
        assert_eq!(unit("MEMORY_KIB", &1_u32), "KiB");
        assert_eq!(unit("WITHIN", &Duration::from_secs(1)), "ms");
        assert_eq!(unit("ITEMS_MAX", &1_u64), "count");
        let range = shown("p", "", "A_BYTES", &(1..=9));
        assert_eq!((range[0].name.as_str(), range[1].value), ("A_BYTES.start", 9));
    }
}
