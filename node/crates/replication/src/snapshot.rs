//! A group snapshot on its way from the leader to a replica whose log no longer reaches back (DESIGN D7).
//!
//! The sender pages through its view: rows, then the blobs that the receiver says it lacks, then the install. The
//! receiver gathers them next to its present state; what it has already, checked, is not sent again. Only the last step
//! touches its state, and that flips a pointer.
//!
//! Invariants
//! - Nothing is installed before every blob that the state refers to is there, checked against its BLAKE3.
//! - A step that is repeated changes nothing. Pages for another snapshot drop what was gathered for the one before.

use std::ops::ControlFlow;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use mail_model::LogIndex;
use openraft::StorageError;
use openraft::errors::{RPCError, StreamingError};
use openraft::network::RPCOption;
use openraft::raft::SnapshotResponse;
use shelf::{KeyRange, ShelfError, StateView, piece};

use crate::limits::{COPY_BYTES_MAX, COPY_ROWS_MAX, SNAPSHOT_STEP_MS};
use crate::log_store::io_error;
use crate::machine::{GroupSnapshot, GroupSnapshotMeta, Machine, RaftSnapshot};
use crate::raft_net::Peer;
use crate::record::{LogIdRow, Record, StoredMembershipRow, VoteRow};
use crate::rpc::{self, ReplyRow, RequestRow};
use crate::transport::Class;
use crate::types::{GroupTypes, LogId, StoredMembership, Vote};

/// A page of rows: lengths of keys and values, and the bytes of all of them.
struct Page {
    lengths: Vec<(u32, u32)>,
    bytes: BytesMut,
    /// Where the next page begins; `None` after the last.
    next: Option<Vec<u8>>,
}

fn read_page(view: &StateView, from: Vec<u8>) -> Result<Page, ShelfError> {
    let mut page = Page {
        lengths: Vec::new(),
        bytes: BytesMut::new(),
        next: None,
    };
    view.scan(&KeyRange::starting_at(from), &mut |key, value| {
        if page.bytes.len() >= COPY_BYTES_MAX || page.lengths.len() >= COPY_ROWS_MAX {
            page.next = Some(key.to_vec());
            return ControlFlow::Break(());
        }
        page.lengths.push((rpc::len_u32(key), rpc::len_u32(value)));
        page.bytes.extend_from_slice(key);
        page.bytes.extend_from_slice(value);
        ControlFlow::Continue(())
    })?;
    Ok(page)
}

/// Sends a whole snapshot and has it installed.
pub(crate) async fn send<C: GroupTypes>(
    peer: &Peer<C>,
    vote: Vote,
    snapshot: RaftSnapshot,
    option: RPCOption,
) -> Result<SnapshotResponse<C>, StreamingError<C>> {
    let GroupSnapshot::View(view) = snapshot.snapshot else {
        return Err(storage_error("a gathered snapshot is not for sending"));
    };
    let Some(last) = snapshot.meta.last_log_id else {
        return Err(storage_error("an empty snapshot is not for sending"));
    };
    // openraft's time is for one small call; each of our steps is one.
    let step = RPCOption::new(option.hard_ttl().max(Duration::from_millis(SNAPSHOT_STEP_MS)));
    send_rows(peer, last, &view, &step).await?;
    send_blobs(peer, last, &view, &step).await?;
    let row = RequestRow::SnapshotInstall {
        to: peer.target(),
        vote: VoteRow::from(&vote),
        last: LogIdRow::from(&last),
        membership: StoredMembershipRow::from(&snapshot.meta.last_membership),
    };
    match peer
        .call(Class::Log, rpc::write_request(&row, &[]), &step)
        .await
        .map_err(streaming)?
    {
        (ReplyRow::Vote { vote: held, .. }, _) => {
            let held = Vote::from(held);
            if held.leader_id == vote.leader_id {
                peer.note_installed(&vote, last);
            }
            Ok(SnapshotResponse::new(held))
        }
        _ => Err(storage_error("the reply does not fit the request")),
    }
}

async fn send_rows<C: GroupTypes>(
    peer: &Peer<C>,
    last: LogId,
    view: &StateView,
    step: &RPCOption,
) -> Result<(), StreamingError<C>> {
    let mut from = Some(Vec::new());
    while let Some(start) = from {
        let page = read_page(view, start).map_err(shelf_error)?;
        let row = RequestRow::SnapshotRows {
            to: peer.target(),
            last: LogIdRow::from(&last),
            lengths: page.lengths,
        };
        peer.call(Class::Bulk, rpc::write_request(&row, &page.bytes), step)
            .await
            .map_err(streaming)?;
        from = page.next;
    }
    Ok(())
}

