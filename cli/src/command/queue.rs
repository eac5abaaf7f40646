//! `holdfast queue`: mail that was taken for people whose groups are out of reach, and waits in other groups.

use cluster_config::admin::{ListQueue, QueueRow};

use super::{Global, check, note};
use crate::admin_client::AdminClient;
use crate::output::{self, Cell, Rows};

/// Show the mail that waits because the groups of its recipients are out of reach
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  holdfast queue\n  holdfast queue --json")]
pub(super) struct Queue {}

pub(super) fn run(global: &Global, _: &Queue) -> anyhow::Result<()> {
    let client = AdminClient::new(global.cluster()?)?;
    let (rows, not_all) = global.block_on(list(&client))??;
    if global.json {
        output::json(&rows)?;
    } else {
        output::rows(&Rows {
            kind: None,
            header: &[
                "QUEUED (UTC)",
                "ID",
                "FROM",
                "TO",
                "IN GROUP",
                "FOR GROUP",
                "ATTEMPTS",
                "NEXT (UTC)",
            ],
            rows: &rows.iter().map(row).collect::<Vec<_>>(),
            none: "nothing waits",
        })?;
    }
    for group in not_all {
        note(&format!("more waits in group {group}"));
    }
    Ok(())
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

fn row(of: &QueueRow) -> Vec<Cell> {
    let fields = [
        output::time(of.queued_ms),
        of.id.clone(),
        format!("<{}>", of.sender),
        format!("<{}>", of.recipient),
        of.group.to_string(),
        of.target.to_string(),
        of.attempts.to_string(),
        output::time(of.next_ms),
    ];
    fields.map(Cell::from).into()
}
