//! How many connections there may be, in total and per client, and how fast one client may make them.
//!
//! Invariants
//! - What was admitted is counted until its ticket is dropped, however the connection ends.
//! - A client may make as many at once as it may have open, and from then on only so many a second. What is refused costs
//!   it nothing: it gets in again as soon as its allowance has filled up.
//! - What is remembered of a client is forgotten once it would make no difference.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cluster_config::Limits;
// Stops with the clock of a test.
use tokio::time::Instant;

use crate::connection::Peer;
use crate::limits::CLIENTS_SWEPT_AT;

/// What is allowed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AdmissionLimits {
    pub(super) total_max: usize,
    pub(super) client_max: usize,
    /// Time after which a client may make one more connection.
    pub(super) client_every: Duration,
}

impl AdmissionLimits {
    /// For mail clients, as the cluster file says.
    pub(crate) fn of(limits: &Limits) -> Self {
        let count = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        Self {
            total_max: count(limits.connections_max),
            client_max: count(limits.connections_per_client_max),
            client_every: Duration::from_secs(1) / limits.connections_per_client_per_second.max(1),
        }
    }

    /// For a port where clients are not told apart.
    pub(crate) fn total(total_max: usize) -> Self {
        Self {
            total_max,
            client_max: total_max,
            client_every: Duration::ZERO,
        }
    }
}

/// What is remembered of one client.
struct Client {
    open: usize,
    /// When its allowance is full again: each connection moves it by `client_every`.
    full_at: Instant,
}

#[derive(Default)]
struct Counts {
    total: usize,
    clients: HashMap<IpAddr, Client>,
    swept_at: usize,
}

struct Inner {
    limits: AdmissionLimits,
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
    /// `None` for the machine itself, and as long as nobody is named; both count in the total alone.
    client: Option<IpAddr>,
}

impl Ticket {
    /// Counts the connection for the client that it turned out to be for; whether that one may have one more. Once.
    pub(crate) fn name(&mut self, peer: Peer) -> bool {
        debug_assert!(self.client.is_none(), "a connection is for one client");
        let Some(client) = client(peer) else { return true };
        let mut counts = self.inner.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if !counts.admit(client, &self.inner.limits) {
            return false;
        }
        self.client = Some(client);
        true
    }
}

impl Admission {
    pub(crate) fn new(limits: AdmissionLimits) -> Self {
        let counts = Mutex::default();
        Self {
            inner: Arc::new(Inner { limits, counts }),
        }
    }

    /// Takes a connection in, or not.
    pub(crate) fn admit(&self, peer: Peer) -> Option<Ticket> {
        let mut ticket = self.admit_unnamed()?;
        ticket.name(peer).then_some(ticket)
    }

    /// Takes a connection in of which is not known yet for whom it is, or not.
    pub(crate) fn admit_unnamed(&self) -> Option<Ticket> {
        let mut counts = self.inner.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.total >= self.inner.limits.total_max {
            return None;
        }
        counts.total += 1;
        Some(Ticket {
            inner: self.inner.clone(),
            client: None,
        })
    }
}

impl Counts {
    fn admit(&mut self, client: IpAddr, limits: &AdmissionLimits) -> bool {
        let now = Instant::now();
        self.sweep(now);
        let known = self.clients.entry(client).or_insert(Client { open: 0, full_at: now });
        let full_at = known.full_at.max(now) + limits.client_every;
        let at_once = limits.client_every * u32::try_from(limits.client_max).unwrap_or(u32::MAX);
        if known.open >= limits.client_max || full_at > now + at_once {
            return false;
        }
        known.open += 1;
        known.full_at = full_at;
        true
    }

    /// Forgets whom it can, now and then, so that it costs little for each connection.
    fn sweep(&mut self, now: Instant) {
        if self.clients.len() >= self.swept_at.max(CLIENTS_SWEPT_AT) {
            self.clients.retain(|_, client| client.open > 0 || client.full_at > now);
            self.swept_at = 2 * self.clients.len();
        }
    }
}

