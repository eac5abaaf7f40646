//! How many connections there may be, in total and per client.
//!
//! Invariant: what was admitted is counted until its ticket is dropped, however the connection ends.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use crate::connection::Peer;

#[derive(Default)]
struct Counts {
    total: usize,
    clients: HashMap<IpAddr, usize>,
}

struct Inner {
    total_max: usize,
    client_max: usize,
    counts: Mutex<Counts>,
}

/// See the module. Cheap to clone; clones count together.
#[derive(Clone)]
pub(crate) struct Admission {
    inner: Arc<Inner>,
}

/// The right to one connection.
pub(crate) struct Ticket {
    inner: Arc<Inner>,
    /// `None` for the machine itself, which counts in the total alone.
    client: Option<IpAddr>,
}

impl Admission {
    pub(crate) fn new(total_max: usize, client_max: usize) -> Self {
        let inner = Inner {
            total_max,
            client_max,
            counts: Mutex::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Takes a connection in, or not.
    pub(crate) fn admit(&self, peer: Peer) -> Option<Ticket> {
        let client = client(peer);
        let mut counts = self.inner.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.total >= self.inner.total_max {
            return None;
        }
        if let Some(client) = client {
            let of_client = counts.clients.entry(client).or_default();
            if *of_client >= self.inner.client_max {
                return None;
            }
            *of_client += 1;
        }
        counts.total += 1;
        Some(Ticket {
            inner: self.inner.clone(),
            client,
        })
    }
}

/// Whom a connection is counted for: one IPv4 address, or one IPv6 network of 64 bits, which is what one host has.
fn client(peer: Peer) -> Option<IpAddr> {
    match peer.ip() {
        ip if ip.is_loopback() => None,
        IpAddr::V4(v4) => Some(v4.into()),
        IpAddr::V6(v6) => Some(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64)).into()),
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut counts = self.inner.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.total -= 1;
        if let Some(client) = self.client
            && let Some(of_client) = counts.clients.get_mut(&client)
        {
            *of_client -= 1;
            if *of_client == 0 {
                counts.clients.remove(&client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(address: &str) -> Peer {
        Peer::Ip(address.parse().unwrap())
    }

    #[test]
    fn one_client_cannot_take_the_places_of_all() {
        let admission = Admission::new(4, 2);
        let first = admission.admit(from("192.0.2.1")).unwrap();
        let _second = admission.admit(from("::ffff:192.0.2.1")).unwrap();
        assert!(admission.admit(from("192.0.2.1")).is_none());
        let _other = admission.admit(from("192.0.2.2")).unwrap();
        drop(first);
        assert!(admission.admit(from("192.0.2.1")).is_some());
    }

    #[test]
    fn the_addresses_of_one_ipv6_host_count_together() {
        let admission = Admission::new(4, 1);
        let _first = admission.admit(from("2001:db8::1")).unwrap();
        assert!(admission.admit(from("2001:db8::2")).is_none());
        assert!(admission.admit(from("2001:db8:0:1::1")).is_some());
    }

    #[test]
    fn the_machine_itself_counts_in_the_total_alone() {
        let admission = Admission::new(2, 1);
        let _first = admission.admit(from("127.0.0.1")).unwrap();
        let second = admission.admit(Peer::Local).unwrap();
        assert!(admission.admit(Peer::Local).is_none());
        drop(second);
        assert!(admission.admit(Peer::Local).is_some());
    }
}
