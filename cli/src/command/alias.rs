//! `holdfast alias`: addresses that stand for others. `@domain` is the address of whatever nobody else of it has.

use anyhow::bail;
use clap::Subcommand;
use cluster_config::admin::{AddAlias, AliasRow, ListAliases, RemoveAlias, SetCatchAll};

use super::{Changed, Global, domain};
use crate::admin_client::AdminClient;
use crate::output::{self, Rows};

/// Add, list and remove aliases and catch-alls
#[derive(Subcommand)]
#[command(
    after_help = "Examples:\n  holdfast alias add info@example.org ann@example.org bob@example.org\n  \
    holdfast alias add @example.org ann@example.org"
)]
pub(super) enum Alias {
    /// Let an address stand for others; @DOMAIN for whatever nobody else has
    #[command(after_help = "Example:\n  holdfast alias add info@example.org ann@example.org bob@example.org")]
    Add {
        /// The alias, or @DOMAIN
        alias: String,
        /// Addresses of this cluster
        #[arg(required = true)]
        targets: Vec<String>,
    },
    /// List all aliases and catch-alls
    #[command(after_help = "Example:\n  holdfast alias list")]
    List,
    /// Remove an alias, or some of its targets
    #[command(after_help = "Example:\n  holdfast alias remove info@example.org bob@example.org")]
    Remove {
        /// The alias, or @DOMAIN
        alias: String,
        /// What it shall not stand for any more [default: all]
        targets: Vec<String>,
    },
}

pub(super) fn run(global: &Global, alias: &Alias) -> anyhow::Result<()> {
    let client = AdminClient::new(global.cluster()?)?;
    match alias {
        Alias::Add { alias, targets } => {
            global.block_on(add(&client, alias, targets))??;
            let text = format!("{alias} stands for {}", targets.join(" "));
            global.done(
                &text,
                &Changed {
                    what: alias,
                    done: "added",
                },
            )
        }
        Alias::List => list(global, &client),
        Alias::Remove { alias, targets } => {
            global.block_on(remove(&client, alias, targets))??;
            let what = match targets.as_slice() {
                [] => "anybody".to_owned(),
                targets => targets.join(" "),
            };
            let text = format!("{alias} does not stand for {what} any more");
            let done = if targets.is_empty() {
                "removed"
            } else {
                "targets removed"
            };
            global.done(&text, &Changed { what: alias, done })
        }
    }
}

async fn add(client: &AdminClient, alias: &str, targets: &[String]) -> anyhow::Result<()> {
    match (alias.strip_prefix('@'), targets) {
        (Some(domain), [target]) => {
            let (domain, target) = (domain.to_owned(), Some(target.clone()));
            client.anywhere(&SetCatchAll { domain, target }).await?;
        }
        (Some(_), _) => bail!("a catch-all has one target; make an alias for several, and name that"),
        (None, targets) => {
            let (address, targets) = (alias.to_owned(), targets.to_vec());
            let answer = client.anywhere(&AddAlias { address, targets }).await;
            answer.map_err(|error| error.advised("holdfast account list and alias list show what there is"))?;
        }
    }
    Ok(())
}

async fn remove(client: &AdminClient, alias: &str, targets: &[String]) -> anyhow::Result<()> {
    match alias.strip_prefix('@') {
        Some(domain) => {
            if !targets.is_empty() {
                bail!("a catch-all has one target, and is removed as a whole");
            }
            let (domain, target) = (domain.to_owned(), None);
            client.anywhere(&SetCatchAll { domain, target }).await?;
        }
        None => {
            let (address, targets) = (alias.to_owned(), targets.to_vec());
            let answer = client.anywhere(&RemoveAlias { address, targets }).await;
            answer.map_err(|error| error.advised("holdfast alias list shows all aliases"))?;
        }
    }
    Ok(())
}

/// All aliases and catch-alls, however many.
async fn all(client: &AdminClient) -> anyhow::Result<Vec<AliasRow>> {
    let mut all: Vec<AliasRow> = Vec::new();
    let mut after = None;
    loop {
        let page = client.anywhere(&ListAliases { after }).await?;
        all.extend(page.rows);
        match all.last() {
            Some(last) if page.more => after = Some(last.address.clone()),
            _ => break,
        }
    }
    let domains = domain::all(client).await?;
    let catch_alls = domains.into_iter().filter_map(|row| {
        Some(AliasRow {
            address: format!("@{}", row.domain),
            targets: vec![row.catch_all?],
        })
    });
    all.extend(catch_alls);
    Ok(all)
}

fn list(global: &Global, client: &AdminClient) -> anyhow::Result<()> {
    let all = global.block_on(all(client))??;
    if global.json {
        return output::json(&all);
    }
    let row = |row: &AliasRow| vec![row.address.clone().into(), row.targets.join(" ").into()];
    output::rows(&Rows {
        kind: None,
        header: &["ALIAS", "STANDS FOR"],
        rows: &all.iter().map(row).collect::<Vec<_>>(),
        none: "there is no alias yet: holdfast alias add ALIAS ADDRESS makes one",
    })?;
    Ok(())
}
