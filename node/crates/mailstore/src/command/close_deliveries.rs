//! CloseDeliveries: the clients of these deliveries went on after our `250`, so they know of them; what looks the same
//! from now on is another message (DESIGN M14).

use mail_model::AccountId;
use minicbor::{Decode, Encode};

use crate::command::GroupCommand;
use crate::id::{DeliveryId, DeliveryKey};
use crate::key;
use crate::limits::CLOSES_PER_COMMAND;
use crate::record::{DeliveryRow, Due};
use crate::rejection::Rejection;
use crate::rows::{Failure, Rows, Work};
use crate::state::due_row;

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
}

impl GroupCommand for CloseDeliveries {
    type Reply = ();

    fn apply(&self, work: &mut Work<'_, '_>) -> Result<(), Failure> {
        if self.deliveries.len() > CLOSES_PER_COMMAND {
            return Err(Rejection::Malformed.into());
        }
        for closed in &self.deliveries {
            let key = key::delivery(closed.account, closed.key);
            let row: Option<DeliveryRow> = work.row("delivery row", &key)?;
            if let Some(row) = row.filter(|row| row.delivery == closed.delivery) {
                work.delete(key);
                work.delete(due_row(row.due_ms, &Due::Delivery(closed.account, closed.key)));
            }
        }
        Ok(())
    }
}
