//! `holdfast domain`: the domains whose mail the cluster takes.

use clap::Subcommand;
use cluster_config::admin::{AddDomain, DomainRow, ListDomains, RemoveDomain};

use super::{Changed, Global};
use crate::admin_client::AdminClient;
use crate::output::{self, Rows};

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
    List,
    /// Remove a domain that has no addresses any more, or an alias of a domain
    #[command(after_help = "Example:\n  holdfast domain remove example.net")]
    Remove {
        /// Its name
        domain: String,
    },
}

pub(super) fn run(global: &Global, domain: &Domain) -> anyhow::Result<()> {
    let client = AdminClient::new(global.cluster()?)?;
    match domain {
        Domain::Add { domain, alias_of } => {
            let call = AddDomain {
                domain: domain.clone(),
                alias_of: alias_of.clone(),
            };
            global.block_on(client.anywhere(&call))??;
            global.done(
                &format!("{domain} is added"),
                &Changed {
                    what: domain,
                    done: "added",
                },
            )
        }
        Domain::List => list(global, &client),
        Domain::Remove { domain } => {
            let call = RemoveDomain { domain: domain.clone() };
            let answer = global.block_on(client.anywhere(&call))?;
            answer.map_err(|error| error.advised("holdfast domain list shows all domains"))?;
            global.done(
                &format!("{domain} is removed"),
                &Changed {
                    what: domain,
                    done: "removed",
                },
            )
        }
    }
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

fn list(global: &Global, client: &AdminClient) -> anyhow::Result<()> {
    let all = global.block_on(all(client))??;
    if global.json {
        return output::json(&all);
    }
    let row = |row: &DomainRow| {
        let more = |text: &Option<String>| text.clone().unwrap_or_default().into();
        vec![row.domain.clone().into(), more(&row.alias_of), more(&row.catch_all)]
    };
    output::rows(&Rows {
        kind: None,
        header: &["DOMAIN", "ALIAS OF", "CATCH-ALL"],
        rows: &all.iter().map(row).collect::<Vec<_>>(),
        none: "there is no domain yet: holdfast domain add DOMAIN makes one",
    })?;
    Ok(())
}
