//! GetHotPage: hot rows of a mailbox in the order of UIDs, page by page, packed as they are stored.

use mail_model::{AccountId, MailboxId, Uid};
use minicbor::{Decode, Encode};

use crate::codec::CodecError;
use crate::key;
use crate::limits::PAGE_ROWS;
use crate::query::GroupQuery;
use crate::record::HotRow;
use crate::rows::{Failure, Rows, missing};
use crate::state::mailbox_row;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct GetHotPage {
    /// Whose mailbox.
    #[n(0)]
    pub account: AccountId,
    /// Which mailbox.
    #[n(1)]
    pub mailbox: MailboxId,
    /// The lowest UID.
    #[n(2)]
    pub from: u32,
    /// The highest UID.
    #[n(3)]
    pub to: u32,
}

/// At most [`PAGE_ROWS`] messages.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct HotPage {
    /// UIDs and rows, ascending.
    #[n(0)]
    rows: Vec<PackedRow>,
    /// Where the next page begins, if there may be more.
    #[n(1)]
    pub next: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
struct PackedRow {
    #[n(0)]
    uid: Uid,
    #[cbor(n(1), with = "minicbor::bytes")]
    row: Vec<u8>,
}

impl HotPage {
    /// The messages of the page.
    ///
    /// # Errors
    /// When a row is not one.
    pub fn messages(&self) -> Result<Vec<(Uid, HotRow)>, CodecError> {
        let rows = self.rows.iter();
        rows.map(|packed| Ok((packed.uid, HotRow::from_bytes(&packed.row)?)))
            .collect()
    }
}

impl GroupQuery for GetHotPage {
    type Reply = HotPage;

    fn run(&self, rows: &impl Rows) -> Result<HotPage, Failure> {
        mailbox_row(rows, self.account, self.mailbox)?;
        let range = key::hots_between(self.account, self.mailbox, self.from, self.to);
        let mut page = Vec::new();
        for (key, bytes) in rows.rows(&range, PAGE_ROWS)? {
            let uid = key::uid_of(&key).ok_or_else(|| missing("uid of a hot row"))?;
            page.push(PackedRow {
                uid,
                row: bytes.to_vec(),
            });
        }
        let full = page.len() == PAGE_ROWS;
        let next = page
            .last()
            .filter(|_| full)
            .and_then(|last| last.uid.next())
            .map(Uid::get);
        Ok(HotPage { rows: page, next })
    }
}
