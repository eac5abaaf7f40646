//! The session's lines in the delivery log: one for each recipient that is refused at RCPT, and one for each account of
//! those whose message came to its end.

use mailstore::front::Accepted;
use mailstore::{DeliveryId, directory};
use smtp_wire::{Profile, Recipient, Reply, ReversePath};

use super::mail::{Transaction, text_of};
use super::outcome::Outcome as Settled;
use super::session::Session;
use crate::clock::now_ms;
use crate::connection::Peer;
use crate::delivery_log::{DeliveryRecord, Outcome};

/// What a line says of the message.
struct Line<'a> {
    transaction: &'a Transaction,
    message_id: Option<String>,
    bytes: u64,
}

impl Session {
    /// A recipient that was not taken.
    pub(super) fn log_refused(&self, given: &Recipient, reply: &Reply) {
        if let Some(transaction) = &self.transaction {
            let (message_id, bytes) = (None, 0);
            let line = Line {
                transaction,
                message_id,
                bytes,
            };
            self.log(&line, given, refused(reply));
        }
    }

    /// A message that was refused on its way.
    pub(super) fn log_data_refused(&self, transaction: &Transaction, message_id: Option<String>, reply: &Reply) {
        let line = Line {
            transaction,
            message_id,
            bytes: 0,
        };
        for taken in &transaction.recipients {
            self.log(&line, &taken.given, refused(reply));
        }
    }

    /// A message that was whole; `outcomes` are those of the transaction's accounts, in their order.
    pub(super) fn log_settled(
        &self,
        transaction: &Transaction,
        message_id: Option<String>,
        bytes: u64,
        outcomes: &[Settled],
    ) {
        let line = Line {
            transaction,
            message_id,
            bytes,
        };
        let accounts = transaction
            .recipients
            .iter()
            .flat_map(|taken| taken.accounts.iter().map(move |account| (taken, account)));
        for ((taken, account), outcome) in accounts.zip(outcomes) {
            let outcome = match outcome {
                Ok(accepted) => accepted_as(account, accepted, transaction.delivery),
                Err(failure) => refused(&failure.reply()),
            };
            self.log(&line, &taken.given, outcome);
        }
    }

    fn log(&self, line: &Line<'_>, given: &Recipient, outcome: Outcome) {
        metrics::counter!(
            "holdfast_recipients_total",
            "protocol" => protocol(self.profile),
            "outcome" => match &outcome {
                Outcome::Accepted { .. } => "accepted",
                Outcome::Refused { .. } => "refused",
                Outcome::Deferred { .. } => "deferred",
            }
        )
        .increment(1);
        let machine = &self.pump.machine;
        self.services.delivery_log.record(DeliveryRecord {
            time_ms: now_ms(),
            id: line.transaction.id.clone(),
            node: self.services.settings.node.clone(),
            protocol: machine.protocol().to_string(),
            peer: match self.pump.connection.peer() {
                Peer::Ip(ip) => ip.to_canonical().to_string(),
                Peer::Local => "local".to_owned(),
            },
            tls: self.pump.connection.is_secure(),
            helo: machine.hello().map(|hello| hello.name.clone()),
            sender: match &line.transaction.sender {
                ReversePath::Null => String::new(),
                ReversePath::Mailbox(mailbox) => mailbox.to_string(),
            },
            recipient: given.to_string(),
            message_id: line.message_id.clone(),
            bytes: line.bytes,
            outcome,
        });
    }
}

fn accepted_as(account: &directory::Recipient, accepted: &Accepted, own: DeliveryId) -> Outcome {
    let first = (accepted.delivery() != own).then(|| text_of(accepted.delivery()));
    match accepted {
        Accepted::Placed(placed) => Outcome::placed(account.account, placed, first),
        Accepted::Queued(_) => Outcome::Accepted {
            account: account.account.0,
            mailbox: None,
            uid: None,
            email: None,
            queued: true,
            first,
        },
    }
}

fn refused(reply: &Reply) -> Outcome {
    let (code, enhanced, text) = (reply.code(), reply.enhanced(), reply.text());
    if reply.is_permanent() {
        Outcome::Refused { code, enhanced, text }
    } else {
        Outcome::Deferred { code, enhanced, text }
    }
}

fn protocol(profile: Profile) -> &'static str {
    match profile {
        Profile::Smtp => "smtp",
        Profile::Lmtp => "lmtp",
        Profile::Submission => "submission",
    }
}
