//! Port numbers for clusters that run side by side, of one test or of many.
//!
//! Invariant: the ports of a cluster stay its own while some of its nodes are down. A guard socket on a port that no
//! node uses stands for each thousand of them, and goes with the process that holds it.

use std::net::{TcpListener, UdpSocket};
use std::thread;
use std::time::Instant;

use super::limits::{LOOK_EVERY, PATIENCE};

/// Ports of a node begin at a multiple of this.
const STEP: u16 = 1_000;
/// Where the first node's ports may begin: above those of system services, below those that the system gives to clients.
const FIRST: u16 = 3 * STEP;
const LAST: u16 = 31 * STEP;
/// No service has it.
const GUARD: u16 = 899;
const QUIC: u16 = 900;
/// What a node may take over TCP.
const TCP: [u16; 15] = [24, 25, 53, 80, 90, 91, 110, 143, 190, 389, 443, 465, 587, 993, 995];

/// A base port with the ports of `nodes` nodes, held until dropped.
pub(super) struct Ports {
    pub(super) base: u16,
    _guards: Vec<UdpSocket>,
}

impl Ports {
    /// Waits until some are free.
    ///
    /// # Panics
    /// When none are in the end.
    pub(super) fn take(nodes: u16) -> Self {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let bases = (FIRST..=LAST - STEP * nodes).step_by(usize::from(STEP));
            if let Some(ports) = bases.into_iter().find_map(|base| Self::try_take(base, nodes)) {
                return ports;
            }
            assert!(
                Instant::now() < deadline,
                "no thousand ports for each of {nodes} nodes are free"
            );
            thread::sleep(LOOK_EVERY);
        }
    }

    fn try_take(base: u16, nodes: u16) -> Option<Self> {
        let guard = |node: u16| {
            let at = |port: u16| ("127.0.0.1", base + STEP * node + port);
            let guard = UdpSocket::bind(at(GUARD)).ok()?;
            UdpSocket::bind(at(QUIC)).ok()?;
            TCP.iter()
                .try_for_each(|port| TcpListener::bind(at(*port)).map(drop))
                .ok()?;
            Some(guard)
        };
        let guards = (1..=nodes).map(guard).collect::<Option<_>>()?;
        Some(Self { base, _guards: guards })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_clusters_get_different_ports() {
        let (one, other) = (Ports::take(3), Ports::take(3));
        assert!(one.base.abs_diff(other.base) >= 3 * STEP);
        assert!(Ports::try_take(one.base + STEP, 3).is_none());
    }
}
