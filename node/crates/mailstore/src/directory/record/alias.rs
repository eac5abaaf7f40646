//! An address that stands for others.

use std::fmt;

use mail_model::{AccountId, Address};
use minicbor::{Decode, Encode};

/// Whom an alias, a catch-all or the postmaster rule names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum Target {
    /// An address of this cluster: of an account, or an alias again.
    #[n(0)]
    Address(#[n(0)] Address),
    /// An account, whatever its addresses are.
    #[n(1)]
    Account(#[n(0)] AccountId),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Account(id) => write!(f, "account {id}"),
        }
    }
}

/// An alias: one address to many targets, all of which exist.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(in crate::directory) struct Alias {
    /// Its targets, each once, in the order in which they were added; never empty.
    #[n(0)]
    pub(in crate::directory) targets: Vec<Target>,
}

#[cfg(test)]
mod tests {
    use super::super::golden;
    use super::*;

    #[test]
    fn aliases_of_version_1_stay_readable() {
        let targets = vec![
            Target::Address(Address::new("a@b.c").unwrap()),
            Target::Account(AccountId(7)),
        ];
        golden::check(&Alias { targets }, "01818282008182616163622e6382018107");
    }
}
