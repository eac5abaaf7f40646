//! How long an attempt to log in has to wait, from what failed before. Pure: time comes in, a delay goes out.
//!
//! Failures are counted per network and per account, and forgotten one by one with time. Both only slow down, with a bound:
//! nobody can lock an owner out by guessing at the account. Who has logged in to this account from this network lately
//! waits a second at most.
//!
//! Invariants: memory is bounded by [`METERS_MAX`] and [`KNOWN_MAX`]; a delay never exceeds [`NETWORK_DELAY_MAX`].

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

use mail_model::AccountId;

use super::limits::{
    ACCOUNT_DELAY_MAX, ACCOUNT_FAILURES_FREE, DELAY_FIRST, FAILURE_DECAY, FAILURES_MAX, KNOWN_AGE, KNOWN_DELAY_MAX,
    KNOWN_MAX, METERS_MAX, NETWORK_DELAY_MAX, NETWORK_FAILURES_FREE,
};

/// Where somebody comes from: an IPv4 address, or the /64 that one IPv6 subscriber has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Network(IpAddr);

impl Network {
    pub(super) fn of(peer: IpAddr) -> Self {
        match peer.to_canonical() {
            IpAddr::V4(address) => Self(address.into()),
            IpAddr::V6(address) => Self(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into()),
        }
    }
}

/// Whom an attempt is aimed at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Aim {
    /// By whichever of its names.
    Account(AccountId),
    /// A name of nobody, as a hash: names come from strangers and have no bound worth the memory.
    Unknown(u64),
}

#[derive(Default)]
pub(super) struct Throttle {
    networks: Meters<Network>,
    aims: Meters<Aim>,
    known: HashMap<(Network, Aim), Instant>,
}

impl Throttle {
    /// How long an attempt from `network` at `aim` waits before it is looked at.
    pub(super) fn delay(&self, network: Network, aim: Aim, now: Instant) -> Duration {
        let by_network = delay(
            self.networks.level(&network, now),
            NETWORK_FAILURES_FREE,
            NETWORK_DELAY_MAX,
        );
        let by_aim = delay(self.aims.level(&aim, now), ACCOUNT_FAILURES_FREE, ACCOUNT_DELAY_MAX);
        let known = self.known.get(&(network, aim));
        let known = known.is_some_and(|since| now.saturating_duration_since(*since) < KNOWN_AGE);
        let most = if known { KNOWN_DELAY_MAX } else { NETWORK_DELAY_MAX };
        by_network.max(by_aim).min(most)
    }

    /// An attempt was wrong.
    pub(super) fn failed(&mut self, network: Network, aim: Aim, now: Instant) {
        self.networks.add(network, now);
        self.aims.add(aim, now);
    }

    /// An attempt was right. Earlier failures stay counted: else whoever has one account could clear the way to another.
    pub(super) fn succeeded(&mut self, network: Network, aim: Aim, now: Instant) {
        if self.known.len() >= KNOWN_MAX && !self.known.contains_key(&(network, aim)) {
            let oldest = self
                .known
                .iter()
                .min_by_key(|(_, since)| **since)
                .map(|(pair, _)| *pair);
            oldest.and_then(|pair| self.known.remove(&pair));
        }
        self.known.insert((network, aim), now);
    }
}

fn delay(level: u32, free: u32, most: Duration) -> Duration {
    let Some(over) = level.checked_sub(free + 1) else {
        return Duration::ZERO;
    };
    let factor = 1u32.checked_shl(over).unwrap_or(u32::MAX);
    DELAY_FIRST.checked_mul(factor).map_or(most, |delay| delay.min(most))
}

/// Failures that leak away, one per [`FAILURE_DECAY`].
struct Meters<K> {
    meters: HashMap<K, Meter>,
}

#[derive(Clone, Copy)]
struct Meter {
    failures: u32,
    /// When `failures` was right.
    at: Instant,
}

impl Meter {
    fn level(&self, now: Instant) -> u32 {
        let forgotten = now.saturating_duration_since(self.at).as_secs() / FAILURE_DECAY.as_secs();
        self.failures
            .saturating_sub(u32::try_from(forgotten).unwrap_or(u32::MAX))
    }
}

impl<K> Default for Meters<K> {
    fn default() -> Self {
        Self { meters: HashMap::new() }
    }
}

impl<K: Copy + Eq + Hash> Meters<K> {
    fn level(&self, key: &K, now: Instant) -> u32 {
        self.meters.get(key).map_or(0, |meter| meter.level(now))
    }

