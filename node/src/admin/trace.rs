//! Searching the delivery log of this node.

use cluster_config::admin::{Trace, TraceReply, TraceRow};

use super::Node;
use super::failure::Fail;
use crate::delivery_log::{DeliveryRecord, Outcome, Query};

pub(super) async fn trace(node: Node, call: Trace) -> Result<TraceReply, Fail> {
    if call.text.trim().is_empty() {
        return Err(Fail::refused("name an id, a Message-ID or an address"));
    }
    let found = node
        .services
        .delivery_log
        .search(Query::new(&call.text, call.limit))
        .await;
    let found = found.map_err(|error| Fail::unavailable(format_args!("read the delivery log: {error}")))?;
    Ok(TraceReply {
        records: found.records.into_iter().map(row).collect(),
        is_whole: found.is_whole,
    })
}

fn row(record: DeliveryRecord) -> TraceRow {
    let (outcome, detail) = told(&record.outcome);
    TraceRow {
        time_ms: record.time_ms,
        id: record.id,
        node: record.node,
        protocol: record.protocol,
        peer: record.peer,
        sender: record.sender,
        recipient: record.recipient,
        message_id: record.message_id,
        bytes: record.bytes,
        outcome: outcome.to_owned(),
        detail,
    }
}

fn told(outcome: &Outcome) -> (&'static str, String) {
    match outcome {
        Outcome::Accepted {
            account,
            mailbox,
            uid,
            queued,
            first,
            ..
        } => {
            let mut detail = format!("account {account}");
            if let (Some(mailbox), Some(uid)) = (mailbox, uid) {
                detail.push_str(&format!(" mailbox {mailbox} uid {uid}"));
            }
            if *queued {
                detail.push_str(", queued");
            }
            if let Some(first) = first {
                detail.push_str(&format!(", the same as {first}"));
            }
            ("accepted", detail)
        }
        Outcome::Refused { code, enhanced, text } => ("refused", reply(*code, enhanced.as_deref(), text)),
        Outcome::Deferred { code, enhanced, text } => ("deferred", reply(*code, enhanced.as_deref(), text)),
    }
}

fn reply(code: u16, enhanced: Option<&str>, text: &str) -> String {
    match enhanced {
        Some(enhanced) => format!("{code} {enhanced} {text}"),
        None => format!("{code} {text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_tells_where_the_message_is_or_what_the_client_was_told() {
        let accepted = Outcome::Accepted {
            account: 7,
            mailbox: Some(3),
            uid: Some(12),
            email: None,
            queued: false,
            first: Some("abc".to_owned()),
        };
        assert_eq!(
            told(&accepted),
            ("accepted", "account 7 mailbox 3 uid 12, the same as abc".to_owned())
        );
        let refused = Outcome::Refused {
            code: 550,
            enhanced: Some("5.1.1".to_owned()),
            text: "no such user".to_owned(),
        };
        assert_eq!(told(&refused), ("refused", "550 5.1.1 no such user".to_owned()));
    }
}
