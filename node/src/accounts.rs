//! Making an account whole: an entry in the directory and mailboxes in its group.
//!
//! The directory gives the id first, in state Creating; the group makes the mailboxes; then the account becomes active.
//! A crash in between leaves an account that defers its mail and that the same call finishes.

use mail_model::{AccountId, Address, GroupId, Secret};
use mailstore::directory::{ActivateAccount, AddAccount, ChangeError, Directory, NewAccount};
use mailstore::{Mailstore, StoreError};

use crate::auth::{Authenticator, MakeError};

/// Why an account was not made.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// Its password cannot be used.
    #[error(transparent)]
    Password(#[from] MakeError),
    /// The directory refuses, or cannot be reached.
    #[error(transparent)]
    Directory(#[from] ChangeError),
    /// Its group cannot be reached; the same call again goes on from there.
    #[error("the mailboxes of account {account} could not be made, try again: {source}")]
    Mailboxes {
        /// The account, in state Creating.
        account: AccountId,
        /// Why not.
        source: StoreError,
    },
}

/// Makes an account with its mailboxes. `quota_bytes` of `None` is the policy's.
///
/// # Errors
/// See [`CreateError`]; nothing is half usable.
pub async fn create(
    directory: &Directory,
    store: &Mailstore,
    auth: &Authenticator,
    address: Address,
    password: &Secret,
    quota_bytes: Option<u64>,
) -> Result<(AccountId, GroupId), CreateError> {
    let credentials = auth.make_credentials(password).await?;
    let command = AddAccount {
        address,
        credentials,
        quota_bytes,
    };
    let NewAccount { account, group, .. } = directory.add_account(command).await?;
    let ensured = store.account(account, group).ensure(quota_bytes).await;
    ensured.map_err(|source| CreateError::Mailboxes { account, source })?;
    directory.change(ActivateAccount { account }).await?;
    Ok((account, group))
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use mailstore::directory::Read;
    use mailstore::front::Freshness;

    use super::*;
    use crate::testing::{PASSWORD, node_with_accounts};

    #[tokio::test]
    async fn a_new_account_can_log_in_and_has_its_mailboxes() {
        let node = node_with_accounts(2).await;
        let peer = IpAddr::from([127, 0, 0, 1]);
        let password = Secret::new(PASSWORD.to_owned());
        let logged_in = node
            .services
            .auth
            .log_in("user2@demo.test", &password, peer)
            .await
            .expect("lets in");
        let account = node.services.store.account(logged_in.account, logged_in.group);
        let list = account.list(Freshness::Latest).await.expect("lists");
        assert_eq!(list.mailboxes.len(), 6, "INBOX and five with a special use: {list:?}");
        assert!(account.check().await.expect("checks").findings.is_empty());
    }

    #[tokio::test]
    async fn an_address_is_given_once() {
        let node = node_with_accounts(1).await;
        let services = &node.services;
        let address = Address::new("user1@demo.test").expect("an address");
        let password = Secret::new(PASSWORD.to_owned());
        let again = create(
            &services.directory,
            &services.store,
            &services.auth,
            address,
            &password,
            None,
        )
        .await;
        assert!(matches!(again, Err(CreateError::Directory(_))), "{again:?}");
        assert_eq!(
            services
                .directory
                .accounts(None, Read::Fresh)
                .await
                .expect("lists")
                .rows
                .len(),
            1
        );
    }
}
