//! The end of a message: it is delivered, or it is not, and the client is told (`docs/delivery-states.md`).
//!
//! Invariants
//! - A delivery that was begun goes on when its session does not: its proposals are settled (DESIGN P6).
//! - What the client was told to be delivered is closed once it goes on; all else stays open, and is found again when the
//!   client sends it again (DESIGN M14).

use std::collections::BTreeSet;
use std::net::IpAddr;

use mail_model::AccountId;
use mailstore::StoreError;
use mailstore::front::{BodyWriter, DeliverRecipient, Deliveries, Delivery, OpenDeliveries, Origin};
use smtp_wire::{MessageFacts, Profile, Reply, ReversePath};
use tokio::time::{Instant, timeout_at};

use super::limits::STORED_WITHIN;
use super::mail::Transaction;
use super::outcome::{self, Failure, Outcome};
use super::rcpt::{Room, rooms};
use super::session::{End, Session};
use super::trace::Trace;
use crate::clock::internal_date_now;
use crate::connection::Peer;

impl Session {
    pub(super) async fn data_end(&mut self, facts: MessageFacts) -> Result<(), End> {
        // Replies to what the client sent ahead do not wait for this one.
        self.pump.flush().await?;
        let deadline = Instant::now() + STORED_WITHIN;
        let mut transaction = self.transaction.take().ok_or(End)?;
        let mut message = transaction.message.take().ok_or(End)?;
        let message_id = message.message_id();
        let (outcomes, open) = match message.body {
            Ok(writer) => {
                let message_id = message_id.clone();
                self.deliver(&mut transaction, writer, facts.bytes, message_id, deadline)
                    .await
            }
            Err(error) => (all_failed(&transaction, &Failure::Store(error)), None),
        };
        if let Some(failure) = outcomes.iter().find_map(|outcome| outcome.as_ref().err()) {
            failure.trace(&transaction.id);
        }
        self.log_settled(&transaction, message_id, facts.bytes, &outcomes);
        let replies = self.replies(&transaction, &outcomes);
        self.acknowledge(&replies)?;
        self.unheard.extend(open.map(|mut open| {
            let told = told(&transaction, &replies);
            open.retain(|account| told.contains(&account));
            open
        }));
        Ok(())
    }

    /// Answers the end of a message. The only place where a message is acknowledged (DESIGN P1): every `Placed` that a
    /// `250` stands for is the answer of a group that has committed and applied the delivery.
    fn acknowledge(&mut self, replies: &[Reply]) -> Result<(), End> {
        for reply in replies {
            self.pump.machine.conclude(reply)?;
        }
        Ok(())
    }

    /// One reply for SMTP and submission, one for each recipient for LMTP.
    fn replies(&self, transaction: &Transaction, outcomes: &[Outcome]) -> Vec<Reply> {
        let own = transaction.delivery;
        if self.profile != Profile::Lmtp {
            return vec![outcome::reply(own, outcomes.iter())];
        }
        let mut left = outcomes.iter();
        let of_recipient = |count| outcome::reply(own, left.by_ref().take(count));
        let counts = transaction.recipients.iter().map(|taken| taken.accounts.len());
        counts.map(of_recipient).collect()
    }

    /// Delivers to those who have room. The outcomes are those of the transaction's accounts, in their order.
    async fn deliver(
        &self,
        transaction: &mut Transaction,
        writer: BodyWriter,
        bytes: u64,
        message_id: Option<String>,
        deadline: Instant,
    ) -> (Vec<Outcome>, Option<OpenDeliveries>) {
        let rooms = self.rooms_for(transaction, bytes).await;
        let (delivery, recipients) = self.delivery(transaction, &rooms, message_id);
        if recipients.is_empty() {
            tokio::spawn(writer.abort());
            return (all_failed(transaction, &Failure::Full), None);
        }
        let store = self.services.store.clone();
        let task = tokio::spawn(async move {
            let body = writer.finish().await?;
            Ok::<Deliveries, StoreError>(store.deliver(body, &delivery, &recipients).await)
        });
        let delivered = match timeout_at(deadline, task).await {
            Ok(Ok(Ok(delivered))) => delivered,
            Ok(Ok(Err(error))) => return (all_failed(transaction, &Failure::Store(error)), None),
            Ok(Err(error)) => {
                let error = StoreError::Broken(format!("the delivery ended: {error}"));
                return (all_failed(transaction, &Failure::Store(error)), None);
            }
            Err(_) => return (all_failed(transaction, &Failure::Late), None),
        };
        let mut answers = delivered.answers.into_iter();
        let outcome = |room: &Room| match room {
            Room::Left => answers.next().unwrap_or_else(no_answer).map_err(Failure::Store),
            Room::Full | Room::TooSmall => Err(Failure::Full),
        };
        (rooms.iter().map(outcome).collect(), Some(delivered.open))
    }

