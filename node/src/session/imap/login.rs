//! LOGIN (RFC 3501, section 6.2.3), and what it has in common with AUTHENTICATE: whoever proves a password gets the
//! account (RFC 5530 for the codes).

use imap_wire::SessionState;
use imap_wire::command::Login;
use imap_wire::response::Code;
use mail_model::PlainCredentials;

use super::error::{End, Failure};
use super::limits::LOGIN_FAILURES_MAX;
use super::outcome::{Done, DoneCode, Outcome};
use super::session::Session;
use crate::auth::LoginError;
use crate::session::login;

impl Session {
    pub(super) async fn login(&mut self, command: Login) -> Outcome {
        self.check_privacy()?;
        let credentials = PlainCredentials {
            authzid: String::new(),
            authcid: command.name,
            password: command.password,
        };
        self.log_in(&credentials).await
    }

    /// Refuses passwords where anybody could read along.
    pub(super) fn check_privacy(&self) -> Result<(), Failure> {
        if self.takes_passwords() {
            return Ok(());
        }
        let text = "passwords are taken over TLS only";
        Err(Failure::no(Code::PrivacyRequired, text))
    }

    /// Checks a password and takes the account up.
    pub(super) async fn log_in(&mut self, credentials: &PlainCredentials) -> Outcome {
        let checked = login::log_in(&self.services, &self.channel.connection, credentials).await;
        let (user, pass) = checked.map_err(|error| self.login_failed(&error))?;
        self.pass = Some(pass);
        self.account = Some(self.services.store.account(user.account, user.group));
        self.channel.machine.set_state(SessionState::Authenticated);
        Ok(Done::with(DoneCode::Capability(self.capabilities()), "logged in"))
    }

    fn login_failed(&mut self, error: &LoginError) -> Failure {
        let code = match error {
            LoginError::Denied => Code::AuthenticationFailed,
            // Said to those only who know the password.
            LoginError::Disabled => Code::ContactAdmin,
            LoginError::NotReady | LoginError::Busy | LoginError::Unavailable(_) => Code::Unavailable,
        };
        self.login_failures += u32::from(error.is_permanent());
        if self.login_failures >= LOGIN_FAILURES_MAX {
            return End::Bye(Some(code), "too many failed attempts to log in".into()).into();
        }
        match error {
            LoginError::Unavailable(_) => Failure::no(code, "log-in is not possible at the moment, try again later"),
            _ => Failure::no(code, error.to_string()),
        }
    }
}
