//! `holdfast check`: whether what is stored of accounts agrees with itself, and what groups keep with what accounts need.

use std::collections::BTreeSet;
use std::process::ExitCode;

use anyhow::ensure;
use cluster_config::admin::{CheckAccount, CheckGroup, CheckRow, GetNode, GroupCheckRow};
use serde::Serialize;

use super::{Global, account, block_on};
use crate::admin_client::AdminClient;
use crate::exit::FOUND;
use crate::limits::STATUS_WITHIN;
use crate::output::{self, Cell, Rows, Tone};
use crate::progress::Progress;

/// Check whether what is stored agrees with itself
///
/// Of an account: counts, references, UIDs, quota and tombstones. Without one: of all accounts, and the bodies that groups
/// keep for them.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  holdfast check\n  holdfast check ann@example.org\n\n\
    Exit status: 0 all is well; 3 something is wrong; 1 not all could be checked; 2 wrong usage")]
pub(super) struct Check {
    /// An address of the account [default: all accounts and groups]
    account: Option<String>,
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
    let progress = global.progress();
    let checked = block_on(&progress, check(&client, arguments.account.as_deref(), &progress))??;
    drop(progress);
    if global.json {
        output::json(&checked)?;
    } else {
        show(&checked)?;
    }
    let is_well = checked.findings().is_empty();
    Ok(if is_well { ExitCode::SUCCESS } else { FOUND.into() })
}

async fn check(client: &AdminClient, one: Option<&str>, progress: &Progress) -> anyhow::Result<Checked> {
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
    let all = addresses.len() + groups.len();
    for (done, address) in addresses.into_iter().enumerate() {
        progress.count(&format!("checking {address}"), done, all);
        let call = CheckAccount {
            address: address.clone(),
        };
        let row = client.anywhere(&call).await;
        let row = row.map_err(|error| error.advised("holdfast account list shows all accounts"))?;
        checked.accounts.push(CheckedAccount { address, row });
    }
    for group in groups {
        let done = checked.accounts.len() + checked.groups.len();
        progress.count(&format!("checking the bodies of group {group}"), done, all);
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
        0 => Tone::Good.cell("ok"),
        wrong => Tone::Bad.cell(format!("{wrong} wrong")),
    };
    let account = |of: &CheckedAccount| -> Vec<Cell> {
        let (mailboxes, messages) = (of.row.mailboxes.to_string(), of.row.messages.to_string());
        vec![
            of.address.as_str().into(),
            verdict(&of.row.findings),
            mailboxes.into(),
            messages.into(),
        ]
    };
    output::rows(&Rows {
        kind: None,
        header: &["ACCOUNT", "VERDICT", "MAILBOXES", "MESSAGES"],
        rows: &checked.accounts.iter().map(account).collect::<Vec<_>>(),
        none: "there is no account yet",
    })?;
    let group = |of: &GroupCheckRow| -> Vec<Cell> {
        let (bodies, references) = (of.bodies.to_string(), of.references.to_string());
        let name = format!("group {}", of.group);
        vec![name.into(), verdict(&of.findings), bodies.into(), references.into()]
    };
    let groups: Vec<_> = checked.groups.iter().map(group).collect();
    if !groups.is_empty() {
        output::gap()?;
        output::rows(&Rows {
            kind: None,
            header: &["GROUP", "VERDICT", "BODIES", "REFERENCES"],
            rows: &groups,
            none: "",
        })?;
    }
    for finding in checked.findings() {
        output::line(&Tone::Bad.paint(&finding))?;
    }
    Ok(())
}
