//! Bodies and their references: how the pieces of a new message become a body, and when a body goes.
//!
//! Invariants
//! - Every blob that the state refers to is the first piece of a body row or has a piece row: what snapshots carry.
//! - A body goes with its last reference, in the same command, and all its blobs with it.

use mail_model::LogIndex;
use minicbor::{Decode, Encode};
use replication::PIECE_BYTES;
use replication::piece::{self, PiecePlace, PieceSummary};

use crate::codec;
use crate::id::UploadId;
use crate::key;
use crate::limits::{MESSAGE_BYTES_MAX, PIECES_MAX, STRUCTURE_BYTES_MAX};
use crate::record::{BodyFacts, BodyRow, Due, Piece, StructureRow, UploadPieceRow, UploadRow};
use crate::rejection::{LimitKind, Rejection};
use crate::rows::{Failure, Rows, Work, missing};
use crate::state::due_row;

/// Where the bytes of a new message are.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum BodySource {
    /// The blob of this very entry is the whole body.
    #[n(0)]
    Inline {
        /// Sizes and checksum.
        #[n(0)]
        facts: BodyFacts,
        /// Envelope and structure.
        #[n(1)]
        structure: StructureRow,
    },
    /// Pieces that came before, under an upload.
    #[n(1)]
    Upload {
        /// Which upload.
        #[n(0)]
        upload: UploadId,
        /// How many pieces it has.
        #[n(1)]
        pieces: u32,
        /// Sizes and checksum.
        #[n(2)]
        facts: BodyFacts,
        /// Envelope and structure.
        #[n(3)]
        structure: StructureRow,
    },
    /// A body that the group holds already.
    #[n(2)]
    Stored {
        /// Which body.
        #[n(0)]
        body: LogIndex,
    },
}

/// A body that messages can refer to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StoredBody {
    pub(crate) id: LogIndex,
    pub(crate) facts: BodyFacts,
}

/// Makes the body of a command available. Until someone refers to it, it has no reference.
pub(crate) fn adopt(work: &mut Work<'_, '_>, source: &BodySource) -> Result<StoredBody, Failure> {
    match source {
        BodySource::Stored { body } => {
            let row: Option<BodyRow> = work.row("body row", &key::body(*body))?;
            let row = row.ok_or(Rejection::BodyGone)?;
            Ok(StoredBody {
                id: *body,
                facts: row.facts,
            })
        }
        BodySource::Inline { facts, structure } => {
            if facts.size > PIECE_BYTES as u64 {
                return Err(Rejection::Malformed.into());
            }
            check(facts, structure)?;
            let blob = work.adopt_blob().ok_or(Rejection::Malformed)?;
            let plain_len = u32::try_from(facts.size).map_err(|_| Rejection::Malformed)?;
            let value = facts.root;
            Ok(store(work, *facts, structure, vec![Piece { blob, plain_len, value }]))
        }
        BodySource::Upload {
            upload,
            pieces,
            facts,
            structure,
        } => {
            check(facts, structure)?;
            let taken = take_upload(work, *upload, *pieces)?;
            let summaries: Vec<_> = (0..)
                .zip(&taken)
                .map(|(number, piece)| summary(piece, number, taken.len()))
                .collect();
            let bytes: u64 = taken.iter().map(|piece| u64::from(piece.plain_len)).sum();
            if bytes != facts.size || piece::root_of(&summaries) != Ok(facts.root) {
                return Err(Rejection::Malformed.into());
            }
            Ok(store(work, *facts, structure, taken))
        }
    }
}

fn check(facts: &BodyFacts, structure: &StructureRow) -> Result<(), Rejection> {
    // Each byte may grow to two on its way to POP3, and a final CRLF may be added.
    let pop3_fits = facts.pop3_size <= 2 * facts.size + 2;
    let fits = facts.size <= MESSAGE_BYTES_MAX && structure.bytes.len() <= STRUCTURE_BYTES_MAX;
    if !fits {
        return Err(Rejection::Limit(LimitKind::Size));
    }
    if pop3_fits { Ok(()) } else { Err(Rejection::Malformed) }
}

fn summary(piece: &Piece, number: u32, count: usize) -> PieceSummary {
    PieceSummary {
        place: if count == 1 {
            PiecePlace::Whole
        } else {
            PiecePlace::Part(number)
        },
        plain_len: piece.plain_len,
        value: piece.value,
    }
}

fn store(work: &mut Work<'_, '_>, facts: BodyFacts, structure: &StructureRow, pieces: Vec<Piece>) -> StoredBody {
    // Callers give one piece at least.
    let id = pieces.first().map_or(work.index(), |piece| piece.blob);
    work.delete(key::piece(id));
    for piece in pieces.iter().skip(1) {
        work.put_bytes(key::piece(piece.blob), Vec::new());
    }
    work.put(key::structure(id), structure);
    work.put(
        key::body(id),
        &BodyRow {
            references: 0,
            facts,
            pieces,
        },
    );
    StoredBody { id, facts }
}

/// The pieces of an upload, which ends by that. Their piece rows stay.
fn take_upload(work: &mut Work<'_, '_>, upload: UploadId, pieces: u32) -> Result<Vec<Piece>, Failure> {
    let row: Option<UploadRow> = work.row("upload row", &key::upload(upload))?;
    let row = row
        .filter(|row| row.pieces == pieces && pieces > 0)
        .ok_or(Rejection::UploadGone)?;
    let mut taken = Vec::new();
    for number in 0..pieces {
        let key = key::upload_piece(upload, number);
        let piece: Option<UploadPieceRow> = work.row("upload piece row", &key)?;
        taken.push(piece.ok_or(Rejection::UploadGone)?.piece);
        work.delete(key);
    }
    work.delete(key::upload(upload));
    work.delete(due_row(row.due_ms, &Due::Upload(upload)));
    Ok(taken)
}

/// Ends an upload and frees its pieces. Nothing happens when it is gone already.
pub(crate) fn give_up_upload(work: &mut Work<'_, '_>, upload: UploadId) -> Result<(), Failure> {
    let Some(row) = work.row::<UploadRow>("upload row", &key::upload(upload))? else {
        return Ok(());
    };
    for (key, bytes) in work.rows(&key::upload_pieces(upload), PIECES_MAX)? {
        let row: UploadPieceRow = codec::open("upload piece row", &bytes)?;
        work.delete(key);
        work.delete(key::piece(row.piece.blob));
        work.free_blob(row.piece.blob);
    }
    work.delete(key::upload(upload));
    work.delete(due_row(row.due_ms, &Due::Upload(upload)));
    Ok(())
}

/// The row of a body that something refers to.
pub(crate) fn body_row(rows: &impl Rows, body: LogIndex) -> Result<BodyRow, Failure> {
    let row = rows.row("body row", &key::body(body))?;
    row.ok_or_else(|| missing("body row"))
}

/// One more user of a body.
pub(crate) fn reference(work: &mut Work<'_, '_>, body: LogIndex) -> Result<(), Failure> {
    let mut row = body_row(work, body)?;
    row.references += 1;
    work.put(key::body(body), &row);
    Ok(())
}

/// One user less; the last one takes the body along.
pub(crate) fn release(work: &mut Work<'_, '_>, body: LogIndex) -> Result<(), Failure> {
    let mut row = body_row(work, body)?;
    row.references = row.references.saturating_sub(1);
    if row.references > 0 {
        work.put(key::body(body), &row);
        return Ok(());
    }
    work.delete(key::body(body));
    work.delete(key::structure(body));
    for piece in row.pieces {
        work.delete(key::piece(piece.blob));
        work.free_blob(piece.blob);
    }
    Ok(())
}
