//! Aliases, and who gets mail that nobody else gets.

use cluster_config::admin::{AddAlias, AliasRow, Done, ListAliases, Page, RemoveAlias, SetCatchAll};
use mailstore::directory::{
    AddAlias as AddToDirectory, Read, RemoveAlias as RemoveFromDirectory, SetCatchAll as SetInDirectory, Target,
};

use super::Node;
use super::failure::{Fail, address, domain};

pub(super) async fn list(node: Node, call: ListAliases) -> Result<Page<AliasRow>, Fail> {
    let after = call.after.as_deref().map(address).transpose()?;
    let page = node.services.directory.aliases(after, Read::Fresh).await?;
    let mut rows = Vec::with_capacity(page.rows.len());
    for summary in page.rows {
        let mut targets = Vec::with_capacity(summary.targets.len());
        for target in &summary.targets {
            targets.push(shown(&node, target).await?);
        }
        rows.push(AliasRow {
            address: summary.address.to_string(),
            targets,
        });
    }
    Ok(Page { rows, more: page.more })
}

/// A target as an administrator would write it.
pub(super) async fn shown(node: &Node, target: &Target) -> Result<String, Fail> {
    let Target::Account(id) = target else {
        return Ok(target.to_string());
    };
    let account = node.services.directory.account(*id, Read::Local).await?;
    let primary = account.as_ref().and_then(|account| account.primary());
    Ok(primary.map_or_else(|| target.to_string(), ToString::to_string))
}

/// A target as an administrator wrote it: an account where the address is one's, so that it stays when that account
/// gets another address.
async fn read(node: &Node, text: &str) -> Result<Target, Fail> {
    let address = address(text)?;
    let account = node.services.directory.account_of(&address, Read::Fresh).await?;
    Ok(account.map_or(Target::Address(address), Target::Account))
}

async fn read_all(node: &Node, texts: &[String]) -> Result<Vec<Target>, Fail> {
    let mut targets = Vec::with_capacity(texts.len());
    for text in texts {
        targets.push(read(node, text).await?);
    }
    Ok(targets)
}

pub(super) async fn add(node: Node, call: AddAlias) -> Result<Done, Fail> {
    let command = AddToDirectory {
        address: address(&call.address)?,
        targets: read_all(&node, &call.targets).await?,
    };
    node.services.directory.change(command).await?;
    tracing::info!(targets = call.targets.len(), "alias added");
    Ok(Done {})
}

pub(super) async fn remove(node: Node, call: RemoveAlias) -> Result<Done, Fail> {
    let command = RemoveFromDirectory {
        address: address(&call.address)?,
        targets: read_all(&node, &call.targets).await?,
    };
    node.services.directory.change(command).await?;
    tracing::info!(targets = call.targets.len(), "alias removed");
    Ok(Done {})
}

pub(super) async fn set_catch_all(node: Node, call: SetCatchAll) -> Result<Done, Fail> {
    let target = match &call.target {
        Some(text) => Some(read(&node, text).await?),
        None => None,
    };
    let domain = domain(&call.domain)?;
    node.services
        .directory
        .change(SetInDirectory { domain, target })
        .await?;
    tracing::info!(
        domain = call.domain,
        is_set = call.target.is_some(),
        "catch-all changed"
    );
    Ok(Done {})
}
