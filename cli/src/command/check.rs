//! `holdfast check`: whether what is stored of accounts agrees with itself.

use std::process::ExitCode;

use cluster_config::admin::{CheckAccount, CheckRow};
use serde::Serialize;

use super::{Global, account, block_on};
use crate::admin_client::AdminClient;
use crate::output;

/// Something is wrong with an account.
const INCONSISTENT: u8 = 3;

/// Check counts, references, UIDs, quota and tombstones of one account or all
#[derive(clap::Args)]
#[command(after_help = "Example:\n  holdfast check ann@example.org\n\n\
    Exit status: 0 all is well, 3 something is wrong with an account, 1 not all could be checked, 2 wrong usage")]
pub(super) struct Check {
    /// An address of the account [default: all accounts]
    account: Option<String>,
    /// Write JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Checked {
    address: String,
    #[serde(flatten)]
    row: CheckRow,
}

pub(super) fn run(global: &Global, arguments: &Check) -> anyhow::Result<ExitCode> {
    let client = AdminClient::new(global.cluster()?)?;
    let checked = block_on(check(&client, arguments.account.as_deref()))??;
    if arguments.json {
        output::json(&checked)?;
    } else {
        show(&checked)?;
    }
    let is_well = checked.iter().all(|checked| checked.row.findings.is_empty());
    Ok(if is_well {
        ExitCode::SUCCESS
    } else {
        INCONSISTENT.into()
    })
}

async fn check(client: &AdminClient, one: Option<&str>) -> anyhow::Result<Vec<Checked>> {
    let addresses = match one {
        Some(address) => vec![address.to_owned()],
        None => {
            let accounts = account::all(client).await?.into_iter();
            // One that is being made has no mailboxes yet.
            let made = accounts.filter(|account| account.state != "creating");
            made.filter_map(|account| account.addresses.into_iter().next())
                .collect()
        }
    };
    let mut checked = Vec::with_capacity(addresses.len());
    for address in addresses {
        let call = CheckAccount {
            address: address.clone(),
        };
        let row = client.anywhere(&call).await?;
        checked.push(Checked { address, row });
    }
    Ok(checked)
}

fn show(checked: &[Checked]) -> std::io::Result<()> {
    let row = |checked: &Checked| {
        let (mailboxes, messages) = (checked.row.mailboxes.to_string(), checked.row.messages.to_string());
        let verdict = match checked.row.findings.len() {
            0 => "ok".to_owned(),
            wrong => format!("{wrong} wrong"),
        };
        vec![checked.address.clone(), verdict, mailboxes, messages]
    };
    let rows: Vec<_> = checked.iter().map(row).collect();
    output::rows(&["ACCOUNT", "VERDICT", "MAILBOXES", "MESSAGES"], &rows)?;
    for checked in checked {
        for finding in &checked.row.findings {
            output::line(&format!("{}: {finding}", checked.address))?;
        }
    }
    Ok(())
}
