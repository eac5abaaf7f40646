//! A message that arrives: cut into pieces, read for its structure and proposed while it still comes (DESIGN D3).
//!
//! Invariants
//! - A body of one piece goes inline with the command that makes it a message; a longer one is uploaded to every group
//!   concerned before.
//! - At most [`PIECES_IN_FLIGHT`] pieces wait for their groups; then pushing waits.
//! - A group that cannot take a piece fails for itself; the others go on.

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use mail_model::{GroupId, LogIndex};
use replication::piece::{self, EncodedPiece, PieceCutter, PieceError, PieceSummary};
use tokio::task::JoinSet;

use super::analysis::Analysis;
use super::{Mailstore, Pop3Counter, StoreError};
use crate::command::{AbortUpload, UploadPiece};
use crate::id::{ThreadKey, UploadId};
use crate::limits::{COMMAND_WITHIN, DIRECT_WITHIN, MESSAGE_BYTES_MAX, PIECES_IN_FLIGHT};
use crate::record::{BodyFacts, StructureRow};
use crate::rejection::{LimitKind, Rejection};
use crate::state::BodySource;

struct Target {
    group: GroupId,
    failed: Option<StoreError>,
}

/// Takes the bytes of one message.
pub struct BodyWriter {
    store: Mailstore,
    upload: UploadId,
    targets: Vec<Target>,
    cutter: PieceCutter,
    analysis: Analysis,
    pop3: Pop3Counter,
    size: u64,
    pieces: Vec<PieceSummary>,
    in_flight: JoinSet<(usize, Result<(), StoreError>)>,
}

impl Mailstore {
    /// Begins a message for accounts of these groups.
    #[must_use]
    pub fn body_writer(&self, groups: impl IntoIterator<Item = GroupId>) -> BodyWriter {
        let mut groups: Vec<_> = groups.into_iter().collect();
        groups.sort_unstable();
        groups.dedup();
        BodyWriter {
            store: self.clone(),
            upload: UploadId::random(),
            targets: groups.into_iter().map(|group| Target { group, failed: None }).collect(),
            cutter: PieceCutter::default(),
            analysis: Analysis::default(),
            pop3: Pop3Counter::default(),
            size: 0,
            pieces: Vec::new(),
            in_flight: JoinSet::new(),
        }
    }
}

impl BodyWriter {
    /// Bytes so far.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The next bytes. Waits while too much is on its way. Not cancel safe: afterwards only [`BodyWriter::abort`] helps.
    ///
    /// # Errors
    /// `Limit(Size)` beyond [`MESSAGE_BYTES_MAX`]; the error of the last group when none is left.
    pub async fn push(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.size += bytes.len() as u64;
        if self.size > MESSAGE_BYTES_MAX {
            return Err(Rejection::Limit(LimitKind::Size).into());
        }
        self.pop3.push(bytes);
        self.analysis.push(bytes);
        for piece in self.cutter.push(bytes).map_err(|error| broken(&error))? {
            self.upload(piece).await?;
        }
        Ok(())
    }

    /// Ends the message. Every piece is durable in every group that did not fail when this returns.
    ///
    /// # Errors
    /// The error of the last group when none is left.
    pub async fn finish(mut self) -> Result<Body, StoreError> {
        let last = std::mem::take(&mut self.cutter)
            .finish()
            .map_err(|error| broken(&error))?;
        let (structure, thread_keys) = std::mem::take(&mut self.analysis).finish();
        let parts = if self.pieces.is_empty() {
            self.pieces.push(last.summary);
            Parts::Inline {
                record: last.record,
                summary: last.summary,
            }
        } else {
            self.upload(last).await?;
            self.settle(0).await?;
            let groups = self.targets.iter().map(|target| (target.group, target.failed.clone()));
            Parts::Uploaded {
                groups: groups.collect(),
            }
        };
        let facts = BodyFacts {
            size: self.size,
            pop3_size: self.pop3.finish(),
            root: piece::root_of(&self.pieces).map_err(|error| broken(&error))?,
        };
        Ok(Body {
            store: self.store.clone(),
            facts,
            structure,
            thread_keys,
            upload: self.upload,
            pieces: u32::try_from(self.pieces.len()).unwrap_or(u32::MAX),
            parts,
        })
    }

    /// Gives the message up and frees what was uploaded, if its groups can be reached; else they sweep it in an hour.
    pub async fn abort(mut self) {
        self.in_flight.shutdown().await;
        if !self.pieces.is_empty() {
            let groups = self.targets.iter().map(|target| target.group).collect();
            abort_upload(&self.store, self.upload, groups).await;
        }
    }

    async fn upload(&mut self, piece: EncodedPiece) -> Result<(), StoreError> {
        let number = u32::try_from(self.pieces.len()).unwrap_or(u32::MAX);
        // One group of several that is out of reach does not hold the others up: it may be served from their queues.
        let within = if self.targets.len() > 1 {
            DIRECT_WITHIN
        } else {
            COMMAND_WITHIN
        };
        self.pieces.push(piece.summary);
        for (at, target) in self
            .targets
            .iter()
            .enumerate()
            .filter(|(_, target)| target.failed.is_none())
        {
            let (store, group) = (self.store.clone(), target.group);
            let (command, record) = (
                upload_command(self.upload, number, &piece.summary),
                piece.record.clone(),
            );
            self.in_flight.spawn(async move {
                let outcome = store.run(group, command, Some(record), within).await;
                (at, outcome.map(drop))
            });
        }
        self.settle((PIECES_IN_FLIGHT - 1) * self.targets.len()).await
    }

