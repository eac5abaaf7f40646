//! `holdfast check`: whether what is stored of accounts agrees with itself, and what groups keep with what accounts need.

use std::collections::BTreeSet;
use std::process::ExitCode;

use anyhow::ensure;
use cluster_config::admin::{CheckAccount, CheckGroup, CheckRow, GetNode, GroupCheckRow};
use serde::Serialize;

use super::{Global, account, block_on};
use crate::admin_client::AdminClient;
use crate::limits::STATUS_WITHIN;
use crate::output;

/// Something is wrong with an account or a group.
const INCONSISTENT: u8 = 3;

/// Check counts, references, UIDs, quota and tombstones of one account; or of all, and the bodies that groups keep for them
#[derive(clap::Args)]
#[command(after_help = "Example:\n  holdfast check ann@example.org\n\n\
    Exit status: 0 all is well, 3 something is wrong, 1 not all could be checked, 2 wrong usage")]
pub(super) struct Check {
    /// An address of the account [default: all accounts and groups]
    account: Option<String>,
    /// Write JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Checked {
    accounts: Vec<CheckedAccount>,
    groups: Vec<GroupCheckRow>,
}

#[derive(Serialize)]
struct CheckedAccount {
    address: String,
    #[serde(flatten)]
    row: CheckRow,
}

impl Checked {
    /// What is wrong, with what.
    fn findings(&self) -> Vec<String> {
        let accounts = self.accounts.iter().map(|of| (of.address.clone(), &of.row.findings));
        let groups = self
            .groups
            .iter()
            .map(|of| (format!("group {}", of.group), &of.findings));
        accounts
            .chain(groups)
            .flat_map(|(what, findings)| findings.iter().map(move |finding| format!("{what}: {finding}")))
            .collect()
    }
}

pub(super) fn run(global: &Global, arguments: &Check) -> anyhow::Result<ExitCode> {
    let client = AdminClient::new(global.cluster()?)?;
    let checked = block_on(check(&client, arguments.account.as_deref()))??;
    if arguments.json {
        output::json(&checked)?;
    } else {
        show(&checked)?;
    }
    let is_well = checked.findings().is_empty();
    Ok(if is_well {
        ExitCode::SUCCESS
    } else {
        INCONSISTENT.into()
    })
}

async fn check(client: &AdminClient, one: Option<&str>) -> anyhow::Result<Checked> {
    let (addresses, groups) = match one {
        Some(address) => (vec![address.to_owned()], BTreeSet::new()),
        None => {
            let accounts = account::all(client).await?.into_iter();
            // One that is being made has no mailboxes yet.
            let made = accounts.filter(|account| account.state != "creating");
            let addresses = made.filter_map(|account| account.addresses.into_iter().next());
            (addresses.collect(), mail_groups(client).await?)
        }
    };
    let mut checked = Checked {
        accounts: Vec::with_capacity(addresses.len()),
        groups: Vec::with_capacity(groups.len()),
    };
    for address in addresses {
        let call = CheckAccount {
            address: address.clone(),
        };
        let row = client.anywhere(&call).await?;
        checked.accounts.push(CheckedAccount { address, row });
    }
    for group in groups {
        checked.groups.push(client.anywhere(&CheckGroup { group }).await?);
    }
    Ok(checked)
}

/// The mail groups of which some node that answers has a replica.
pub(super) async fn mail_groups(client: &AdminClient) -> anyhow::Result<BTreeSet<u32>> {
    let answers = client.everywhere(&GetNode {}, STATUS_WITHIN).await;
    let reports = answers.into_iter().filter_map(|(_, answer)| answer.ok());
    let groups: BTreeSet<u32> = reports
        .flat_map(|report| report.replicas)
        .map(|replica| replica.group)
        .filter(|group| *group != 0)
        .collect();
    ensure!(!groups.is_empty(), "no node answers with the groups that it holds");
    Ok(groups)
}

fn show(checked: &Checked) -> std::io::Result<()> {
    let verdict = |findings: &[String]| match findings.len() {
        0 => "ok".to_owned(),
        wrong => format!("{wrong} wrong"),
    };
    let account = |of: &CheckedAccount| {
        let (mailboxes, messages) = (of.row.mailboxes.to_string(), of.row.messages.to_string());
        vec![of.address.clone(), verdict(&of.row.findings), mailboxes, messages]
    };
    let accounts: Vec<_> = checked.accounts.iter().map(account).collect();
    output::rows(&["ACCOUNT", "VERDICT", "MAILBOXES", "MESSAGES"], &accounts)?;
    let group = |of: &GroupCheckRow| {
        let (bodies, references) = (of.bodies.to_string(), of.references.to_string());
        vec![format!("group {}", of.group), verdict(&of.findings), bodies, references]
    };
    let groups: Vec<_> = checked.groups.iter().map(group).collect();
    if !groups.is_empty() {
        output::rows(&["GROUP", "VERDICT", "BODIES", "REFERENCES"], &groups)?;
    }
    for finding in checked.findings() {
        output::line(&finding)?;
    }
    Ok(())
}
