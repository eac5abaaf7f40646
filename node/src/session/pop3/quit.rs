//! QUIT with messages marked (RFC 1939 6): the one command by which POP3 deletes.

use mail_model::Uid;
use mailstore::front::ErrorClass;
use mailstore::limits::MESSAGES_PER_COPY;
use pop3_wire::Refusal;

use super::session::{End, Session};

impl Session {
    pub(super) async fn commit(&mut self, indexes: &[usize]) -> Result<(), End> {
        let locked = self.maildrop.take().ok_or(End)?;
        let items = locked.maildrop().items();
        let uids: Vec<Uid> = indexes
            .iter()
            .filter_map(|index| Some(items.get(*index)?.uid))
            .collect();
        // Without a renewal that could overtake it.
        let maildrop = locked.settle().await.ok_or(End)?;
        match maildrop.quit(&uids).await {
            Ok(()) => self.acknowledge(uids.len()),
            Err(error) => {
                tracing::warn!(%error, "POP3 messages were not deleted");
                // Of more than one entry the first may have been committed, and an answer that cannot be read is none.
                let is_told = matches!(error.class(), ErrorClass::User | ErrorClass::Temporary);
                let is_nothing_done = is_told && uids.len() <= MESSAGES_PER_COPY;
                if is_nothing_done {
                    return Ok(self.pump.machine.refuse(Refusal::Temporary)?);
                }
                self.pump.machine.hang_up();
                Ok(())
            }
        }
    }

    /// Says that the messages are deleted. The only place where that is said, after the group has committed and applied
    /// it (DESIGN P1).
    fn acknowledge(&mut self, count: usize) -> Result<(), End> {
        metrics::counter!("holdfast_pop3_deleted_total").increment(count as u64);
        Ok(self.pump.machine.committed()?)
    }
}
