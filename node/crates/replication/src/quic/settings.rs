//! How QUIC is set up: sockets, windows, timeouts, and what of TLS the transport decides itself.
//!
//! Invariants
//! - Every connection has proved both certificates in its own handshake: no resumption, no early data, which could
//!   also be replayed.
//! - The peer opens request streams only where this node answers, and one greeting stream only where it calls.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::udp::UdpSocketState;
use quinn::{ConnectionId, ConnectionIdGenerator, EndpointConfig, TransportConfig, VarInt};
use rustls::client::Resumption;
use rustls::server::NoServerSessionStorage;

use super::QuicError;
use super::frame::{CLASSES, protocol};
use super::limits::{
    ATTEMPT_BYTES_MAX, ATTEMPTS_BYTES_MAX, CONNECTION_ID_BYTES, ClassLimits, FIRST_RTT, HANDSHAKES_MAX, IDLE_MAX,
    KEEP_ALIVE, SOCKET_BUFFER_BYTES, STREAM_WINDOW_BYTES, STREAMS_AT_FIRST,
};
use crate::transport::Class;

/// A socket with buffers as large as the kernel grants.
pub(super) fn socket(bind: SocketAddr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(bind)?;
    let state = UdpSocketState::new((&socket).into())?;
    // Less than asked for is no failure: frames are then lost earlier and sent again.
    let _ = state.set_recv_buffer_size((&socket).into(), SOCKET_BUFFER_BYTES);
    let _ = state.set_send_buffer_size((&socket).into(), SOCKET_BUFFER_BYTES);
    let granted = state.recv_buffer_size((&socket).into()).unwrap_or_default();
    if granted < SOCKET_BUFFER_BYTES {
        tracing::info!(
            granted,
            wanted = SOCKET_BUFFER_BYTES,
            "small UDP receive buffer: raise net.core.rmem_max"
        );
    }
    Ok(socket)
}

/// A key that outlives the process: a node that was started again can then tell its peers, by a stateless reset
/// (RFC 9000 section 10.3), that their connections are dead.
pub(super) fn endpoint(reset_key: &[u8; 32]) -> EndpointConfig {
    let mut config = EndpointConfig::new(Arc::new(hmac::Key::new(hmac::HMAC_SHA256, reset_key)));
    config.cid_generator(|| Box::new(RandomIds));
    config
}

/// Random connection ids. Those that quinn makes by default are signed with a key of the process, so that after a
/// restart it would drop packets of old connections in silence and not answer them by a reset.
struct RandomIds;

impl ConnectionIdGenerator for RandomIds {
    fn generate_cid(&mut self) -> ConnectionId {
        ConnectionId::new(&rand::random::<[u8; CONNECTION_ID_BYTES]>())
    }

    fn cid_len(&self) -> usize {
        CONNECTION_ID_BYTES
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}

/// What answers. Windows and streams are raised to those of the class once it is known.
pub(super) fn server(mut tls: rustls::ServerConfig) -> Result<quinn::ServerConfig, QuicError> {
    tls.alpn_protocols = CLASSES.map(|class| protocol(class).to_vec()).to_vec();
    tls.session_storage = Arc::new(NoServerSessionStorage {});
    tls.send_tls13_tickets = 0;
    tls.max_early_data_size = 0;
    let tls = QuicServerConfig::try_from(tls).map_err(|e| QuicError::Tls(e.to_string()))?;
    let mut transport = transport(ClassLimits::of(Class::Vote));
    transport.max_concurrent_bidi_streams(VarInt::from_u32(STREAMS_AT_FIRST));
    transport.max_concurrent_uni_streams(VarInt::from_u32(0));
    let mut config = quinn::ServerConfig::with_crypto(Arc::new(tls));
    config.transport_config(Arc::new(transport));
    config.max_incoming(HANDSHAKES_MAX);
    config.incoming_buffer_size(ATTEMPT_BYTES_MAX);
    config.incoming_buffer_size_total(ATTEMPTS_BYTES_MAX);
    Ok(config)
}

/// What calls, in one class.
pub(super) fn client(mut tls: rustls::ClientConfig, class: Class) -> Result<quinn::ClientConfig, QuicError> {
    tls.alpn_protocols = vec![protocol(class).to_vec()];
    tls.resumption = Resumption::disabled();
    tls.enable_early_data = false;
    let tls = QuicClientConfig::try_from(tls).map_err(|e| QuicError::Tls(e.to_string()))?;
    let mut transport = transport(ClassLimits::of(class));
    transport.max_concurrent_bidi_streams(VarInt::from_u32(0));
    transport.max_concurrent_uni_streams(VarInt::from_u32(1));
    let mut config = quinn::ClientConfig::new(Arc::new(tls));
    config.transport_config(Arc::new(transport));
    Ok(config)
}

/// Congestion control, MTU discovery and segmentation offload stay as quinn has them.
fn transport(limits: ClassLimits) -> TransportConfig {
    let mut config = TransportConfig::default();
    config.receive_window(VarInt::from_u32(limits.receive_window_bytes));
    config.send_window(u64::from(limits.send_window_bytes));
    config.stream_receive_window(VarInt::from_u32(STREAM_WINDOW_BYTES));
    config.max_idle_timeout(Some(VarInt::from_u32(IDLE_MS).into()));
    config.keep_alive_interval(Some(KEEP_ALIVE));
    config.initial_rtt(FIRST_RTT);
    config.datagram_receive_buffer_size(None);
    config
}

const IDLE_MS: u32 = IDLE_MAX.as_millis() as u32;
const _: () = assert!(IDLE_MAX.as_millis() < u32::MAX as u128);
