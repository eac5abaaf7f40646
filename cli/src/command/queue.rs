//! `holdfast queue`: mail that was taken for people whose groups are out of reach, and waits in other groups.

use std::process::ExitCode;

use cluster_config::admin::{ListQueue, QueueRow};

use super::{Global, block_on, check};
use crate::admin_client::AdminClient;
use crate::output;

/// Show the mail that waits because the groups of its recipients are out of reach
#[derive(clap::Args)]
#[command(after_help = "Example:\n  holdfast queue --json")]
pub(super) struct Queue {
    /// Write JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(global: &Global, arguments: &Queue) -> anyhow::Result<ExitCode> {
    let client = AdminClient::new(global.cluster()?)?;
    let (rows, not_all) = block_on(list(&client))??;
    if arguments.json {
        output::json(&rows)?;
    } else if rows.is_empty() {
        output::line("nothing waits")?;
    } else {
        let head = [
            "QUEUED (UTC)",
            "ID",
            "FROM",
            "TO",
            "IN GROUP",
            "FOR GROUP",
            "ATTEMPTS",
            "NEXT (UTC)",
        ];
        output::rows(&head, &rows.iter().map(row).collect::<Vec<_>>())?;
    }
    for group in not_all {
        eprintln!("holdfast: more waits in group {group}");
    }
    Ok(ExitCode::SUCCESS)
}

/// What waits, and the groups in which more does than they list.
async fn list(client: &AdminClient) -> anyhow::Result<(Vec<QueueRow>, Vec<u32>)> {
    let (mut rows, mut not_all) = (Vec::new(), Vec::new());
    for group in check::mail_groups(client).await? {
        let page = client.anywhere(&ListQueue { group }).await?;
        rows.extend(page.rows);
        if page.more {
            not_all.push(group);
        }
    }
    rows.sort_by_key(|row| row.queued_ms);
    Ok((rows, not_all))
}

fn row(of: &QueueRow) -> Vec<String> {
    vec![
        output::time(of.queued_ms),
        of.id.clone(),
        format!("<{}>", of.sender),
        format!("<{}>", of.recipient),
        of.group.to_string(),
        of.target.to_string(),
        of.attempts.to_string(),
        output::time(of.next_ms),
    ]
}
