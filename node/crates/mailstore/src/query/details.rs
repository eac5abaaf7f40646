//! GetDetails: everything about some messages: ids, prefix, pieces, structure. Expunged ones too, while their bodies are
//! kept (DESIGN M11).

use bytes::Bytes;
use mail_model::{AccountId, LogIndex, MailboxId, Uid};
use minicbor::{Decode, Encode};

use crate::codec::{self, CodecError};
use crate::key;
use crate::limits::{DETAILS_BYTES, DETAILS_PER_QUERY, DETAILS_PER_READ};
use crate::query::GroupQuery;
use crate::record::{BodyRow, ColdRow, HotRow, StructureRow};
use crate::rejection::Rejection;
use crate::rows::{Failure, Rows, missing};
use crate::state::{KnownRow, known_row, mailbox_row};

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
        for uids in self.uids.chunks(DETAILS_PER_READ) {
            for details in self.some(rows, uids)? {
                if bytes >= DETAILS_BYTES {
                    page.push(None);
                    return Ok(page);
                }
                let structure = details.structure.as_ref().map_or(0, |structure| structure.bytes.len());
                bytes += details.cold.prefix.len() + structure + details.body.pieces.len() * 48 + 256;
                page.push(Some(details));
            }
        }
        Ok(page)
    }
}

impl GetDetails {
    /// A few messages, with one read for all rows of a kind; those that are gone are left out.
    fn some(&self, rows: &impl Rows, uids: &[Uid]) -> Result<Vec<Details>, Failure> {
        let keys = |key: fn(AccountId, MailboxId, Uid) -> Vec<u8>| -> Vec<_> {
            uids.iter().map(|uid| key(self.account, self.mailbox, *uid)).collect()
        };
        let (hots, colds) = (rows.many(&keys(key::hot))?, rows.many(&keys(key::cold))?);
        let mut known = Vec::with_capacity(uids.len());
        for (uid, (hot, cold)) in uids.iter().zip(hots.into_iter().zip(colds)) {
            let row = match hot {
                Some(hot) => Some(KnownRow {
                    hot: HotRow::from_bytes(&hot)?,
                    cold: opened("cold row", cold)?,
                    expunged: false,
                }),
                None => known_row(rows, self.account, self.mailbox, *uid)?,
            };
            known.extend(row.map(|row| (*uid, row)));
        }
        let of_bodies = |key: fn(LogIndex) -> Vec<u8>| {
            let keys: Vec<_> = known.iter().map(|(_, row)| key(row.hot.body)).collect();
            rows.many(&keys)
        };
        let bodies = of_bodies(key::body)?;
        let structures = if self.structure {
            of_bodies(key::structure)?
        } else {
            vec![None; known.len()]
        };
        let known = known.into_iter().zip(bodies.into_iter().zip(structures));
        known
            .map(|((uid, row), (body, structure))| {
                let structure = self.structure.then(|| opened("structure row", structure)).transpose()?;
                Ok(Details {
                    uid,
                    expunged: row.expunged,
                    hot: row.hot.to_bytes(),
                    cold: row.cold,
                    body: opened("body row", body)?,
                    structure,
                })
            })
            .collect()
    }
}

/// Reads a row that others say must be there.
fn opened<T: for<'b> Decode<'b, ()>>(what: &'static str, bytes: Option<Bytes>) -> Result<T, Failure> {
    let bytes = bytes.ok_or_else(|| missing(what))?;
    Ok(codec::open(what, &bytes)?)
}
