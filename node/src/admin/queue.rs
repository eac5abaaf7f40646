//! What waits in the queue of a mail group.

use cluster_config::admin::{ListQueue, Page, QueueRow};
use mail_model::GroupId;
use mailstore::front::QueuedDelivery;

use super::Node;
use super::failure::Fail;

/// Deliveries that one reply lists.
const ROWS_MAX: usize = 1_000;

pub(super) async fn list(node: Node, call: ListQueue) -> Result<Page<QueueRow>, Fail> {
    let group = GroupId(call.group);
    if group == GroupId::SYSTEM {
        return Err(Fail::refused("the system group holds no mail"));
    }
    let mut waiting: Vec<QueuedDelivery> = Vec::new();
    while waiting.len() <= ROWS_MAX {
        let page = node.services.store.queued(group, u64::MAX, waiting.last()).await?;
        if page.is_empty() {
            break;
        }
        waiting.extend(page);
    }
    let more = waiting.len() > ROWS_MAX;
    let rows = waiting.iter().take(ROWS_MAX).map(|delivery| row(call.group, delivery));
    Ok(Page {
        rows: rows.collect(),
        more,
    })
}

fn row(group: u32, delivery: &QueuedDelivery) -> QueueRow {
    let row = delivery.row();
    QueueRow {
        id: delivery.id_text(),
        sender: row.sender.clone(),
        recipient: row.recipient.clone(),
        message_id: row.message_id.clone(),
        group,
        target: row.group.0,
        queued_ms: row.queued_ms,
        attempts: row.attempts,
        next_ms: row.next_ms,
    }
}
