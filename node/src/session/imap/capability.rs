//! CAPABILITY (RFC 3501, section 6.1.1), and what decides over the capabilities: a password may be sent over TLS, and in
//! clear from the networks that the operator named (DESIGN D22); what cannot succeed is not offered.

use imap_wire::response::{Capabilities, write_capability};

use super::outcome::{Done, Outcome};
use super::session::Session;
use crate::session::login;

impl Session {
    /// What can be had on this connection now.
    pub(super) fn capabilities(&self) -> Capabilities {
        Capabilities {
            authenticated: self.account.is_some(),
            starttls: self.channel.connection.can_start_tls(),
            passwords: self.takes_passwords(),
        }
    }

    /// Whether a password may be sent on this connection.
    pub(super) fn takes_passwords(&self) -> bool {
        login::takes_passwords(&self.channel.connection, &self.services)
    }

    pub(super) fn capability(&mut self) -> Outcome {
        let capabilities = self.capabilities();
        write_capability(&mut self.channel.out, &capabilities);
        Ok(Done::new("that is all"))
    }
}
