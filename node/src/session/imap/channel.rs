//! What lies between the session and its client: the connection, the wire machine, and the replies that wait to be sent.
//!
//! Invariants
//! - Replies leave in the order in which they were made; at most [`OUTPUT_BYTES`] and one reply wait.
//! - A write that takes too long means that the client is gone.
//!
//! Must not know: what is said.

use std::io;

use bytes::BytesMut;
use imap_wire::ImapServer;
use imap_wire::limits::AppendLimit;
use tokio::time::timeout;

use super::limits::{
    OUTPUT_BYTES, OUTPUT_KEEP_BYTES, READ_BYTES_BUSY, READ_BYTES_QUIET, SENT_IN_PLACE_BYTES, TLS_HANDSHAKE_WITHIN,
    WRITE_BYTES, WRITE_WITHIN,
};
use crate::connection::Connection;

/// The client cannot be reached any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gone;

/// See the module.
pub(super) struct Channel {
    pub(super) connection: Connection,
    pub(super) machine: ImapServer,
    /// Replies that were not sent yet.
    pub(super) out: BytesMut,
    /// Bytes that were sent.
    sent: u64,
    read_bytes: usize,
}

impl Channel {
    pub(super) fn new(connection: Connection, append_limit: AppendLimit) -> Self {
        Self {
            connection,
            machine: ImapServer::new(append_limit),
            out: BytesMut::new(),
            sent: 0,
            read_bytes: READ_BYTES_QUIET,
        }
    }

    /// Reads what the client sends and hands it to the machine; `false` when the client has closed. Cancel safe.
    pub(super) async fn read(&mut self) -> Result<bool, Gone> {
        let mut input = BytesMut::new();
        let read = self.connection.read(&mut input, self.read_bytes).await;
        let len = read.map_err(|_| Gone)?;
        self.machine.handle_input(&input);
        self.read_bytes = if len >= READ_BYTES_QUIET {
            READ_BYTES_BUSY
        } else {
            READ_BYTES_QUIET
        };
        Ok(len > 0)
    }

    /// How many bytes have left: tells whether a reply that was begun can still be taken back.
    pub(super) fn sent(&self) -> u64 {
        self.sent
    }

    /// Sends everything that waits.
    pub(super) async fn flush(&mut self) -> Result<(), Gone> {
        if self.out.is_empty() {
            return Ok(());
        }
        let mut out = std::mem::take(&mut self.out);
        self.write(&out).await?;
        if out.capacity() <= OUTPUT_KEEP_BYTES {
            out.clear();
            self.out = out;
        }
        Ok(())
    }

    /// Sends what waits if it is much.
    pub(super) async fn relieve(&mut self) -> Result<(), Gone> {
        if self.out.len() >= OUTPUT_BYTES {
            self.flush().await?;
        }
        Ok(())
    }

    /// Sends `bytes` after what waits; small ones wait themselves.
    pub(super) async fn send(&mut self, bytes: &[u8]) -> Result<(), Gone> {
        if bytes.len() < SENT_IN_PLACE_BYTES {
            self.out.extend_from_slice(bytes);
            return self.relieve().await;
        }
        self.flush().await?;
        self.write(bytes).await
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), Gone> {
        for part in bytes.chunks(WRITE_BYTES) {
            let written = timeout(WRITE_WITHIN, self.connection.write_all(part)).await;
            written.map_err(|_| Gone)?.map_err(|_| Gone)?;
            self.sent += part.len() as u64;
        }
        Ok(())
    }

    /// Takes TLS up, after everything was sent, and forgets what came in clear.
    pub(super) async fn start_tls(&mut self) -> Result<(), Gone> {
        self.flush().await?;
        self.machine.reset_after_starttls();
        let shaken = timeout(TLS_HANDSHAKE_WITHIN, self.connection.start_tls()).await;
        shaken
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            .map_err(|error| {
                tracing::debug!(%error, "TLS handshake failed");
                Gone
            })
    }

    /// Sends what is left, and closes.
    pub(super) async fn close(&mut self) {
        if self.flush().await.is_ok() {
            // A client that does not take our last word in time has nothing to lose by it.
            let _ = timeout(TLS_HANDSHAKE_WITHIN, self.connection.close()).await;
        }
    }
}
