//! Values that hold for the whole cluster and that an administrator may change.

use mail_model::Domain;
use minicbor::{Decode, Encode};

use super::Target;
use crate::directory::limits::MESSAGE_BYTES_DEFAULT;

/// The policy of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Policy {
    /// Largest message that is taken, in bytes.
    #[n(0)]
    pub message_bytes_max: u64,
    /// Quota in bytes of accounts that have none of their own; `None` is no limit.
    #[n(1)]
    pub default_quota_bytes: Option<u64>,
    /// The domain of those who log in by a bare name.
    #[n(2)]
    pub default_domain: Option<Domain>,
    /// Who gets mail for `postmaster` where no address of that name exists; `None` is the account made first.
    #[n(3)]
    pub postmaster: Option<Target>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            message_bytes_max: MESSAGE_BYTES_DEFAULT,
            default_quota_bytes: None,
            default_domain: None,
            postmaster: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::golden;
    use super::*;

    #[test]
    fn policies_of_version_1_stay_readable() {
        golden::check(&Policy::default(), "01811a03200000");
        let policy = Policy {
            message_bytes_max: 1,
            default_quota_bytes: Some(2),
            default_domain: Some(Domain::new("b.c").unwrap()),
            postmaster: Some(Target::Account(mail_model::AccountId(7))),
        };
        golden::check(&policy, "0184010263622e6382018107");
    }
}
