//! Taking ports and sockets, with errors that say what to do.

use std::io;
use std::net::SocketAddr;

use cluster_config::Listener;
use nix::sys::socket::{setsockopt, sockopt};
use tokio::net::{TcpListener, TcpSocket};

use crate::limits::BACKLOG;

/// A port that is taken and not open yet.
pub(crate) struct Bound {
    pub(crate) listener: Listener,
    address: SocketAddr,
    socket: TcpSocket,
}

/// Why a port cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("take the {} port {address}: {error}{}", listener.name(), advice(error))]
pub(crate) struct BindError {
    listener: Listener,
    address: SocketAddr,
    error: io::Error,
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "; stop the program that has it, or give this listener another port",
        io::ErrorKind::PermissionDenied => "; ports below 1024 need CAP_NET_BIND_SERVICE",
        io::ErrorKind::AddrNotAvailable => "; this machine has no such address",
        _ => "",
    }
}

impl Bound {
    /// Takes a port.
    pub(crate) fn take(listener: Listener, address: SocketAddr) -> Result<Self, BindError> {
        let failed = |error| BindError {
            listener,
            address,
            error,
        };
        let socket = socket(address).map_err(failed)?;
        socket.bind(address).map_err(failed)?;
        Ok(Self {
            listener,
            address,
            socket,
        })
    }

    /// Opens it.
    pub(crate) fn listen(self) -> Result<TcpListener, BindError> {
        let Self {
            listener,
            address,
            socket,
        } = self;
        socket.listen(BACKLOG).map_err(|error| BindError {
            listener,
            address,
            error,
        })
    }
}

fn socket(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    socket.set_reuseaddr(true)?;
    if address.is_ipv6() {
        // `::` is all of IPv6; IPv4 is asked for by 0.0.0.0.
        setsockopt(&socket, sockopt::Ipv6V6Only, &true)?;
    }
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_that_is_taken_is_told_with_its_listener() {
        let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = other.local_addr().unwrap();
        let error = Bound::take(Listener::Imap, address).and_then(|bound| bound.listen().map(drop));
        let text = error.unwrap_err().to_string();
        assert!(text.starts_with(&format!("take the imap port {address}: ")), "{text}");
        assert!(text.contains("another port"), "{text}");
    }

    #[tokio::test]
    async fn a_port_that_is_taken_only_is_not_open() {
        let bound = Bound::take(Listener::Imap, "127.0.0.1:0".parse().unwrap()).unwrap();
        let address = bound.socket.local_addr().unwrap();
        assert!(tokio::net::TcpStream::connect(address).await.is_err());
        let _open = bound.listen().unwrap();
        tokio::net::TcpStream::connect(address).await.unwrap();
    }
}
