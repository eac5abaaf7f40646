//! The session itself: what it knows of its client, and which file answers which event.

use pop3_wire::{Config, Event, PasswordPolicy, Refusal, Server, Tls, WrongAnswer};

use super::lock::LockedMaildrop;
use crate::connection::Connection;
use crate::services::SharedServices;
use crate::session::login::takes_passwords;
use crate::session::pump::{Gone, Pump, now};

/// The session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End;

impl From<Gone> for End {
    fn from(Gone: Gone) -> Self {
        Self
    }
}

impl From<WrongAnswer> for End {
    fn from(error: WrongAnswer) -> Self {
        tracing::error!(%error, "a POP3 session answered what was not asked");
        Self
    }
}

/// See the module.
pub(super) struct Session {
    pub(super) pump: Pump<Server>,
    pub(super) services: SharedServices,
    /// From log-in until QUIT.
    pub(super) maildrop: Option<LockedMaildrop>,
}

impl Session {
    pub(super) fn new(connection: Connection, services: SharedServices) -> Self {
        let config = Config {
            host: services.settings.host.to_string(),
            tls: match (connection.is_secure(), connection.can_start_tls()) {
                (true, _) => Tls::Active,
                (false, true) => Tls::Offered,
                (false, false) => Tls::Absent,
            },
            passwords: if takes_passwords(&connection, &services) {
                PasswordPolicy::Offered
            } else {
                PasswordPolicy::AfterTls
            },
        };
        let stopping = services.stopping.clone();
        Self {
            pump: Pump::new(connection, Server::new(config, now()), stopping),
            services,
            maildrop: None,
        }
    }

    /// Goes on until somebody ends it.
    pub(super) async fn run(mut self) {
        while let Ok(event) = self.pump.next().await {
            if self.take(event).await.is_err() {
                break;
            }
        }
        // Before the good-bye: a client that has read it may come back at once.
        if let Some(maildrop) = self.maildrop.take() {
            maildrop.release().await;
        }
        self.pump.close().await;
    }

    async fn take(&mut self, event: Event) -> Result<(), End> {
        match event {
            Event::Auth(credentials) => self.auth(&credentials).await,
            Event::Retrieve { .. } | Event::Commit(_) if self.has_lost_lock() => {
                self.pump.machine.hang_up();
                Ok(())
            }
            Event::Retrieve { index, lines } => self.retrieve(index, lines).await,
            Event::Commit(indexes) => self.commit(&indexes).await,
            Event::StartTls => self.start_tls().await,
            Event::Quit => Err(End),
            Event::Closed(reason) => {
                tracing::debug!(?reason, "POP3 connection closed");
                Err(End)
            }
        }
    }

    /// Whether another session may have the maildrop by now: this one is of no more use.
    fn has_lost_lock(&self) -> bool {
        self.maildrop.as_ref().is_none_or(LockedMaildrop::is_lost)
    }

    async fn start_tls(&mut self) -> Result<(), End> {
        if !self.pump.connection.can_start_tls() {
            return Ok(self.pump.machine.refuse(Refusal::TlsUnavailable)?);
        }
        self.pump.machine.accept_tls()?;
        self.pump.start_tls().await?;
        Ok(self.pump.machine.tls_started(now())?)
    }
}