/// Whom a connection is counted for: one IPv4 address, or one IPv6 network of 64 bits, which is what one host has. Nobody
/// for the machine itself, by its usual address; what comes from another one of its own is a client like any.
fn client(peer: Peer) -> Option<IpAddr> {
    match peer.ip() {
        ip if ip == IpAddr::from([127, 0, 0, 1]) || ip == IpAddr::from(Ipv6Addr::LOCALHOST) => None,
        IpAddr::V4(v4) => Some(v4.into()),
        IpAddr::V6(v6) => Some(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64)).into()),
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut counts = self.inner.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.total -= 1;
        if let Some(client) = self.client
            && let Some(known) = counts.clients.get_mut(&client)
        {
            known.open -= 1;
            if known.open == 0 && known.full_at <= Instant::now() {
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

    fn admission(total_max: usize, client_max: usize) -> Admission {
        Admission::new(AdmissionLimits {
            client_max,
            ..AdmissionLimits::total(total_max)
        })
    }

    #[tokio::test]
    async fn one_client_cannot_take_the_places_of_all() {
        let admission = admission(4, 2);
        let first = admission.admit(from("192.0.2.1")).unwrap();
        let _second = admission.admit(from("::ffff:192.0.2.1")).unwrap();
        assert!(admission.admit(from("192.0.2.1")).is_none());
        let _other = admission.admit(from("192.0.2.2")).unwrap();
        drop(first);
        assert!(admission.admit(from("192.0.2.1")).is_some());
    }

    #[tokio::test]
    async fn the_addresses_of_one_ipv6_host_count_together() {
        let admission = admission(4, 1);
        let _first = admission.admit(from("2001:db8::1")).unwrap();
        assert!(admission.admit(from("2001:db8::2")).is_none());
        assert!(admission.admit(from("2001:db8:0:1::1")).is_some());
    }

    #[tokio::test]
    async fn who_comes_by_way_of_a_balancer_counts_as_itself() {
        let admission = admission(4, 1);
        let mut first = admission.admit_unnamed().unwrap();
        let mut second = admission.admit_unnamed().unwrap();
        assert!(first.name(from("192.0.2.1")));
        assert!(!second.name(from("192.0.2.1")), "it has one");
        drop(second);
        let mut third = admission.admit_unnamed().unwrap();
        assert!(third.name(from("192.0.2.2")));
        drop((first, third));
        assert!(admission.inner.counts.lock().unwrap().clients.is_empty());
        let _all: Vec<_> = (0..4).map(|_| admission.admit_unnamed().unwrap()).collect();
        assert!(admission.admit_unnamed().is_none(), "unnamed ones count in the total");
    }

    #[tokio::test]
    async fn the_machine_itself_counts_in_the_total_alone() {
        let admission = admission(3, 1);
        let _first = admission.admit(from("127.0.0.1")).unwrap();
        let _second = admission.admit(from("::1")).unwrap();
        let third = admission.admit(Peer::Local).unwrap();
        assert!(admission.admit(Peer::Local).is_none());
        drop(third);
        let _other = admission.admit(from("127.0.0.2")).unwrap();
        assert!(admission.admit(from("127.0.0.2")).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_connects_again_and_again_is_held_to_its_rate_and_nobody_else_is() {
        let limits = AdmissionLimits {
            client_max: 10,
            client_every: Duration::from_millis(100),
            ..AdmissionLimits::total(1_000)
        };
        let admission = Admission::new(limits);
        let admitted = |from_address: &str, times: usize| {
            let tries = (0..times).filter(|_| admission.admit(from(from_address)).is_some());
            tries.count()
        };
        assert_eq!(admitted("192.0.2.1", 100), 10);
        assert_eq!(admitted("192.0.2.2", 5), 5);
        tokio::time::sleep(Duration::from_millis(350)).await;
        assert_eq!(
            admitted("192.0.2.1", 100),
            3,
            "what was refused meanwhile costs nothing"
        );
        tokio::time::sleep(Duration::from_mins(1)).await;
        assert_eq!(
            admitted("192.0.2.1", 100),
            10,
            "and no more than before however long it waits"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn clients_that_came_once_are_forgotten() {
        let limits = AdmissionLimits {
            client_max: 10,
            client_every: Duration::from_millis(100),
            ..AdmissionLimits::total(1_000)
        };
        let admission = Admission::new(limits);
        for number in 0..20 * u32::try_from(CLIENTS_SWEPT_AT).unwrap() {
            assert!(admission.admit(Peer::Ip(IpAddr::from(number.to_be_bytes()))).is_some());
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        assert!(admission.inner.counts.lock().unwrap().clients.len() <= 2 * CLIENTS_SWEPT_AT);
    }
}
