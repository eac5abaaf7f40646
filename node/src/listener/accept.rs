//! Taking connections from one port, one after the other, until the node stops.

use std::io::{self, Write};
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::time::sleep;

use super::unix::SocketFile;
use crate::connection::Peer;
use crate::limits::ACCEPT_PAUSE;

enum Socket {
    Tcp(TcpListener),
    Unix {
        listener: UnixListener,
        /// Goes with it.
        _file: SocketFile,
    },
}

/// A connection that came in.
pub(crate) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// One open port.
pub(crate) struct Acceptor {
    name: &'static str,
    socket: Socket,
    stopping: watch::Receiver<bool>,
}

impl Acceptor {
    pub(crate) fn tcp(name: &'static str, socket: TcpListener, stopping: watch::Receiver<bool>) -> Self {
        let socket = Socket::Tcp(socket);
        Self { name, socket, stopping }
    }

    pub(crate) fn unix(
        name: &'static str,
        (listener, _file): (UnixListener, SocketFile),
        stopping: watch::Receiver<bool>,
    ) -> Self {
        let socket = Socket::Unix { listener, _file };
        Self { name, socket, stopping }
    }

    /// What it is called in traces and metrics.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// The next connection; `None` once the node stops.
    pub(crate) async fn next(&mut self) -> Option<(Stream, Peer)> {
        loop {
            let accepted = tokio::select! {
                biased;
                // The sender of a node that is gone counts as a stop, too.
                _ = self.stopping.wait_for(|stopping| *stopping) => return None,
                accepted = self.socket.accept() => accepted,
            };
            match accepted {
                Ok(accepted) => return Some(accepted),
                // The client went away before we came to it.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    metrics::counter!("holdfast_accept_errors_total", "listener" => self.name).increment(1);
                    tracing::warn!(listener = self.name, %error, "a connection cannot be accepted");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

impl Socket {
    async fn accept(&self) -> io::Result<(Stream, Peer)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, from): (_, SocketAddr) = listener.accept().await?;
                // Replies are small and clients wait for each; without the option they only come later.
                let _ = stream.set_nodelay(true);
                Ok((Stream::Tcp(stream), Peer::Ip(from.ip())))
            }
            Self::Unix { listener, .. } => {
                let (stream, _) = listener.accept().await?;
                Ok((Stream::Unix(stream), Peer::Local))
            }
        }
    }
}

impl Stream {
    /// Says one line, if there is room for it at once, and ends the connection.
    pub(crate) fn turn_away(self, line: &str) {
        // Best effort: a client that does not take the line sees the connection end.
        let _ = match self {
            Self::Tcp(stream) => stream.into_std().and_then(|mut stream| stream.write(line.as_bytes())),
            Self::Unix(stream) => stream.into_std().and_then(|mut stream| stream.write(line.as_bytes())),
        };
    }
}
