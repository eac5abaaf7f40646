//! USER and PASS, AUTH PLAIN (RFC 1939 7, RFC 5034): who proves a password gets the maildrop, if nobody else has it.

use mail_model::PlainCredentials;
use mailstore::{Rejection, StoreError};
use pop3_wire::{Maildrop, Refusal};

use super::lock::LockedMaildrop;
use super::session::{End, Session};
use crate::auth::{LoginError, Pass};
use crate::session::login::log_in;

impl Session {
    pub(super) async fn auth(&mut self, credentials: &PlainCredentials) -> Result<(), End> {
        match self.open(credentials).await {
            Ok((locked, listed, pass)) => {
                self.maildrop = Some(locked);
                self.pump.admit(pass);
                Ok(self.pump.machine.log_in(listed)?)
            }
            Err(refusal) => Ok(self.pump.machine.refuse(refusal)?),
        }
    }

    async fn open(&self, credentials: &PlainCredentials) -> Result<(LockedMaildrop, Maildrop, Pass), Refusal> {
        let user = log_in(&self.services, &self.pump.connection, credentials).await;
        let (user, pass) = user.map_err(|error| match error {
            LoginError::Denied => Refusal::Credentials,
            LoginError::Disabled => Refusal::AccountDisabled,
            LoginError::NotReady | LoginError::Busy | LoginError::Unavailable(_) => Refusal::Temporary,
        })?;
        let account = self.services.store.account(user.account, user.group);
        let locked = LockedMaildrop::open(account).await.map_err(|error| refusal(&error))?;
        match list(&locked) {
            Ok(listed) => Ok((locked, listed, pass)),
            Err(error) => {
                tracing::error!(account = %locked.account.id(), %error, "a maildrop cannot be listed");
                locked.release().await;
                Err(Refusal::Temporary)
            }
        }
    }
}

fn refusal(error: &StoreError) -> Refusal {
    match error.rejection() {
        Some(Rejection::MaildropInUse) => Refusal::InUse,
        _ => {
            tracing::debug!(%error, "a maildrop cannot be opened");
            Refusal::Temporary
        }
    }
}

fn list(locked: &LockedMaildrop) -> Result<Maildrop, pop3_wire::InvalidUidl> {
    let mut listed = Maildrop::new();
    for item in locked.maildrop().items() {
        listed.push(u64::from(item.size), &item.uidl)?;
    }
    Ok(listed)
}