    /// Waits until at most `left` proposals are on their way.
    async fn settle(&mut self, left: usize) -> Result<(), StoreError> {
        while self.in_flight.len() > left {
            let Some(joined) = self.in_flight.join_next().await else {
                break;
            };
            let (at, outcome) = joined.map_err(|error| StoreError::Broken(format!("upload task ended: {error}")))?;
            if let Err(error) = outcome {
                self.targets[at].failed.get_or_insert(error);
            }
        }
        let all_failed = self.targets.iter().all(|target| target.failed.is_some());
        let last_error = self.targets.iter().rev().find_map(|target| target.failed.clone());
        match last_error {
            Some(error) if all_failed => Err(error),
            _ => Ok(()),
        }
    }
}

fn upload_command(upload: UploadId, number: u32, summary: &PieceSummary) -> UploadPiece {
    UploadPiece {
        upload,
        number,
        plain_len: summary.plain_len,
        value: summary.value,
    }
}

fn broken(error: &PieceError) -> StoreError {
    StoreError::Broken(error.to_string())
}

/// Whether every group could be told.
async fn abort_upload(store: &Mailstore, upload: UploadId, groups: Vec<GroupId>) -> bool {
    let mut all = true;
    for group in groups {
        if let Err(error) = store.run(group, AbortUpload { upload }, None, COMMAND_WITHIN).await {
            tracing::debug!(%group, %error, "upload is left to the sweep");
            all = false;
        }
    }
    all
}

enum Parts {
    Inline { record: Bytes, summary: PieceSummary },
    Uploaded { groups: Vec<(GroupId, Option<StoreError>)> },
}

/// A message that has arrived, ready to be made a message of mailboxes.
pub struct Body {
    store: Mailstore,
    pub(super) facts: BodyFacts,
    structure: StructureRow,
    pub(super) thread_keys: Vec<ThreadKey>,
    upload: UploadId,
    pieces: u32,
    parts: Parts,
}

impl Body {
    /// Sizes and checksum.
    #[must_use]
    pub fn facts(&self) -> &BodyFacts {
        &self.facts
    }

    /// Envelope and structure, as the mailbox will hold them.
    #[must_use]
    pub fn structure(&self) -> &StructureRow {
        &self.structure
    }

    /// What a command for `group` says of the body, and the blob that goes with it.
    pub(crate) fn source(&self, group: GroupId) -> Result<(BodySource, Option<Bytes>), StoreError> {
        let (facts, structure) = (self.facts, self.structure.clone());
        match &self.parts {
            Parts::Inline { record, .. } => Ok((BodySource::Inline { facts, structure }, Some(record.clone()))),
            Parts::Uploaded { groups } => match groups.iter().find(|(known, _)| *known == group) {
                Some((_, None)) => {
                    let (upload, pieces) = (self.upload, self.pieces);
                    Ok((
                        BodySource::Upload {
                            upload,
                            pieces,
                            facts,
                            structure,
                        },
                        None,
                    ))
                }
                Some((_, Some(error))) => Err(error.clone()),
                None => Err(StoreError::Broken(format!(
                    "the message was not uploaded to group {group}"
                ))),
            },
        }
    }

    /// The same, where an earlier command of the group has stored the body.
    pub(super) fn source_or(
        &self,
        stored: Option<LogIndex>,
        group: GroupId,
    ) -> Result<(BodySource, Option<Bytes>), StoreError> {
        match stored {
            Some(body) => Ok((BodySource::Stored { body }, None)),
            None => self.source(group),
        }
    }

    /// Makes an inline body an upload, for commands that carry several messages: gives what uploads it and how many
    /// bytes that holds. A body that was uploaded before needs nothing.
    pub(super) fn make_upload(
        &mut self,
        group: GroupId,
    ) -> Option<(usize, BoxFuture<'static, Result<(), StoreError>>)> {
        let uploaded = Parts::Uploaded {
            groups: vec![(group, None)],
        };
        let Parts::Inline { record, summary } = &self.parts else {
            return None;
        };
        let (store, record) = (self.store.clone(), record.clone());
        let command = upload_command(self.upload, 0, summary);
        self.parts = uploaded;
        let bytes = record.len();
        let upload = async move { store.run(group, command, Some(record), COMMAND_WITHIN).await.map(drop) };
        Some((bytes, upload.boxed()))
    }

    /// Frees what was uploaded to `groups`, if nobody there took it.
    pub(super) async fn give_up(&self, groups: Vec<GroupId>) {
        if matches!(self.parts, Parts::Uploaded { .. }) {
            abort_upload(&self.store, self.upload, groups).await;
        }
    }

    /// Frees what was uploaded of a body that becomes no message. What cannot be reached is swept in an hour. Returns
    /// whether every group was reached.
    pub async fn discard(self) -> bool {
        match &self.parts {
            Parts::Uploaded { groups } => {
                let groups = groups.iter().map(|(group, _)| *group).collect();
                abort_upload(&self.store, self.upload, groups).await
            }
            Parts::Inline { .. } => true,
        }
    }
}
