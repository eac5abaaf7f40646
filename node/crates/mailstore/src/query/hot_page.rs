//! GetHotPage: hot rows of a mailbox in the order of UIDs, page by page, packed as they are stored.

use std::ops::ControlFlow;

use mail_model::{AccountId, MailboxId, Uid};
use minicbor::{Decode, Encode};

use crate::codec::CodecError;
use crate::key;
use crate::limits::PAGE_ROWS;
use crate::query::GroupQuery;
use crate::record::{HOT_ROW_BYTES_MAX, HotRow};
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
    /// Where the next page begins, if there may be more.
    #[n(1)]
    pub next: Option<u32>,
    /// How many messages there are.
    #[n(2)]
    pub len: u32,
    /// The rows, ascending by UID, each behind its UID (4 bytes, little-endian) and its length (1 byte): a mailbox has
    /// many, and each is looked at once.
    #[cbor(n(3), with = "minicbor::bytes")]
    packed: Vec<u8>,
}

const _: () = assert!(HOT_ROW_BYTES_MAX <= u8::MAX as usize, "a length has one byte");

impl HotPage {
    /// The messages of the page; an error when a row is not one.
    pub fn messages(&self) -> impl Iterator<Item = Result<(Uid, HotRow), CodecError>> + '_ {
        let mut rest = self.packed.as_slice();
        std::iter::from_fn(move || {
            let packed = Some(rest).filter(|rest| !rest.is_empty())?;
            let message = unpack(packed);
            // Behind what cannot be read there is nothing.
            rest = message.as_ref().map_or(&[], |(_, _, rest)| *rest);
            Some(message.map(|(uid, row, _)| (uid, row)))
        })
    }
}

fn unpack(packed: &[u8]) -> Result<(Uid, HotRow, &[u8]), CodecError> {
    let cut = || CodecError::new("page of hot rows", "it is cut short");
    let (uid, rest) = packed.split_first_chunk().ok_or_else(cut)?;
    let (len, rest) = rest.split_first().ok_or_else(cut)?;
    let (row, rest) = rest.split_at_checked(usize::from(*len)).ok_or_else(cut)?;
    let uid = Uid::new(u32::from_le_bytes(*uid));
    let uid = uid.ok_or_else(|| CodecError::new("page of hot rows", "it has UID 0"))?;
    Ok((uid, HotRow::from_bytes(row)?, rest))
}

impl GroupQuery for GetHotPage {
    type Reply = HotPage;

    fn run(&self, rows: &impl Rows) -> Result<HotPage, Failure> {
        mailbox_row(rows, self.account, self.mailbox)?;
        let range = key::hots_between(self.account, self.mailbox, self.from, self.to);
        let mut page = HotPage {
            next: None,
            len: 0,
            packed: Vec::new(),
        };
        let (mut last, mut odd) = (None, false);
        rows.visit(&range, &mut |key, row| {
            let (Some(uid), Ok(len)) = (key::uid_of(key), u8::try_from(row.len())) else {
                odd = true;
                return ControlFlow::Break(());
            };
            page.packed.extend_from_slice(&uid.get().to_le_bytes());
            page.packed.push(len);
            page.packed.extend_from_slice(row);
            page.len += 1;
            last = Some(uid);
            if (page.len as usize) < PAGE_ROWS {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        })?;
        if odd {
            return Err(missing("uid or right length of a hot row"));
        }
        let full = page.len as usize == PAGE_ROWS;
        page.next = last.filter(|_| full).and_then(Uid::next).map(Uid::get);
        Ok(page)
    }
}
