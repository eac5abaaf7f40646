//! What is spoken on the ports for mail.

use cluster_config::Listener;
use smtp_wire::Profile;

use crate::connection::Connection;
use crate::services::SharedServices;
use crate::session;

/// A protocol of mail clients and servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Smtp(Profile),
    Imap,
    Pop3,
}

/// What is spoken on one port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MailService {
    protocol: Protocol,
    /// Whether TLS comes first.
    pub(crate) is_secure: bool,
}

impl MailService {
    /// LMTP, as a unix socket has it.
    pub(crate) const LMTP: Self = Self::clear(Protocol::Smtp(Profile::Lmtp));

    const fn clear(protocol: Protocol) -> Self {
        let is_secure = false;
        Self { protocol, is_secure }
    }

    const fn secure(protocol: Protocol) -> Self {
        let is_secure = true;
        Self { protocol, is_secure }
    }

    /// What a listener for mail speaks; `None` for the others.
    pub(crate) fn of(listener: Listener) -> Option<Self> {
        Some(match listener {
            Listener::Smtp => Self::clear(Protocol::Smtp(Profile::Smtp)),
            Listener::Lmtp => Self::LMTP,
            Listener::Submission => Self::clear(Protocol::Smtp(Profile::Submission)),
            Listener::Submissions => Self::secure(Protocol::Smtp(Profile::Submission)),
            Listener::Imap => Self::clear(Protocol::Imap),
            Listener::Imaps => Self::secure(Protocol::Imap),
            Listener::Pop3 => Self::clear(Protocol::Pop3),
            Listener::Pop3s => Self::secure(Protocol::Pop3),
            Listener::Quic | Listener::Admin | Listener::Metrics => return None,
        })
    }

    /// Whether only clients that the operator named may come.
    pub(crate) fn is_for_named_networks(self) -> bool {
        self.protocol == Protocol::Smtp(Profile::Lmtp)
    }

    /// What a client is told that finds no room, in clear.
    pub(crate) fn busy(self) -> &'static str {
        match self.protocol {
            Protocol::Smtp(_) => "421 4.3.2 too many connections, try again later\r\n",
            Protocol::Imap => "* BYE [UNAVAILABLE] too many connections, try again later\r\n",
            Protocol::Pop3 => "-ERR [SYS/TEMP] too many connections, try again later\r\n",
        }
    }

    /// What a balancer is told that does not name its client, in clear.
    pub(crate) fn wants_header(self) -> &'static str {
        match self.protocol {
            Protocol::Smtp(_) => "421 4.7.0 this network has to send a PROXY header of version 2\r\n",
            Protocol::Imap => "* BYE this network has to send a PROXY header of version 2\r\n",
            Protocol::Pop3 => "-ERR [SYS/PERM] this network has to send a PROXY header of version 2\r\n",
        }
    }

    /// Runs one session to its end.
    pub(crate) async fn serve(self, connection: Connection, services: SharedServices) {
        match self.protocol {
            Protocol::Smtp(profile) => Box::pin(session::smtp::serve(connection, services, profile)).await,
            Protocol::Imap => Box::pin(session::imap::serve(connection, services)).await,
            Protocol::Pop3 => Box::pin(session::pop3::serve(connection, services)).await,
        }
    }
}
