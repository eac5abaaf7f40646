//! CheckAccount: the consistency check of one account: counts, references, UID order, UIDNEXT, quota, modseq index,
//! tombstones, names. Reads all its rows in one view; for operators and tests, not for sessions.

use std::collections::{BTreeMap, BTreeSet};

use mail_model::{AccountId, LogIndex, MailboxId, SystemFlags, Uid};
use minicbor::{Decode, Encode};

use crate::codec;
use crate::key;
use crate::query::GroupQuery;
use crate::record::{AccountRow, BodyRow, ColdRow, HotRow, MailboxRow, TombstoneRow};
use crate::rows::{Failure, Rows, missing};
use crate::state::{EXPUNGED, INBOX, TOP, account_row, all_mailboxes, full_names, keywords_row};

/// Findings after which a check stops writing more down.
const FINDINGS_MAX: usize = 100;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct CheckAccount {
    /// Which account.
    #[n(0)]
    pub account: AccountId,
}

/// What the check found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct CheckReport {
    /// Mailboxes looked at.
    #[n(0)]
    pub mailboxes: u32,
    /// Messages looked at.
    #[n(1)]
    pub messages: u64,
    /// What is wrong, in words; empty when all is well.
    #[n(2)]
    pub findings: Vec<String>,
    /// References that the account holds: (body, how many). The sum over the accounts of a group is what its bodies say.
    #[n(3)]
    pub references: Vec<(u64, u32)>,
}

impl CheckReport {
    fn expect(&mut self, holds: bool, finding: impl FnOnce() -> String) {
        if !holds && self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding());
        }
    }
}

impl GroupQuery for CheckAccount {
    type Reply = CheckReport;

    fn run(&self, rows: &impl Rows) -> Result<CheckReport, Failure> {
        let account = account_row(rows, self.account)?;
        let all = all_mailboxes(rows, self.account)?;
        let mut check = Check {
            rows,
            account: self.account,
            report: CheckReport::default(),
            references: BTreeMap::new(),
        };
        check.names(&account, &all)?;
        let (mut messages, mut bytes) = (0, 0);
        for row in all.values() {
            check.mailbox(&account, row)?;
            messages += u64::from(row.messages);
            bytes += row.bytes;
        }
        let report = &mut check.report;
        report.expect(account.messages == messages, || {
            format!("account counts {} messages, its mailboxes {messages}", account.messages)
        });
        report.expect(account.used_bytes == bytes, || {
            format!("account counts {} bytes, its mailboxes {bytes}", account.used_bytes)
        });
        check.bodies()?;
        check.report.references = check.references.iter().map(|(body, count)| (body.0, *count)).collect();
        Ok(check.report)
    }
}

struct Check<'r, R> {
    rows: &'r R,
    account: AccountId,
    report: CheckReport,
    references: BTreeMap<LogIndex, u32>,
}

