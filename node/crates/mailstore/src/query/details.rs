//! GetDetails: everything about some messages: ids, prefix, pieces, structure. Expunged ones too, while their bodies are
//! kept (DESIGN M11).

use mail_model::{AccountId, MailboxId, Uid};
use minicbor::{Decode, Encode};

use crate::codec::CodecError;
use crate::key;
use crate::limits::{DETAILS_BYTES, DETAILS_PER_QUERY};
use crate::query::GroupQuery;
use crate::record::{BodyRow, ColdRow, HotRow, StructureRow};
use crate::rejection::Rejection;
use crate::rows::{Failure, Rows, missing};
use crate::state::{body_row, known_row, mailbox_row};

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct GetDetails {
    /// Whose mailbox.
    #[n(0)]
    pub account: AccountId,
    /// Which mailbox.
    #[n(1)]
    pub mailbox: MailboxId,
    /// Which messages, at most [`DETAILS_PER_QUERY`]. A page may end before the last of them.
    #[n(2)]
    pub uids: Vec<Uid>,
    /// Whether the structure is wanted.
    #[n(3)]
    pub structure: bool,
}

/// Everything about one message.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Details {
    /// Its UID.
    #[n(0)]
    pub uid: Uid,
    /// It is expunged, and still kept.
    #[n(1)]
    pub expunged: bool,
    #[cbor(n(2), with = "minicbor::bytes")]
    hot: Vec<u8>,
    /// Ids and prefix.
    #[n(3)]
    pub cold: ColdRow,
    /// Pieces and checksum.
    #[n(4)]
    pub body: BodyRow,
    /// Envelope and body structure, if asked for.
    #[n(5)]
    pub structure: Option<StructureRow>,
}

impl Details {
    /// Flags, dates and sizes.
    ///
    /// # Errors
    /// When the row is not one.
    pub fn hot(&self) -> Result<HotRow, CodecError> {
        HotRow::from_bytes(&self.hot)
    }
}

impl GroupQuery for GetDetails {
    /// In the order asked for; messages that are gone are left out, and so is what did not fit: `None` at the end says
    /// that the page ended early.
    type Reply = Vec<Option<Details>>;

    fn run(&self, rows: &impl Rows) -> Result<Self::Reply, Failure> {
        if self.uids.len() > DETAILS_PER_QUERY {
            return Err(Rejection::Malformed.into());
        }
        mailbox_row(rows, self.account, self.mailbox)?;
        let mut page = Vec::with_capacity(self.uids.len());
        let mut bytes = 0;
        for uid in &self.uids {
            if bytes >= DETAILS_BYTES {
                page.push(None);
                break;
            }
            let Some(details) = self.one(rows, *uid)? else { continue };
            let structure = details.structure.as_ref().map_or(0, |structure| structure.bytes.len());
            bytes += details.cold.prefix.len() + structure + details.body.pieces.len() * 48 + 256;
            page.push(Some(details));
        }
        Ok(page)
    }
}

impl GetDetails {
    fn one(&self, rows: &impl Rows, uid: Uid) -> Result<Option<Details>, Failure> {
        let Some(known) = known_row(rows, self.account, self.mailbox, uid)? else {
            return Ok(None);
        };
        let body = body_row(rows, known.hot.body)?;
        let structure = if self.structure {
            let row = rows.row("structure row", &key::structure(known.hot.body))?;
            Some(row.ok_or_else(|| missing("structure row"))?)
        } else {
            None
        };
        Ok(Some(Details {
            uid,
            expunged: known.expunged,
            hot: known.hot.to_bytes(),
            cold: known.cold,
            body,
            structure,
        }))
    }
}
