//! What the queue's worker (`mailstore::front::QueueWorker`) does not know: how a notice to a sender is written, and that
//! the delivery log and the metrics hear of what leaves the queue.
//!
//! Must not know: how the queue works.

mod notice;

use std::sync::Arc;

use mail_model::Domain;
use mailstore::directory::Recipient;
use mailstore::front::{QueueHost, QueueSettled, QueueWorker, QueuedDelivery, Undeliverable};
use smtp_wire::{ReversePath, delivered_to_field, return_path_field};

use crate::clock::{internal_date_now, now_ms};
use crate::delivery_log::{DeliveryLog, DeliveryRecord, Outcome};
use crate::services::Services;

/// What the delivery log calls the way of a message that comes from the queue.
const PROTOCOL: &str = "queue";

/// The worker of the queues that this node leads.
pub(crate) fn worker(services: &Services) -> QueueWorker {
    let host = NodeQueue {
        node: services.settings.node.clone(),
        host: services.settings.host.clone(),
        delivery_log: services.delivery_log.clone(),
    };
    QueueWorker::new(services.store.clone(), services.directory.clone(), Arc::new(host))
}

/// One node's part in the queue.
struct NodeQueue {
    /// Name of this node.
    node: String,
    /// The name in greetings.
    host: Domain,
    delivery_log: DeliveryLog,
}

impl QueueHost for NodeQueue {
    fn notice(&self, delivery: &QueuedDelivery, header: &[u8], why: Undeliverable) -> Vec<u8> {
        let row = delivery.row();
        let notice = notice::Notice {
            host: self.host.as_str(),
            id: &delivery.id_text(),
            sender: &row.sender,
            recipient: &row.recipient,
            arrived: row.date,
            date: internal_date_now(),
            why,
        };
        notice.message(header)
    }

    fn notice_prefix(&self, to: &Recipient) -> Vec<u8> {
        let mut prefix = return_path_field(&ReversePath::Null);
        prefix.push_str(&delivered_to_field(&to.address));
        prefix.into_bytes()
    }

    fn settled(&self, delivery: &QueuedDelivery, how: QueueSettled) {
        let row = delivery.row();
        let (outcome, label) = match how {
            QueueSettled::Placed(placed) => (Outcome::placed(row.account, &placed, None), "delivered"),
            QueueSettled::Undeliverable(why) => {
                let (enhanced, text) = notice::status(why);
                let (code, enhanced, text) = (550, Some(enhanced.to_owned()), text.to_owned());
                (Outcome::Refused { code, enhanced, text }, "failed")
            }
        };
        metrics::counter!("holdfast_queue_settled_total", "outcome" => label).increment(1);
        self.delivery_log.record(DeliveryRecord {
            time_ms: now_ms(),
            id: delivery.id_text(),
            node: self.node.clone(),
            protocol: PROTOCOL.to_owned(),
            peer: "local".to_owned(),
            tls: false,
            helo: None,
            sender: row.sender.clone(),
            recipient: row.recipient.clone(),
            message_id: row.message_id.clone(),
            bytes: 0,
            outcome,
        });
    }

    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float, and the count is bounded")]
    fn waiting(&self, deliveries: u64) {
        metrics::gauge!("holdfast_queue_deliveries").set(deliveries as f64);
    }
}
