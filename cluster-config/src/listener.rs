//! The listeners that a node can have, with the ports that the standards give them.

use std::net::IpAddr;

/// One kind of listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Listener {
    /// Mail from other servers.
    Smtp,
    /// Mail from trusted programs, answered per recipient (RFC 2033).
    Lmtp,
    /// Mail from users, STARTTLS (RFC 6409).
    Submission,
    /// Mail from users, TLS from the first byte (RFC 8314).
    Submissions,
    /// IMAP with STARTTLS.
    Imap,
    /// IMAP, TLS from the first byte.
    Imaps,
    /// POP3 with STLS.
    Pop3,
    /// POP3, TLS from the first byte.
    Pop3s,
    /// Other nodes.
    Quic,
    /// Administrators, under mutual TLS.
    Admin,
    /// Plain HTTP for `/metrics` and `/healthz`.
    Metrics,
}

/// What carries the bytes: a UDP port and a TCP port of one number do not meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// Where a listener that is on listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenAt {
    /// Local addresses, at least one.
    pub bind: Vec<IpAddr>,
    /// The port on each of them.
    pub port: u16,
}

impl Listener {
    /// All, in the order in which they are shown.
    pub const ALL: [Self; 11] = [
        Self::Smtp,
        Self::Lmtp,
        Self::Submission,
        Self::Submissions,
        Self::Imap,
        Self::Imaps,
        Self::Pop3,
        Self::Pop3s,
        Self::Quic,
        Self::Admin,
        Self::Metrics,
    ];

    /// Its key in the cluster file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Smtp => "smtp",
            Self::Lmtp => "lmtp",
            Self::Submission => "submission",
            Self::Submissions => "submissions",
            Self::Imap => "imap",
            Self::Imaps => "imaps",
            Self::Pop3 => "pop3",
            Self::Pop3s => "pop3s",
            Self::Quic => "quic",
            Self::Admin => "admin",
            Self::Metrics => "metrics",
        }
    }

    /// The port that it has on a node whose `base_port` is 0.
    #[must_use]
    pub fn standard_port(self) -> u16 {
        match self {
            Self::Smtp => 25,
            Self::Lmtp => 24,
            Self::Submission => 587,
            Self::Submissions => 465,
            Self::Imap => 143,
            Self::Imaps => 993,
            Self::Pop3 => 110,
            Self::Pop3s => 995,
            Self::Quic => 900,
            Self::Admin => 90,
            Self::Metrics => 91,
        }
    }

    /// What it is carried by.
    #[must_use]
    pub fn transport(self) -> Transport {
        match self {
            Self::Quic => Transport::Udp,
            _ => Transport::Tcp,
        }
    }

    /// Whether it stays on the machine unless its own `bind` says otherwise: it asks its clients for no proof.
    #[must_use]
    pub fn is_local(self) -> bool {
        matches!(self, Self::Lmtp | Self::Metrics)
    }
}
