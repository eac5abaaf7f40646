//! Accounts: made whole, looked up by any of their addresses.

use cluster_config::admin::{
    AccountMade, AccountRow, AddAccount, Done, ListAccounts, Page, RemoveAccount, SetAccountEnabled, SetPassword,
    SetQuota,
};
use mail_model::{AccountId, Secret};
use mailstore::directory::{
    Account, AccountSummary, DisableAccount, EnableAccount, Read, RemoveAccount as RemoveFromDirectory, SetCredentials,
    SetQuota as SetQuotaInDirectory,
};

use super::Node;
use super::failure::{Fail, address};
use crate::accounts;

pub(super) async fn list(node: Node, call: ListAccounts) -> Result<Page<AccountRow>, Fail> {
    let page = node
        .services
        .directory
        .accounts(call.after.map(AccountId), Read::Fresh)
        .await?;
    Ok(Page {
        rows: page.rows.iter().map(row).collect(),
        more: page.more,
    })
}

fn row(summary: &AccountSummary) -> AccountRow {
    AccountRow {
        account: summary.account.0,
        group: summary.group.0,
        state: summary.state.to_string(),
        addresses: summary.addresses.iter().map(ToString::to_string).collect(),
        quota_bytes: summary.quota_bytes,
        created_ms: summary.created_ms,
    }
}

pub(super) async fn add(node: Node, call: AddAccount) -> Result<AccountMade, Fail> {
    let services = &node.services;
    let address = address(&call.address)?;
    let password = Secret::new(call.password.0);
    let (directory, store, auth) = (&services.directory, &services.store, &services.auth);
    let (account, group) = accounts::create(directory, store, auth, address, &password, call.quota_bytes).await?;
    // The mail group knows no policy: what counts there is the quota that results from it.
    set_store_quota(&node, account).await?;
    tracing::info!(%account, %group, "account made");
    Ok(AccountMade {
        account: account.0,
        group: group.0,
    })
}

pub(super) async fn set_enabled(node: Node, call: SetAccountEnabled) -> Result<Done, Fail> {
    let (account, _) = find(&node, &call.address).await?;
    let directory = &node.services.directory;
    match call.enabled {
        true => directory.change(EnableAccount { account }).await?,
        false => directory.change(DisableAccount { account }).await?,
    };
    tracing::info!(%account, enabled = call.enabled, "account changed");
    Ok(Done {})
}

pub(super) async fn remove(node: Node, call: RemoveAccount) -> Result<Done, Fail> {
    let (account, _) = find(&node, &call.address).await?;
    node.services.directory.change(RemoveFromDirectory { account }).await?;
    tracing::info!(%account, "account removed");
    Ok(Done {})
}

pub(super) async fn set_password(node: Node, call: SetPassword) -> Result<Done, Fail> {
    let (account, _) = find(&node, &call.address).await?;
    let credentials = node
        .services
        .auth
        .make_credentials(&Secret::new(call.password.0))
        .await?;
    let command = SetCredentials { account, credentials };
    node.services.directory.change(command).await?;
    tracing::info!(%account, "password set");
    Ok(Done {})
}

pub(super) async fn set_quota(node: Node, call: SetQuota) -> Result<Done, Fail> {
    let (account, _) = find(&node, &call.address).await?;
    let quota_bytes = call.quota_bytes;
    let command = SetQuotaInDirectory { account, quota_bytes };
    node.services.directory.change(command).await?;
    set_store_quota(&node, account).await?;
    tracing::info!(%account, ?quota_bytes, "quota set");
    Ok(Done {})
}

/// Tells the account's group the quota that the directory has for it.
async fn set_store_quota(node: &Node, account: AccountId) -> Result<(), Fail> {
    let directory = &node.services.directory;
    let policy = directory.policy(Read::Fresh).await?;
    let known = directory.account(account, Read::Fresh).await?;
    let known = known.ok_or_else(|| Fail::refused("the account was removed meanwhile"))?;
    let quota = known.effective_quota(policy.default_quota_bytes);
    let handle = node.services.store.account(account, known.group);
    Ok(handle.set_quota(quota).await?)
}

/// The account that has an address.
pub(super) async fn find(node: &Node, text: &str) -> Result<(AccountId, Account), Fail> {
    let directory = &node.services.directory;
    let address = address(text)?;
    let none = || Fail::refused(format_args!("no account has the address {address}"));
    let id = directory.account_of(&address, Read::Fresh).await?.ok_or_else(none)?;
    let account = directory.account(id, Read::Fresh).await?.ok_or_else(none)?;
    Ok((id, account))
}
