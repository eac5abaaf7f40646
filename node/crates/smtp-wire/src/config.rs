//! What differs between one listener and another.

/// Which protocol a listener speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// SMTP between servers (RFC 5321).
    Smtp,
    /// LMTP: LHLO instead of EHLO, one reply per recipient after the data (RFC 2033).
    Lmtp,
    /// Submission: MAIL only after AUTH (RFC 6409 4.3).
    Submission,
}

/// What a connection has of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// Neither in use nor to be had.
    Absent,
    /// STARTTLS starts it (RFC 3207).
    Offered,
    /// In use, from the first byte or by STARTTLS.
    Active,
}

/// Where AUTH is taken. Which networks may send passwords in clear text is decided by whoever makes the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthPolicy {
    /// Offered now.
    Offered,
    /// Hidden until TLS is in use, then offered.
    AfterTls,
    /// Hidden throughout.
    Hidden,
}

/// What one connection begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The protocol.
    pub profile: Profile,
    /// The name of this server, as greeting and EHLO say it.
    pub host: String,
    /// Octets of the largest message taken, as SIZE announces it (RFC 1870).
    pub message_bytes_max: u64,
    /// TLS at the beginning.
    pub tls: Tls,
    /// AUTH.
    pub auth: AuthPolicy,
}
