//! AUTH (RFC 4954).

use mail_model::PlainCredentials;
use smtp_wire::replies;

use super::session::{End, Session};
use crate::auth::LoginError;
use crate::session::login::log_in;

impl Session {
    pub(super) async fn auth(&mut self, credentials: &PlainCredentials) -> Result<(), End> {
        let reply = match log_in(&self.services, &self.pump.connection, credentials).await {
            Ok((user, pass)) => {
                self.user = Some(user);
                self.pump.admit(pass);
                return Ok(self.pump.machine.accept()?);
            }
            Err(LoginError::Denied) => replies::bad_credentials(),
            Err(LoginError::Disabled) => replies::account_disabled(),
            Err(LoginError::NotReady | LoginError::Busy | LoginError::Unavailable(_)) => replies::cannot_authenticate(),
        };
        Ok(self.pump.machine.refuse(reply)?)
    }
}
