//! A client's connection: TCP or a unix socket, in clear or under TLS, which it may take up in the middle.
//!
//! Invariant: after [`Connection::start_tls`] nothing that was read in clear is left to be read.
//!
//! Must not know: what is said on it.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::BytesMut;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;

/// Bytes taken from the socket at a time.
const READ_BYTES: usize = 16 << 10;

/// Both directions of a stream.
trait Duplex: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin> Duplex for S {}

/// Who is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// A client over TCP.
    Ip(IpAddr),
    /// A process of this machine, over a unix socket.
    Local,
}

impl Peer {
    /// The address by which limits count the client; a unix socket counts as loopback.
    #[must_use]
    pub fn ip(self) -> IpAddr {
        match self {
            Self::Ip(ip) => ip.to_canonical(),
            Self::Local => IpAddr::from([127, 0, 0, 1]),
        }
    }
}

/// See the module.
pub struct Connection {
    /// `None` only while TLS is being taken up.
    stream: Option<Box<dyn Duplex>>,
    peer: Peer,
    tls: Option<Arc<ServerConfig>>,
    is_secure: bool,
}

impl Connection {
    /// A connection in clear. `tls` is what [`Connection::start_tls`] will offer; `None` where it must not.
    #[must_use]
    pub fn plain<S>(stream: S, peer: Peer, tls: Option<Arc<ServerConfig>>) -> Self
    where
        S: AsyncRead + AsyncWrite + Send + Sync + Unpin + 'static,
    {
        Self {
            stream: Some(Box::new(stream)),
            peer,
            tls,
            is_secure: false,
        }
    }

    /// A connection that speaks TLS from its first byte on. Whoever calls bounds the time.
    ///
    /// # Errors
    /// When the handshake fails.
    pub async fn secure<S>(stream: S, peer: Peer, tls: Arc<ServerConfig>) -> io::Result<Self>
    where
        S: AsyncRead + AsyncWrite + Send + Sync + Unpin + 'static,
    {
        let mut connection = Self::plain(stream, peer, Some(tls));
        connection.start_tls().await?;
        Ok(connection)
    }

    /// Who is at the other end.
    #[must_use]
    pub fn peer(&self) -> Peer {
        self.peer
    }

    /// Whether nobody between can read along.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.is_secure
    }

    /// Whether STARTTLS may be offered now.
    #[must_use]
    pub fn can_start_tls(&self) -> bool {
        self.tls.is_some() && !self.is_secure
    }

    /// Takes TLS up. The caller has sent everything, and drops what it has read.
    ///
    /// # Errors
    /// When there is no certificate to offer, or the handshake fails; the connection is of no use then.
    pub async fn start_tls(&mut self) -> io::Result<()> {
        let tls = self
            .tls
            .clone()
            .filter(|_| !self.is_secure)
            .ok_or(io::ErrorKind::Unsupported)?;
        let stream = self.stream.take().ok_or(io::ErrorKind::NotConnected)?;
        let stream = TlsAcceptor::from(tls).accept(stream).await?;
        self.stream = Some(Box::new(stream));
        self.is_secure = true;
        Ok(())
    }

    fn stream(&mut self) -> io::Result<&mut Box<dyn Duplex>> {
        self.stream.as_mut().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// Appends what the client sent to `buffer`, at most `limit` bytes; zero at its end. Cancel safe.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn read(&mut self, buffer: &mut BytesMut, limit: usize) -> io::Result<usize> {
        buffer.reserve(limit.min(READ_BYTES));
        let mut some = bytes::BufMut::limit(buffer, limit.min(READ_BYTES));
        self.stream()?.read_buf(&mut some).await
    }

    /// Sends all of `bytes`. Not cancel safe: a part may be sent.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let stream = self.stream()?;
        stream.write_all(bytes).await?;
        stream.flush().await
    }

    /// Ends it in order, so that the client gets what was sent.
    pub async fn close(&mut self) {
        if let Ok(stream) = self.stream() {
            // It may be broken already; there is nobody left to tell.
            let _ = stream.shutdown().await;
        }
    }
}
