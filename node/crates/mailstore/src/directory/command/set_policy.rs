//! SetPolicy: values for the whole cluster, and whether a domain knows `+detail`. Several changes happen together.

use mail_model::Domain;
use minicbor::{Decode, Encode};
use replication::StateTxn;

use super::{Outcome, ensure_own_domain, founded};
use crate::directory::key;
use crate::directory::limits::{MESSAGE_BYTES_RANGE, PAGE_ROWS_MAX};
use crate::directory::naming::{self, Namer};
use crate::directory::record::{DomainKind, DomainRecord, Policy, Target};
use crate::directory::rejection::{Refused, Rejection};
use crate::directory::rows;

/// One change of policy.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum PolicyChange {
    /// Largest message that is taken, in bytes.
    #[n(0)]
    MessageBytesMax(#[n(0)] u64),
    /// Quota in bytes of accounts without one of their own; `None` is no limit.
    #[n(1)]
    DefaultQuotaBytes(#[n(0)] Option<u64>),
    /// The domain of those who log in by a bare name.
    #[n(2)]
    DefaultDomain(#[n(0)] Option<Domain>),
    /// Who gets mail for `postmaster`; `None` is the account made first.
    #[n(3)]
    Postmaster(#[n(0)] Option<Target>),
    /// Whether `ann+detail` reaches `ann` in this domain.
    #[n(4)]
    Detail {
        /// Which domain.
        #[n(0)]
        domain: Domain,
        /// Whether it does.
        #[n(1)]
        on: bool,
    },
}

/// Changes policy: all of it or, when one change is refused, nothing.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SetPolicy {
    /// In this order.
    #[n(0)]
    pub changes: Vec<PolicyChange>,
}

impl SetPolicy {
    pub(super) fn apply(&self, txn: &mut StateTxn<'_>) -> Result<Outcome, Refused> {
        founded(txn)?;
        if self.changes.len() > PAGE_ROWS_MAX {
            return Err(Rejection::too_many("changes of policy at once", PAGE_ROWS_MAX).into());
        }
        let before = rows::policy(txn)?;
        let mut policy = before.clone();
        let mut domains = Vec::new();
        for change in &self.changes {
            prepare(txn, change, &mut policy, &mut domains)?;
        }
        naming::rename(
            txn,
            &Namer::Postmaster,
            before.postmaster.as_slice(),
            policy.postmaster.as_slice(),
        );
        rows::write(txn, key::POLICY.to_vec(), &policy);
        for (domain, record) in domains {
            rows::write(txn, key::domain(&domain), &record);
        }
        Ok(Outcome::Done)
    }
}

/// Checks one change and notes what it makes of the policy and of a domain. Writes nothing.
fn prepare(
    txn: &StateTxn<'_>,
    change: &PolicyChange,
    policy: &mut Policy,
    domains: &mut Vec<(Domain, DomainRecord)>,
) -> Result<(), Refused> {
    match change {
        PolicyChange::MessageBytesMax(bytes) if MESSAGE_BYTES_RANGE.contains(bytes) => {
            policy.message_bytes_max = *bytes
        }
        PolicyChange::MessageBytesMax(_) => {
            return Err(Rejection::OutOfRange {
                what: "the largest message in bytes".to_owned(),
                min: *MESSAGE_BYTES_RANGE.start(),
                max: *MESSAGE_BYTES_RANGE.end(),
            }
            .into());
        }
        PolicyChange::DefaultQuotaBytes(quota) => policy.default_quota_bytes = *quota,
        PolicyChange::DefaultDomain(domain) => {
            if let Some(domain) = domain {
                ensure_own_domain(txn, domain)?;
            }
            policy.default_domain.clone_from(domain);
        }
        PolicyChange::Postmaster(target) => {
            let target = target.as_ref().map(|target| naming::settle(txn, target));
            policy.postmaster = target.transpose()?;
        }
        PolicyChange::Detail { domain, on } => {
            ensure_own_domain(txn, domain)?;
            if let Some(DomainKind::Own { catch_all, .. }) = rows::domain(txn, domain)?.map(|record| record.kind) {
                let kind = DomainKind::Own { detail: *on, catch_all };
                domains.push((domain.clone(), DomainRecord { kind }));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::command::{DisableAccount, RemoveAccount};
    use crate::directory::query::Resolution;
    use crate::directory::testing::{Replica, address, domain};

    fn set(change: PolicyChange) -> SetPolicy {
        SetPolicy { changes: vec![change] }
    }

    #[test]
    fn all_changes_happen_or_none() {
        let mut replica = Replica::with_domain("a.org");
        let changes = vec![
            PolicyChange::MessageBytesMax(1 << 20),
            PolicyChange::DefaultDomain(Some(domain("elsewhere.org"))),
        ];
        assert!(matches!(
            replica.refusal(SetPolicy { changes }),
            Rejection::NoSuchDomain { .. }
        ));
        replica.domain("b.org");
        let changes = vec![
            PolicyChange::MessageBytesMax(1 << 20),
            PolicyChange::DefaultQuotaBytes(Some(9)),
            PolicyChange::DefaultDomain(Some(domain("b.org"))),
        ];
        replica.done(SetPolicy { changes });
        let policy = replica.policy();
        assert_eq!(
            (policy.message_bytes_max, policy.default_quota_bytes),
            (1 << 20, Some(9))
        );
        assert_eq!(policy.default_domain, Some(domain("b.org")));
    }

    #[test]
    fn a_message_limit_without_sense_is_refused() {
        let mut replica = Replica::founded();
        for bytes in [0, 1_000, 1 << 40] {
            let refused = replica.refusal(set(PolicyChange::MessageBytesMax(bytes)));
            assert!(matches!(refused, Rejection::OutOfRange { .. }), "{bytes}");
        }
    }

    #[test]
    fn detail_is_switched_per_domain_and_keeps_the_catch_all() {
        let mut replica = Replica::with_domain("a.org");
        let ann = replica.active("ann@a.org");
        assert_eq!(
            replica.recipients("ann+lists@a.org")[0].detail.as_deref(),
            Some("lists")
        );
        let off = PolicyChange::Detail {
            domain: domain("a.org"),
            on: false,
        };
        replica.done(set(off.clone()));
        assert_eq!(replica.resolve("ann+lists@a.org"), Resolution::NoSuchUser);
        replica.done(crate::directory::command::SetCatchAll {
            domain: domain("a.org"),
            target: Some(Target::Account(ann)),
        });
        replica.done(set(off));
        assert_eq!(replica.recipients("ann+lists@a.org")[0].detail, None);
    }

    #[test]
    fn postmaster_is_the_first_account_until_somebody_is_named() {
        let mut replica = Replica::with_domain("a.org");
        assert_eq!(replica.resolve("postmaster@a.org"), Resolution::NoPostmaster);
        let first = replica.active("ann@a.org");
        let second = replica.active("bob@a.org");
        assert_eq!(replica.accounts_of("Postmaster@a.org"), [first]);
        replica.done(set(PolicyChange::Postmaster(Some(Target::Address(address(
            "bob@a.org",
        ))))));
        assert_eq!(replica.accounts_of("postmaster@a.org"), [second]);
        assert_eq!(replica.accounts_of("postmaster+x@a.org"), [second]);
        let account = second;
        assert!(matches!(
            replica.refusal(RemoveAccount { account }),
            Rejection::StillNamed { .. }
        ));
        replica.done(DisableAccount { account });
        assert_eq!(
            replica.accounts_of("postmaster@a.org"),
            [first],
            "a disabled one steps aside"
        );
        replica.done(set(PolicyChange::Postmaster(None)));
        replica.done(RemoveAccount { account });
        assert_eq!(replica.accounts_of("postmaster@a.org"), [first]);
    }

    #[test]
    fn an_address_of_the_name_comes_before_the_rule() {
        let mut replica = Replica::with_domain("a.org");
        replica.active("ann@a.org");
        let own = replica.active("postmaster@a.org");
        assert_eq!(replica.accounts_of("postmaster@a.org"), [own]);
    }
}
