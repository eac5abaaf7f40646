//! Numbers and ids of messages and mailboxes as the mail protocols show them (RFC 3501 2.3, RFC 7162, RFC 8474).
//!
//! Invariants: a [`Uid`], [`SeqNum`] or [`UidValidity`] that exists is not zero; a [`ModSeq`] fits into 63 bits.

use std::fmt;
use std::num::NonZeroU32;

use minicbor::{Decode, Encode};

macro_rules! nonzero_number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
        #[cbor(transparent)]
        pub struct $name(#[n(0)] pub NonZeroU32);

        impl $name {
            /// The lowest one.
            pub const MIN: Self = Self(NonZeroU32::MIN);
            /// The highest one.
            pub const MAX: Self = Self(NonZeroU32::MAX);

            /// `None` for zero.
            #[must_use]
            pub const fn new(number: u32) -> Option<Self> {
                match NonZeroU32::new(number) {
                    Some(number) => Some(Self(number)),
                    None => None,
                }
            }

            /// The plain number.
            #[must_use]
            pub const fn get(self) -> u32 {
                self.0.get()
            }

            /// The one after it; `None` after the highest.
            #[must_use]
            pub fn next(self) -> Option<Self> {
                self.0.checked_add(1).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

nonzero_number! {
    /// Unique identifier of a message in its mailbox; never given twice under one UIDVALIDITY (RFC 3501 2.3.1.1).
    Uid
}
nonzero_number! {
    /// Position of a message in a session's view of a mailbox, from 1 (RFC 3501 2.3.1.2).
    SeqNum
}
nonzero_number! {
    /// Says whether UIDs of earlier sessions still hold; strictly rising within an account (DESIGN M5).
    UidValidity
}

/// One step of an account's only counter of changes (RFC 7162, DESIGN M3). Zero means before every change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct ModSeq(#[n(0)] pub u64);

impl ModSeq {
    /// The highest that the protocols can carry.
    pub const MAX: Self = Self(i64::MAX as u64);
}

impl fmt::Display for ModSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

macro_rules! object_id {
    ($(#[$doc:meta])* $name:ident, $letter:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
        #[cbor(transparent)]
        pub struct $name(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 16]);

        /// As an object id of RFC 8474: a letter and 32 hexadecimal digits.
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($letter)?;
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }
    };
}

object_id! {
    /// EMAILID: names the content of a message; COPY and MOVE share it (DESIGN M7).
    EmailId, "M"
}
object_id! {
    /// THREADID: set at arrival and never merged (DESIGN M7).
    ThreadId, "T"
}

/// When a message was received, as INTERNALDATE shows it. May lie before 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Encode, Decode)]
pub struct InternalDate {
    /// Seconds since 1970, UTC.
    #[n(0)]
    pub utc_seconds: i64,
    /// Minutes east of Greenwich, within a day.
    #[n(1)]
    pub offset_minutes: i16,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_exists_is_not_zero() {
        assert_eq!(Uid::new(0), None);
        assert_eq!(Uid::new(7).map(Uid::get), Some(7));
        assert_eq!(Uid::MAX.next(), None);
    }

    #[test]
    fn an_object_id_is_a_letter_and_hexadecimal_digits() {
        let text = EmailId([0xAB; 16]).to_string();
        assert_eq!(text, format!("M{}", "ab".repeat(16)));
    }
}
