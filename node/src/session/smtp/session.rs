//! The session itself: what it knows of its client, and which file answers which event.

use mailstore::front::OpenDeliveries;
use smtp_wire::limits::CHUNK_BYTES_MAX;
use smtp_wire::{AuthPolicy, Config, Event, Profile, Server, Tls, WrongAnswer, replies};

use super::limits::MESSAGE_BYTES;
use super::mail::Transaction;
use crate::auth::LoggedIn;
use crate::connection::Connection;
use crate::services::SharedServices;
use crate::session::login::takes_passwords;
use crate::session::pump::{Gone, Pump, now};

const _: () = assert!(CHUNK_BYTES_MAX <= 256 << 10, "a chunk is less than a piece of a body");

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
        tracing::error!(%error, "an SMTP session answered what was not asked");
        Self
    }
}

/// See the module.
pub(super) struct Session {
    pub(super) pump: Pump<Server>,
    pub(super) services: SharedServices,
    pub(super) profile: Profile,
    /// Who has logged in.
    pub(super) user: Option<LoggedIn>,
    pub(super) transaction: Option<Transaction>,
    /// What the client was told to be delivered, until it shows that it has heard so (DESIGN M14).
    pub(super) unheard: Vec<OpenDeliveries>,
}

impl Session {
    pub(super) fn new(connection: Connection, services: SharedServices, profile: Profile) -> Self {
        let config = Config {
            profile,
            host: services.settings.host.to_string(),
            message_bytes_max: services.settings.message_bytes_max.min(MESSAGE_BYTES),
            tls: match (connection.is_secure(), connection.can_start_tls()) {
                (true, _) => Tls::Active,
                (false, true) => Tls::Offered,
                (false, false) => Tls::Absent,
            },
            auth: auth_policy(&connection, &services, profile),
        };
        let stopping = services.stopping.clone();
        Self {
            pump: Pump::new(connection, Server::new(config, now()), stopping),
            services,
            profile,
            user: None,
            transaction: None,
            unheard: Vec::new(),
        }
    }

    /// Goes on until somebody ends it.
    pub(super) async fn run(mut self) {
        while let Ok(event) = self.pump.next().await {
            self.close_heard();
            if self.take(event).await.is_err() {
                break;
            }
        }
        // The client's last words may have led to no event.
        self.close_heard();
        self.reset();
        self.pump.close().await;
    }

    async fn take(&mut self, event: Event) -> Result<(), End> {
        match event {
            Event::Hello(_) => Ok(()),
            Event::Mail(request) => self.mail(request).await,
            Event::Rcpt(recipient) => self.rcpt(recipient).await,
            Event::DataStart => self.data_start(),
            Event::Chunk(bytes) => {
                self.chunk(&bytes).await;
                Ok(())
            }
            Event::DataRefused(fault) => {
                self.data_refused(fault);
                Ok(())
            }
            Event::DataEnd(facts) => self.data_end(facts).await,
            Event::Reset => {
                self.reset();
                Ok(())
            }
            Event::Auth { credentials, .. } => self.auth(&credentials).await,
            Event::StartTls => self.start_tls().await,
            Event::Quit => Err(End),
            Event::Closed(reason) => {
                tracing::debug!(?reason, "SMTP connection closed");
                Err(End)
            }
        }
    }

    async fn start_tls(&mut self) -> Result<(), End> {
        if !self.pump.connection.can_start_tls() {
            return Ok(self.pump.machine.refuse(replies::tls_unavailable())?);
        }
        self.pump.machine.accept()?;
        self.pump.start_tls().await?;
        self.user = None;
        self.pump.forget();
        Ok(self.pump.machine.tls_started(now())?)
    }

    /// Once the client goes on after our `250`, the same message is another one (DESIGN M14).
    fn close_heard(&mut self) {
        if !self.pump.machine.is_final_reply_unseen() {
            self.unheard.drain(..).for_each(OpenDeliveries::close);
        }
    }

    /// Gives the transaction up.
    fn reset(&mut self) {
        if let Some(transaction) = self.transaction.take() {
            transaction.abort();
        }
    }
}

/// AUTH is offered where it leads somewhere, and can succeed (incident i20): for submission, where a password is taken or
/// will be under TLS.
fn auth_policy(connection: &Connection, services: &SharedServices, profile: Profile) -> AuthPolicy {
    match profile {
        Profile::Smtp | Profile::Lmtp => AuthPolicy::Hidden,
        Profile::Submission if takes_passwords(connection, services) => AuthPolicy::Offered,
        Profile::Submission if connection.can_start_tls() => AuthPolicy::AfterTls,
        Profile::Submission => AuthPolicy::Hidden,
    }
}