impl<R: Rows> Check<'_, R> {
    fn names(&mut self, account: &AccountRow, all: &BTreeMap<MailboxId, MailboxRow>) -> Result<(), Failure> {
        let report = &mut self.report;
        report.mailboxes = account.mailboxes;
        report.expect(all.contains_key(&INBOX), || "there is no INBOX".to_owned());
        report.expect(account.mailboxes as usize == all.len(), || {
            format!(
                "account counts {} mailboxes, there are {}",
                account.mailboxes,
                all.len()
            )
        });
        let named = full_names(all);
        report.expect(named.len() == all.len(), || "a mailbox lies below none".to_owned());
        let mut seen = BTreeSet::new();
        for row in all.values() {
            let name_key = key::name(self.account, row.parent, &row.leaf);
            let named: Option<MailboxId> = self.rows.row("name row", &name_key)?;
            report.expect(named == Some(row.id), || {
                format!("mailbox {} is not under its name", row.id)
            });
            report.expect(row.id != TOP && row.id <= account.mailbox_id, || {
                format!("mailbox {} has an id that was not given", row.id)
            });
            report.expect(seen.insert(row.uid_validity), || {
                format!("mailbox {} shares its UIDVALIDITY", row.id)
            });
            report.expect(row.uid_validity.get() <= account.uid_validity, || {
                format!("mailbox {} has a UIDVALIDITY that was not given", row.id)
            });
        }
        let names = self.rows.rows(&key::names(self.account), usize::MAX)?.len();
        report.expect(names == all.len(), || {
            format!("{names} names for {} mailboxes", all.len())
        });
        let subscriptions = self.rows.rows(&key::subscriptions(self.account), usize::MAX)?.len();
        report.expect(account.subscriptions as usize == subscriptions, || {
            format!(
                "account counts {} subscriptions, there are {subscriptions}",
                account.subscriptions
            )
        });
        Ok(())
    }

    fn mailbox(&mut self, account: &AccountRow, row: &MailboxRow) -> Result<(), Failure> {
        let mailbox = row.id;
        let mut counted = (0_u32, 0_u32, 0_u32, 0_u64);
        let mut changes = BTreeSet::new();
        let keywords = keywords_row(self.rows, self.account, mailbox)?.keywords.len();
        for (row_key, bytes) in self.rows.rows(&key::hots(self.account, mailbox, 0), usize::MAX)? {
            let uid = key::uid_of(&row_key).ok_or_else(|| missing("uid of a hot row"))?;
            let hot = HotRow::from_bytes(&bytes)?;
            counted.0 += 1;
            counted.1 += u32::from(!hot.flags.contains(SystemFlags::SEEN));
            counted.2 += u32::from(hot.flags.contains(SystemFlags::DELETED));
            counted.3 += u64::from(hot.size);
            changes.insert((hot.modseq, uid, false));
            self.message(row, uid, &hot, keywords)?;
        }
        for (row_key, bytes) in self.rows.rows(&key::tombstones(self.account, mailbox), usize::MAX)? {
            let uid = key::uid_of(&row_key).ok_or_else(|| missing("uid of a tombstone"))?;
            let tombstone: TombstoneRow = codec::open("tombstone", &bytes)?;
            changes.insert((tombstone.modseq, uid, true));
            self.tombstone(row, uid, &tombstone)?;
        }
        self.report.messages += u64::from(counted.0);
        let report = &mut self.report;
        report.expect(counted == (row.messages, row.unseen, row.deleted, row.bytes), || {
            let row = (row.messages, row.unseen, row.deleted, row.bytes);
            format!("mailbox {mailbox} counts (messages, unseen, deleted, bytes) {row:?}, there are {counted:?}")
        });
        report.expect(row.first_recent <= row.uid_next, || {
            format!("mailbox {mailbox}: recent beyond UIDNEXT")
        });
        report.expect(row.highest_modseq <= account.modseq, || {
            format!("mailbox {mailbox} has a modseq beyond its account's")
        });
        let highest = changes.last().map(|(modseq, _, _)| *modseq);
        report.expect(highest.is_none_or(|highest| highest <= row.highest_modseq), || {
            format!("mailbox {mailbox} has a change beyond its highest modseq")
        });
        self.changes(mailbox, &changes)
    }

    fn message(&mut self, row: &MailboxRow, uid: Uid, hot: &HotRow, keywords: usize) -> Result<(), Failure> {
        let mailbox = row.id;
        let cold: Option<ColdRow> = self.rows.row("cold row", &key::cold(self.account, mailbox, uid))?;
        let body: Option<BodyRow> = self.rows.row("body row", &key::body(hot.body))?;
        let uidl = cold
            .as_ref()
            .and_then(|cold| cold.pop3.as_ref())
            .map(|pop3| pop3.uidl.clone());
        let uidl_known = match &uidl {
            Some(uidl) => self.rows.row("uidl row", &key::uidl(self.account, mailbox, uidl))? == Some(uid),
            None => !hot.has_pop3_identity,
        };
        *self.references.entry(hot.body).or_default() += 1;
        let report = &mut self.report;
        let name = || format!("message {uid} of mailbox {mailbox}");
        report.expect(u64::from(uid.get()) < row.uid_next, || {
            format!("{} is beyond UIDNEXT", name())
        });
        report.expect(hot.created_modseq <= hot.modseq, || {
            format!("{} was changed before it was made", name())
        });
        report.expect(hot.keywords.iter().all(|number| number < keywords), || {
            format!("{} has a keyword that its mailbox does not know", name())
        });
        report.expect(uidl_known, || format!("{} is not under its UIDL", name()));
        let size = cold
            .as_ref()
            .zip(body)
            .map(|(cold, body)| cold.prefix.len() as u64 + body.facts.size);
        report.expect(cold.is_some(), || format!("{} has no cold row", name()));
        report.expect(size.is_none_or(|size| size == u64::from(hot.size)), || {
            format!("{} has a wrong size", name())
        });
        Ok(())
    }

    fn tombstone(&mut self, row: &MailboxRow, uid: Uid, tombstone: &TombstoneRow) -> Result<(), Failure> {
        let live = self.rows.bytes(&key::hot(self.account, row.id, uid))?.is_some();
        if tombstone.kept.is_some() {
            *self.references.entry(tombstone.body).or_default() += 1;
        }
        let report = &mut self.report;
        report.expect(!live, || {
            format!("message {uid} of mailbox {} is there and expunged", row.id)
        });
        report.expect(u64::from(uid.get()) < row.uid_next, || {
            format!("tombstone {uid} of mailbox {} is beyond UIDNEXT", row.id)
        });
        Ok(())
    }

    fn changes(
        &mut self,
        mailbox: MailboxId,
        expected: &BTreeSet<(mail_model::ModSeq, Uid, bool)>,
    ) -> Result<(), Failure> {
        let mut found = BTreeSet::new();
        let range = key::changes(self.account, mailbox, mail_model::ModSeq(0), 0);
        for (row_key, what) in self.rows.rows(&range, usize::MAX)? {
            let (modseq, uid) = key::change_of(&row_key).ok_or_else(|| missing("position of a change"))?;
            found.insert((modseq, uid, what == EXPUNGED));
        }
        self.report.expect(found == *expected, || {
            format!("the changes of mailbox {mailbox} are not its messages'")
        });
        Ok(())
    }

    fn bodies(&mut self) -> Result<(), Failure> {
        for (body, count) in &self.references {
            let row: Option<BodyRow> = self.rows.row("body row", &key::body(*body))?;
            let structure = self.rows.bytes(&key::structure(*body))?;
            // Other accounts of the group may share it.
            let enough = row.is_some_and(|row| row.references >= *count);
            self.report
                .expect(enough, || format!("body {body} has fewer references than messages"));
            self.report
                .expect(structure.is_some(), || format!("body {body} has no structure"));
        }
        Ok(())
    }
}
