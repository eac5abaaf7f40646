//! `holdfast domain`: the domains whose mail the cluster takes.

use std::process::ExitCode;

use clap::Subcommand;
use cluster_config::admin::{AddDomain, DomainRow, ListDomains, RemoveDomain};

use super::{Global, block_on};
use crate::admin_client::AdminClient;
use crate::output;

/// Add, list and remove domains
#[derive(Subcommand)]
#[command(after_help = "Example:\n  holdfast domain add example.org")]
pub(super) enum Domain {
    /// Take mail for a domain
    #[command(after_help = "Example:\n  holdfast domain add example.net --alias-of example.org")]
    Add {
        /// Its name
        domain: String,
        /// Let all its addresses stand for those of this domain
        #[arg(long, value_name = "DOMAIN")]
        alias_of: Option<String>,
    },
    /// List all domains
    #[command(after_help = "Example:\n  holdfast domain list")]
    List {
        /// Write JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove a domain that has no addresses any more, or an alias of a domain
    #[command(after_help = "Example:\n  holdfast domain remove example.net")]
    Remove {
        /// Its name
        domain: String,
    },
}

pub(super) fn run(global: &Global, domain: &Domain) -> anyhow::Result<ExitCode> {
    let client = AdminClient::new(global.cluster()?)?;
    block_on(async {
        match domain {
            Domain::Add { domain, alias_of } => {
                let call = AddDomain {
                    domain: domain.clone(),
                    alias_of: alias_of.clone(),
                };
                client.anywhere(&call).await?;
                output::line(&format!("{domain} is added"))?;
            }
            Domain::List { json } => list(&client, *json).await?,
            Domain::Remove { domain } => {
                let call = RemoveDomain { domain: domain.clone() };
                client.anywhere(&call).await?;
                output::line(&format!("{domain} is removed"))?;
            }
        }
        anyhow::Ok(())
    })??;
    Ok(ExitCode::SUCCESS)
}

/// All domains, however many.
pub(crate) async fn all(client: &AdminClient) -> anyhow::Result<Vec<DomainRow>> {
    let mut all: Vec<DomainRow> = Vec::new();
    let mut after = None;
    loop {
        let page = client.anywhere(&ListDomains { after }).await?;
        all.extend(page.rows);
        match all.last() {
            Some(last) if page.more => after = Some(last.domain.clone()),
            _ => return Ok(all),
        }
    }
}

async fn list(client: &AdminClient, json: bool) -> anyhow::Result<()> {
    let all = all(client).await?;
    if json {
        return output::json(&all);
    }
    let row = |row: &DomainRow| {
        let alias_of = row.alias_of.clone().unwrap_or_default();
        vec![row.domain.clone(), alias_of, row.catch_all.clone().unwrap_or_default()]
    };
    output::rows(
        &["DOMAIN", "ALIAS OF", "CATCH-ALL"],
        &all.iter().map(row).collect::<Vec<_>>(),
    )?;
    Ok(())
}
