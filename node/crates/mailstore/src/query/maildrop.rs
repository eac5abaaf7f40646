//! GetMaildrop: the INBOX as POP3 lists it, page by page: UID, size as RETR sends it, UIDL (DESIGN M9, M10).

use mail_model::{AccountId, MailboxId, Uid, UidValidity};
use minicbor::{Decode, Encode};

use crate::key;
use crate::limits::PAGE_ROWS;
use crate::query::GroupQuery;
use crate::record::{ColdRow, HotRow};
use crate::rows::{Failure, Rows, missing};
use crate::state::{INBOX, default_uidl, mailbox_row};

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct GetMaildrop {
    /// Whose.
    #[n(0)]
    pub account: AccountId,
    /// The lowest UID.
    #[n(1)]
    pub from: u32,
}

/// At most [`PAGE_ROWS`] messages in the order of UIDs.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct MaildropPage {
    /// The mailbox.
    #[n(0)]
    pub mailbox: MailboxId,
    /// Its UIDVALIDITY, which QUIT names.
    #[n(1)]
    pub uid_validity: UidValidity,
    /// The messages.
    #[n(2)]
    pub items: Vec<MaildropItem>,
    /// Where the next page begins, if there may be more.
    #[n(3)]
    pub next: Option<u32>,
}

/// One message of a maildrop.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct MaildropItem {
    /// Its UID.
    #[n(0)]
    pub uid: Uid,
    /// Bytes that RETR sends, without dot-stuffing and the final dot.
    #[n(1)]
    pub size: u32,
    /// Its UIDL.
    #[n(2)]
    pub uidl: String,
    /// Its place before all messages without one, if import gave one.
    #[n(3)]
    pub order: Option<u32>,
}

impl GroupQuery for GetMaildrop {
    type Reply = MaildropPage;

    fn run(&self, rows: &impl Rows) -> Result<MaildropPage, Failure> {
        let mailbox = mailbox_row(rows, self.account, INBOX)?;
        let mut items = Vec::new();
        for (key, bytes) in rows.rows(&key::hots(self.account, INBOX, self.from), PAGE_ROWS)? {
            let uid = key::uid_of(&key).ok_or_else(|| missing("uid of a hot row"))?;
            let hot = HotRow::from_bytes(&bytes)?;
            let mut item = MaildropItem {
                uid,
                size: hot.pop3_size,
                uidl: default_uidl(INBOX, uid),
                order: None,
            };
            if hot.has_pop3_identity {
                let cold: Option<ColdRow> = rows.row("cold row", &key::cold(self.account, INBOX, uid))?;
                if let Some(pop3) = cold.and_then(|cold| cold.pop3) {
                    (item.uidl, item.order) = (pop3.uidl, pop3.order);
                }
            }
            items.push(item);
        }
        let full = items.len() == PAGE_ROWS;
        let next = items
            .last()
            .filter(|_| full)
            .and_then(|last| last.uid.next())
            .map(Uid::get);
        Ok(MaildropPage {
            mailbox: INBOX,
            uid_validity: mailbox.uid_validity,
            items,
            next,
        })
    }
}
