//! The consistency check of one account.

use cluster_config::admin::{CheckAccount, CheckRow};

use super::Node;
use super::accounts::find;
use super::failure::Fail;

pub(super) async fn check(node: Node, call: CheckAccount) -> Result<CheckRow, Fail> {
    let (id, account) = find(&node, &call.address).await?;
    let report = node.services.store.account(id, account.group).check().await?;
    if !report.findings.is_empty() {
        tracing::error!(account = %id, findings = ?report.findings, "an account is not consistent");
    }
    Ok(CheckRow {
        account: id.0,
        mailboxes: report.mailboxes,
        messages: report.messages,
        findings: report.findings,
    })
}
