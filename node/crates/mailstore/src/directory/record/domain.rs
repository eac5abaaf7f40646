//! A domain whose mail this cluster takes, or another name of one.

use mail_model::Domain;
use minicbor::{Decode, Encode};

use super::Target;

/// What a domain is.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum DomainKind {
    /// It holds addresses.
    #[n(0)]
    Own {
        /// Whether `ann+detail` reaches `ann`.
        #[n(0)]
        detail: bool,
        /// Who gets mail for local parts that do not exist.
        #[n(1)]
        catch_all: Option<Target>,
    },
    /// Every address in it is the one with the same local part in another domain, which is [`DomainKind::Own`].
    #[n(1)]
    AliasOf(#[n(0)] Domain),
}

/// One domain.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(in crate::directory) struct DomainRecord {
    /// What it is.
    #[n(0)]
    pub(in crate::directory) kind: DomainKind,
}

impl DomainRecord {
    /// A domain as it is when added: with `+detail`, without a catch-all.
    pub(in crate::directory) fn new() -> Self {
        Self {
            kind: DomainKind::Own {
                detail: true,
                catch_all: None,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use mail_model::AccountId;

    use super::super::golden;
    use super::*;

    #[test]
    fn domains_of_version_1_stay_readable() {
        golden::check(&DomainRecord::new(), "0181820081f5");
        let kind = DomainKind::Own {
            detail: false,
            catch_all: Some(Target::Account(AccountId(7))),
        };
        golden::check(&DomainRecord { kind }, "0181820082f482018107");
        let kind = DomainKind::AliasOf(Domain::new("b.c").unwrap());
        golden::check(&DomainRecord { kind }, "018182018163622e63");
    }
}