    /// What each account can take, now that the size is known. RCPT has seen to it where the client declared as much.
    async fn rooms_for(&self, transaction: &mut Transaction, bytes: u64) -> Vec<Room> {
        let accounts: Vec<_> = transaction.accounts().cloned().collect();
        if transaction.declared_bytes.is_some_and(|declared| declared >= bytes) {
            return vec![Room::Left; accounts.len()];
        }
        rooms(&self.services, &accounts, bytes, &mut transaction.mute).await
    }

    /// The delivery to the accounts that have room.
    fn delivery(
        &self,
        transaction: &Transaction,
        rooms: &[Room],
        message_id: Option<String>,
    ) -> (Delivery, Vec<DeliverRecipient>) {
        let machine = &self.pump.machine;
        let date = internal_date_now();
        let trace = Trace {
            sender: &transaction.sender,
            hello: machine.hello().map_or("unknown", |hello| hello.name.as_str()),
            peer: self.pump.connection.peer(),
            host: self.services.settings.host.as_str(),
            protocol: machine.protocol(),
            id: &transaction.id,
            only_recipient: match transaction.recipients.as_slice() {
                [only] => Some(&only.given),
                _ => None,
            },
            date,
        };
        let received = trace.received();
        let taken = transaction.recipients.iter();
        let accounts = taken.flat_map(|taken| taken.accounts.iter().map(move |account| (taken, account)));
        let with_room = accounts.zip(rooms).filter(|(_, room)| **room == Room::Left);
        let recipients = with_room.map(|((taken, account), _)| DeliverRecipient {
            account: account.account,
            group: account.group,
            prefix: trace.prefix(&received, account),
            path: taken.given.to_string(),
        });
        let delivery = Delivery {
            id: transaction.delivery,
            date,
            received_ms: transaction.began_ms,
            origin: Some(self.origin(transaction)),
            message_id,
            // Whoever is refused makes the client send again, to all.
            may_queue: self.profile != Profile::Lmtp && rooms.iter().all(|room| *room == Room::Left),
        };
        (delivery, recipients.collect())
    }

    fn origin(&self, transaction: &Transaction) -> Origin {
        let recipients = match self.profile {
            // Each recipient has its own answer, so a client sends again to those alone that were not taken.
            Profile::Lmtp => Vec::new(),
            Profile::Smtp | Profile::Submission => {
                let given = transaction.recipients.iter().map(|taken| taken.given.to_string());
                given.collect()
            }
        };
        Origin {
            network: network(self.pump.connection.peer()),
            sender: match &transaction.sender {
                ReversePath::Null => String::new(),
                ReversePath::Mailbox(mailbox) => mailbox.to_string(),
            },
            recipients,
        }
    }
}

fn all_failed(transaction: &Transaction, failure: &Failure) -> Vec<Outcome> {
    transaction.accounts().map(|_| Err(failure.clone())).collect()
}

fn no_answer<T>() -> Result<T, StoreError> {
    Err(StoreError::Broken("an account has no answer".to_owned()))
}

/// The accounts of which the client knows, once it has these replies, that they have the message. An account of two
/// recipients has it for the client only if it does for both.
fn told(transaction: &Transaction, replies: &[Reply]) -> BTreeSet<AccountId> {
    let mut told = BTreeSet::new();
    let mut untold = BTreeSet::new();
    for (at, taken) in transaction.recipients.iter().enumerate() {
        // One reply stands for all of them where there is only one.
        let reply = replies.get(at).or(replies.last());
        let set = match reply {
            Some(reply) if reply.is_positive() => &mut told,
            _ => &mut untold,
        };
        set.extend(taken.accounts.iter().map(|account| account.account));
    }
    told.retain(|account| !untold.contains(account));
    told
}

/// The network of a client: senders with many machines come back from a neighbour of the first one.
fn network(peer: Peer) -> String {
    match peer {
        Peer::Local => "local".to_owned(),
        Peer::Ip(ip) => match ip.to_canonical() {
            IpAddr::V4(ip) => format!("{}/24", std::net::Ipv4Addr::from_bits(ip.to_bits() & !0xff)),
            IpAddr::V6(ip) => format!("{}/64", std::net::Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_one_network() {
        let of = |text: &str| network(Peer::Ip(text.parse().unwrap()));
        assert_eq!(of("192.0.2.77"), "192.0.2.0/24");
        assert_eq!(of("::ffff:192.0.2.1"), "192.0.2.0/24");
        assert_eq!(of("2001:db8:1:2:3::4"), "2001:db8:1:2::/64");
        assert_eq!(network(Peer::Local), "local");
    }
}