    fn add(&mut self, key: K, now: Instant) {
        if self.meters.len() >= METERS_MAX && !self.meters.contains_key(&key) {
            self.make_room(now);
        }
        let failures = self.level(&key, now).saturating_add(1).min(FAILURES_MAX);
        self.meters.insert(key, Meter { failures, at: now });
    }

    /// Drops what is forgotten anyway, else the one with the fewest failures.
    fn make_room(&mut self, now: Instant) {
        self.meters.retain(|_, meter| meter.level(now) > 0);
        if self.meters.len() >= METERS_MAX {
            let least = self.meters.iter().min_by_key(|(_, meter)| (meter.level(now), meter.at));
            let least = least.map(|(key, _)| *key);
            least.and_then(|key| self.meters.remove(&key));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: Aim = Aim::Account(AccountId(1));

    fn network(text: &str) -> Network {
        Network::of(text.parse().expect("an address"))
    }

    fn fail(throttle: &mut Throttle, from: Network, aim: Aim, times: u32, now: Instant) {
        for _ in 0..times {
            throttle.failed(from, aim, now);
        }
    }

    #[test]
    fn a_few_mistakes_cost_nothing_and_then_each_doubles_the_delay() {
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        let home = network("192.0.2.1");
        fail(&mut throttle, home, ANN, ACCOUNT_FAILURES_FREE, now);
        assert_eq!(throttle.delay(home, ANN, now), Duration::ZERO);
        let mut delays = Vec::new();
        for _ in 0..5 {
            fail(&mut throttle, home, ANN, 1, now);
            delays.push(throttle.delay(home, ANN, now).as_millis());
        }
        assert_eq!(delays, [250, 500, 1_000, 2_000, 2_000]);
    }

    #[test]
    fn guessing_from_elsewhere_slows_the_owner_by_a_bounded_time_and_hardly_where_the_owner_is_known() {
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        let (home, train) = (network("192.0.2.1"), network("198.51.100.7"));
        throttle.succeeded(home, ANN, now);
        // Ten thousand, from everywhere.
        for n in 0..1_000_u32 {
            fail(&mut throttle, Network::of(IpAddr::from(n.to_be_bytes())), ANN, 10, now);
        }
        assert_eq!(throttle.delay(train, ANN, now), ACCOUNT_DELAY_MAX);
        assert_eq!(throttle.delay(home, ANN, now), KNOWN_DELAY_MAX);
        assert_eq!(throttle.delay(home, Aim::Account(AccountId(2)), now), Duration::ZERO);
        assert_eq!(
            throttle.delay(home, ANN, now + KNOWN_AGE),
            Duration::ZERO,
            "forgotten on both sides"
        );
    }

    #[test]
    fn a_network_that_tries_many_names_is_slowed_for_all_of_them() {
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        let bad = network("203.0.113.1");
        for n in 0..u64::from(FAILURES_MAX) {
            throttle.failed(bad, Aim::Unknown(n), now);
        }
        assert_eq!(throttle.delay(bad, ANN, now), NETWORK_DELAY_MAX);
        assert_eq!(throttle.delay(network("203.0.113.2"), ANN, now), Duration::ZERO);
    }

    #[test]
    fn failures_are_forgotten_one_by_one() {
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        let home = network("192.0.2.1");
        fail(&mut throttle, home, ANN, ACCOUNT_FAILURES_FREE + 2, now);
        let later = |times| throttle.delay(home, ANN, now + FAILURE_DECAY * times).as_millis();
        assert_eq!([later(0), later(1), later(2)], [500, 250, 0]);
    }

    #[test]
    fn a_subscriber_is_one_network_whatever_the_address() {
        assert_eq!(network("2001:db8:1:2::7"), network("2001:db8:1:2:ffff::1"));
        assert_ne!(network("2001:db8:1:2::7"), network("2001:db8:1:3::7"));
        assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"));
    }

    #[test]
    fn a_flood_of_names_does_not_push_out_the_conspicuous() {
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        let bad = network("203.0.113.1");
        fail(&mut throttle, bad, ANN, 10, now);
        for n in 0..(METERS_MAX as u64 + 50) {
            throttle.failed(bad, Aim::Unknown(n), now);
            if n % 4 == 0 {
                throttle.succeeded(bad, Aim::Unknown(n), now);
            }
        }
        assert_eq!(throttle.aims.meters.len(), METERS_MAX);
        assert!(throttle.known.len() <= KNOWN_MAX);
        assert_eq!(throttle.aims.level(&ANN, now), 10);
    }
}
