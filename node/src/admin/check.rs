//! The consistency checks of one account and of the bodies of a group.

use cluster_config::admin::{CheckAccount, CheckGroup, CheckRow, GroupCheckRow};
use mail_model::GroupId;

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

pub(super) async fn check_group(node: Node, call: CheckGroup) -> Result<GroupCheckRow, Fail> {
    let group = GroupId(call.group);
    if group == GroupId::SYSTEM {
        return Err(Fail::refused("the system group holds no mail"));
    }
    let report = node.services.store.check_bodies(group).await?;
    if !report.findings.is_empty() {
        tracing::error!(%group, findings = ?report.findings, "the bodies of a group are not consistent");
    }
    Ok(GroupCheckRow {
        group: group.0,
        bodies: report.bodies,
        references: report.references,
        findings: report.findings,
    })
}
