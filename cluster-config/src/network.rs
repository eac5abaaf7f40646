//! Sets of client addresses, as allow rules name them.
//!
//! Invariants: a [`Networks`] never covers every address of a family, however it is put together: an allow rule that
//! matches everyone is not a rule. IPv4 addresses mapped into IPv6 count as the IPv4 addresses that they are.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// Addresses that share a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network {
    first: IpAddr,
    prefix: u8,
}

/// Why a text, or a list of them, names no set of clients.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidNetwork {
    /// Neither an address nor address/prefix.
    #[error("{0:?} is not a network")]
    Syntax(String),
    /// Bits after the prefix are set: which of the two was meant?
    #[error("{0} has bits beyond its prefix, the network is {1}")]
    HostBits(String, Network),
    /// It would match every client of a family.
    #[error("together these networks match everyone")]
    Everyone,
}

impl Network {
    fn new(text: &str, address: IpAddr, prefix: u8) -> Result<Self, InvalidNetwork> {
        let first = match address {
            IpAddr::V4(v4) => IpAddr::V4(Ipv4Addr::from(u32::from(v4) & mask_v4(prefix))),
            IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from(u128::from(v6) & mask_v6(prefix))),
        };
        let network = Self { first, prefix };
        if first == address {
            Ok(network)
        } else {
            Err(InvalidNetwork::HostBits(text.to_owned(), network))
        }
    }

    /// Whether `address` is in it.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.first, address.to_canonical()) {
            (IpAddr::V4(first), IpAddr::V4(v4)) => u32::from(v4) & mask_v4(self.prefix) == u32::from(first),
            (IpAddr::V6(first), IpAddr::V6(v6)) => u128::from(v6) & mask_v6(self.prefix) == u128::from(first),
            _ => false,
        }
    }

    fn bits(&self) -> u8 {
        if self.first.is_ipv4() { 32 } else { 128 }
    }

    fn covers(&self, other: &Self) -> bool {
        self.bits() == other.bits() && self.prefix <= other.prefix && self.contains(other.first)
    }
}

fn mask_v4(prefix: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0)
}

fn mask_v6(prefix: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0)
}

impl FromStr for Network {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let syntax = || InvalidNetwork::Syntax(text.to_owned());
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| syntax())?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(bits), |prefix| prefix.parse().map_err(|_| syntax()))?;
        // A mapped network would match nothing, since clients are looked up by the address they really have.
        let mapped = matches!(address, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some());
        if prefix > bits || mapped {
            return Err(syntax());
        }
        Self::new(text, address, prefix)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.prefix)
    }
}

/// A list of networks that leaves somebody out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(Vec<Network>);

impl fmt::Display for Networks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let networks: Vec<String> = self.0.iter().map(Network::to_string).collect();
        f.write_str(&networks.join(", "))
    }
}

impl Networks {
    /// The machine itself.
    #[must_use]
    pub fn loopback() -> Self {
        let v4 = Network {
            first: IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)),
            prefix: 8,
        };
        let v6 = Network {
            first: IpAddr::V6(Ipv6Addr::LOCALHOST),
            prefix: 128,
        };
        Self(vec![v4, v6])
    }

    /// The list; it may be empty and matches nobody then.
    ///
    /// # Errors
    /// [`InvalidNetwork::Everyone`] when it covers all of IPv4 or all of IPv6.
    pub fn new(list: Vec<Network>) -> Result<Self, InvalidNetwork> {
        if covers_all(&list, 32) || covers_all(&list, 128) {
            return Err(InvalidNetwork::Everyone);
        }
        Ok(Self(list))
    }

    /// Whether `address` is in one of them.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Network> {
        self.0.iter()
    }
}

/// Whether networks of a family with `bits` bits cover it. Networks overlap only by containing each other, so those
/// that no other one contains are disjoint, and cover everything when their sizes add up to it.
fn covers_all(list: &[Network], bits: u8) -> bool {
    let mut family: Vec<&Network> = list.iter().filter(|network| network.bits() == bits).collect();
    family.sort();
    family.dedup();
    let outermost = family
        .iter()
        .filter(|network| !family.iter().any(|other| other != *network && other.covers(network)));
    let all = 1_u128.checked_shl(u32::from(bits)).unwrap_or(0);
    let mut sum = 0_u128;
    for network in outermost {
        let size = 1_u128.checked_shl(u32::from(bits - network.prefix)).unwrap_or(0);
        sum = sum.wrapping_add(size);
        // 2^128 wraps to 0, which is what `all` is for IPv6; sizes are never 0 but for /0 itself.
        if sum == all {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(texts: &[&str]) -> Result<Networks, InvalidNetwork> {
        Networks::new(texts.iter().map(|text| text.parse().unwrap()).collect())
    }

    #[test]
    fn a_network_holds_what_shares_its_prefix() {
        let listed = networks(&["10.1.0.0/16", "2001:db8::/32", "192.0.2.7"]).unwrap();
        for inside in ["10.1.255.255", "::ffff:10.1.2.3", "2001:db8:ffff::1", "192.0.2.7"] {
            assert!(listed.contains(inside.parse().unwrap()), "{inside}");
        }
        for outside in ["10.2.0.0", "2001:db9::", "192.0.2.8", "::1"] {
            assert!(!listed.contains(outside.parse().unwrap()), "{outside}");
        }
    }

    #[test]
    fn a_list_that_matches_everyone_is_refused_however_it_is_split() {
        for everyone in [
            &["0.0.0.0/0"][..],
            &["::/0"],
            &["0.0.0.0/1", "128.0.0.0/1"],
            &["::/1", "8000::/1"],
            &["10.0.0.0/8", "0.0.0.0/2", "64.0.0.0/2", "128.0.0.0/1", "64.0.0.0/2"],
        ] {
            assert_eq!(networks(everyone), Err(InvalidNetwork::Everyone), "{everyone:?}");
        }
        for some in [
            &["0.0.0.0/1", "8000::/1"][..],
            &["0.0.0.0/1", "0.0.0.0/1"],
            &["0.0.0.0/1", "128.0.0.0/2"],
            &[],
        ] {
            assert!(networks(some).is_ok(), "{some:?}");
        }
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in [
            "",
            "localhost",
            "10.0.0.0/33",
            "10.0.0.0/-1",
            "::/129",
            "10/8",
            "::ffff:10.0.0.0/104",
        ] {
            assert_eq!(text.parse::<Network>(), Err(InvalidNetwork::Syntax(text.to_owned())));
        }
        let error = "10.1.2.3/8".parse::<Network>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "10.1.2.3/8 has bits beyond its prefix, the network is 10.0.0.0/8"
        );
    }
}