/// Offers the indexes of all live blobs, page by page, and sends those that the receiver lacks.
async fn send_blobs<C: GroupTypes>(
    peer: &Peer<C>,
    last: LogId,
    view: &StateView,
    step: &RPCOption,
) -> Result<(), StreamingError<C>> {
    let mut from = Some(LogIndex(0));
    while let Some(start) = from {
        let row = RequestRow::SnapshotLacks {
            to: peer.target(),
            last: LogIdRow::from(&last),
            from: start,
        };
        let (reply, _) = peer
            .call(Class::Bulk, rpc::write_request(&row, &[]), step)
            .await
            .map_err(streaming)?;
        let ReplyRow::Lacks { blobs, next } = reply else {
            return Err(storage_error("the reply does not fit the request"));
        };
        for index in blobs {
            let missing = || storage_error(format!("blob {index} of the snapshot is missing here"));
            let record = view.blob(index).map_err(shelf_error)?.ok_or_else(missing)?;
            if piece::verify(&record).is_err() {
                return Err(storage_error(format!("blob {index} of the snapshot is damaged here")));
            }
            let row = RequestRow::SnapshotBlob {
                to: peer.target(),
                last: LogIdRow::from(&last),
                index,
            };
            peer.call(Class::Bulk, rpc::write_request(&row, &record), step)
                .await
                .map_err(streaming)?;
        }
        from = next;
    }
    Ok(())
}

/// One step at the receiver. Blocks on the disk.
impl Machine {
    pub(crate) fn take_rows(&self, last: LogId, lengths: &[(u32, u32)], mut rest: Bytes) -> Result<(), SnapshotError> {
        let staging = self.store().stage(&last.to_record())?;
        let mut rows = Vec::with_capacity(lengths.len());
        for (key_len, value_len) in lengths {
            let key = rpc::take(&mut rest, *key_len)?;
            rows.push((key, rpc::take(&mut rest, *value_len)?));
        }
        Ok(staging.put_state(rows)?)
    }

    /// Which of the blobs that the gathered state refers to are not here; and where to ask on. A page at a time.
    pub(crate) fn lacking(
        &self,
        last: LogId,
        from: LogIndex,
    ) -> Result<(Vec<LogIndex>, Option<LogIndex>), SnapshotError> {
        let staging = self.store().stage(&last.to_record())?;
        let view = staging.view()?;
        let page = self.app().live_blobs(&view, from, COPY_ROWS_MAX)?;
        let next = page
            .last()
            .filter(|_| page.len() >= COPY_ROWS_MAX)
            .map(|last| LogIndex(last.0 + 1));
        let mut lacking = Vec::new();
        for index in page {
            if view.blob(index)?.is_some_and(|record| piece::verify(&record).is_ok()) {
                continue;
            }
            // A body that the replica has from before need not travel, if it is whole.
            match self.store().blob(index)?.filter(|record| piece::verify(record).is_ok()) {
                Some(record) => staging.put_blobs([(index, record)])?,
                None => lacking.push(index),
            }
        }
        Ok((lacking, next))
    }

    pub(crate) fn take_blob(&self, last: LogId, index: LogIndex, record: Bytes) -> Result<(), SnapshotError> {
        piece::verify(&record).map_err(|error| SnapshotError::Damaged(index, error.to_string()))?;
        Ok(self.store().stage(&last.to_record())?.put_blobs([(index, record)])?)
    }

    /// What was gathered, ready to be installed.
    pub(crate) fn gathered(&self, last: LogId, membership: StoredMembership) -> Result<RaftSnapshot, SnapshotError> {
        Ok(RaftSnapshot {
            meta: GroupSnapshotMeta {
                last_log_id: Some(last),
                last_membership: membership,
            },
            snapshot: GroupSnapshot::Staged(self.store().stage(&last.to_record())?),
        })
    }
}

/// Why a step of a transfer was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SnapshotError {
    #[error(transparent)]
    Shelf(#[from] ShelfError),
    #[error(transparent)]
    Record(#[from] crate::record::RecordError),
    #[error("blob {0} arrived damaged: {1}")]
    Damaged(LogIndex, String),
}

fn streaming<C: GroupTypes>(error: RPCError<C>) -> StreamingError<C> {
    match error {
        RPCError::Timeout(error) => StreamingError::Timeout(error),
        RPCError::Unreachable(error) => StreamingError::Unreachable(error),
        RPCError::Network(error) => StreamingError::Network(error),
        RPCError::RemoteError(error) => storage_error(error),
    }
}

fn shelf_error<C: GroupTypes>(error: ShelfError) -> StreamingError<C> {
    StreamingError::StorageError(StorageError::from_io_error(
        openraft::ErrorSubject::Snapshot(None),
        openraft::ErrorVerb::Read,
        io_error(error),
    ))
}

/// The transfer cannot go on; it is begun anew later.
fn storage_error<C: GroupTypes>(text: impl ToString) -> StreamingError<C> {
    StreamingError::Network(openraft::errors::NetworkError::from_string(text))
}
