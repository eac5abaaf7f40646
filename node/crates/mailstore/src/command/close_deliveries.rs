//! CloseDeliveries: the clients of these deliveries went on after our `250`, so they know of them; what looks the same
//! from now on is another message (DESIGN M14).

use mail_model::AccountId;
use minicbor::{Decode, Encode};

use crate::codec;
use crate::command::GroupCommand;
use crate::id::{DeliveryId, DeliveryKey};
use crate::key;
use crate::limits::{CLOSES_PER_COMMAND, QUEUED_PER_COMMAND};
use crate::record::QueuedRow;
use crate::rejection::Rejection;
use crate::rows::{Failure, Rows, Work};
use crate::state::Redelivery;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct CloseDeliveries {
    /// At most [`CLOSES_PER_COMMAND`]. What is closed or forgotten already is passed over.
    #[n(0)]
    pub deliveries: Vec<ClosedDelivery>,
}

/// One delivery to one recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ClosedDelivery {
    /// The recipient.
    #[n(0)]
    pub account: AccountId,
    /// What it looks like.
    #[n(1)]
    pub key: DeliveryKey,
    /// The transaction that delivered it.
    #[n(2)]
    pub delivery: DeliveryId,
    /// What else there may be of it.
    #[n(3)]
    pub reach: Reach,
    /// When the attempt began that got our reply, in milliseconds since 1970.
    #[n(4)]
    pub heard_ms: u64,
}

/// What the group has to do with the recipient, and whether the message may wait anywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Reach {
    /// It is the recipient's group, and the transaction left nothing in any queue.
    #[n(0)]
    Alone,
    /// It is the recipient's group; an attempt, this one or an earlier one, may wait in another group's queue.
    #[n(1)]
    Target,
    /// It is such another group.
    #[n(2)]
    Source,
}

impl GroupCommand for CloseDeliveries {
    type Reply = ();

    fn apply(&self, work: &mut Work<'_, '_>) -> Result<(), Failure> {
        if self.deliveries.len() > CLOSES_PER_COMMAND {
            return Err(Rejection::Malformed.into());
        }
        for closed in &self.deliveries {
            if closed.reach == Reach::Source {
                close_queued(work, closed)?;
                continue;
            }
            let mut redelivery = Redelivery::read(work, closed.account, closed.key)?;
            if closed.reach == Reach::Target {
                redelivery.close(work.now_ms(), closed.heard_ms);
            } else {
                redelivery.close_own(closed.delivery);
            }
            redelivery.write(work);
        }
        Ok(())
    }
}

/// Every attempt at this message that waits here is one that the client knows of.
fn close_queued(work: &mut Work<'_, '_>, closed: &ClosedDelivery) -> Result<(), Failure> {
    for (row_key, bytes) in work.rows(&key::queued_like(closed.key), QUEUED_PER_COMMAND)? {
        let row: QueuedRow = codec::open("queue row", &bytes)?;
        if row.heard_ms.is_none() && row.received_ms <= closed.heard_ms {
            let heard_ms = Some(closed.heard_ms);
            work.put(row_key, &QueuedRow { heard_ms, ..row });
        }
    }
    Ok(())
}
