//! Domains, and domains that stand for others.

use cluster_config::admin::{AddDomain, DomainRow, Done, ListDomains, Page, RemoveDomain};
use mailstore::directory::{
    AddDomain as AddToDirectory, AddDomainAlias, DomainKind, Read, RemoveDomain as RemoveFromDirectory,
    RemoveDomainAlias,
};

use super::Node;
use super::aliases::shown;
use super::failure::{Fail, domain};

pub(super) async fn list(node: Node, call: ListDomains) -> Result<Page<DomainRow>, Fail> {
    let after = call.after.as_deref().map(domain).transpose()?;
    let page = node.services.directory.domains(after, Read::Fresh).await?;
    let mut rows = Vec::with_capacity(page.rows.len());
    for summary in page.rows {
        let (alias_of, catch_all) = match summary.kind {
            DomainKind::AliasOf(of) => (Some(of.to_string()), None),
            DomainKind::Own { catch_all: None, .. } => (None, None),
            DomainKind::Own {
                catch_all: Some(target),
                ..
            } => (None, Some(shown(&node, &target).await?)),
        };
        rows.push(DomainRow {
            domain: summary.domain.to_string(),
            alias_of,
            catch_all,
        });
    }
    Ok(Page { rows, more: page.more })
}

pub(super) async fn add(node: Node, call: AddDomain) -> Result<Done, Fail> {
    let name = domain(&call.domain)?;
    let directory = &node.services.directory;
    match &call.alias_of {
        Some(of) => {
            directory
                .change(AddDomainAlias {
                    alias: name,
                    of: domain(of)?,
                })
                .await?
        }
        None => directory.change(AddToDirectory { domain: name }).await?,
    };
    tracing::info!(domain = call.domain, alias_of = call.alias_of, "domain added");
    Ok(Done {})
}

pub(super) async fn remove(node: Node, call: RemoveDomain) -> Result<Done, Fail> {
    let name = domain(&call.domain)?;
    let directory = &node.services.directory;
    if is_alias(&node, &call.domain).await? {
        directory.change(RemoveDomainAlias { alias: name }).await?;
    } else {
        directory.change(RemoveFromDirectory { domain: name }).await?;
    }
    tracing::info!(domain = call.domain, "domain removed");
    Ok(Done {})
}

async fn is_alias(node: &Node, text: &str) -> Result<bool, Fail> {
    let wanted = domain(text)?;
    let mut after = None;
    loop {
        let page = node.services.directory.domains(after, Read::Fresh).await?;
        if let Some(found) = page.rows.iter().find(|row| row.domain == wanted) {
            return Ok(matches!(found.kind, DomainKind::AliasOf(_)));
        }
        match page.rows.last() {
            Some(last) if page.more => after = Some(last.domain.clone()),
            // The directory says what is wrong with it.
            _ => return Ok(false),
        }
    }
}
