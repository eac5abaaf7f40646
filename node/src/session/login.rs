//! Passwords, where the wire machine asks for them (SMTP, POP3): who may send one, and whom it lets in.
//!
//! Invariant: nobody logs in to act for somebody else.

use mail_model::{Address, PlainCredentials};

use crate::auth::{LoggedIn, LoginError, Pass};
use crate::connection::Connection;
use crate::services::Services;

/// Whether a client may send a password over this connection now, nobody being able to read along or the operator having
/// named its network (DESIGN D22).
pub(super) fn takes_passwords(connection: &Connection, services: &Services) -> bool {
    let from = &services.settings.plaintext_passwords_from;
    connection.is_secure() || from.contains(connection.peer().ip())
}

/// Checks what a client sent. The session goes on as long as its pass is good.
///
/// # Errors
/// See [`LoginError`].
pub(super) async fn log_in(
    services: &Services,
    connection: &Connection,
    credentials: &PlainCredentials,
) -> Result<(LoggedIn, Pass), LoginError> {
    let PlainCredentials {
        authzid,
        authcid,
        password,
    } = credentials;
    let peer = connection.peer().ip();
    let outcome = services.auth.log_in(authcid, password, peer).await;
    if let Err(LoginError::Unavailable(error)) = &outcome {
        tracing::warn!(%error, "nobody can log in with a password that the local replica does not know");
    }
    outcome.and_then(|user| {
        if is_same(authzid, authcid, &user.address) {
            let pass = services.access.admit(&user);
            Ok((user, pass))
        } else {
            Err(LoginError::Denied)
        }
    })
}

/// Whether `authzid` (RFC 4616) means the one who logs in.
fn is_same(authzid: &str, authcid: &str, address: &Address) -> bool {
    let is_address = || Address::new(authzid).is_ok_and(|named| named == *address);
    authzid.is_empty() || authzid.eq_ignore_ascii_case(authcid) || is_address()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_logs_in_acts_for_nobody_else() {
        let address = Address::new("ann@a.org").unwrap();
        for own in ["", "Ann", "ann@A.org"] {
            assert!(is_same(own, "ann", &address), "{own}");
        }
        for other in ["bob", "bob@a.org", "ann@b.org"] {
            assert!(!is_same(other, "ann", &address), "{other}");
        }
    }
}
