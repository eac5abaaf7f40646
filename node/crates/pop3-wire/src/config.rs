//! What differs between one listener and another.

/// What a connection has of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// Neither in use nor to be had.
    Absent,
    /// STLS starts it (RFC 2595).
    Offered,
    /// In use, from the first byte or by STLS.
    Active,
}

/// Where USER and AUTH are taken. Which networks may send passwords in clear text is decided by whoever makes the
/// machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordPolicy {
    /// Offered now.
    Offered,
    /// Hidden until TLS is in use, then offered.
    AfterTls,
}

/// What one connection begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The name of this server, for the greeting: printable ASCII.
    pub host: String,
    /// TLS at the beginning.
    pub tls: Tls,
    /// Passwords.
    pub passwords: PasswordPolicy,
}
