//! Sweep: does what log time has made due: idle uploads, kept bodies, tombstones, open deliveries, rows of deleted mailboxes. Proposed by
//! the node that leads the group; a bounded number of rows each time.

use minicbor::{Decode, Encode};

use crate::codec;
use crate::command::GroupCommand;
use crate::id::UploadId;
use crate::key;
use crate::limits::{SWEEP_ROWS, UPLOAD_IDLE_MS};
use crate::record::{Due, UploadRow};
use crate::rows::{Failure, Rows, Work};
use crate::state::{delete_some, drop_kept_body, drop_tombstone, due_row, give_up_upload};

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Sweep;

/// What a sweep did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Swept {
    /// Things done.
    #[n(0)]
    pub done: u32,
    /// More is due by now.
    #[n(1)]
    pub more: bool,
}

impl GroupCommand for Sweep {
    type Reply = Swept;

    fn apply(&self, work: &mut Work<'_, '_>) -> Result<Swept, Failure> {
        let due = work.rows(&key::due_by(work.now_ms()), SWEEP_ROWS)?;
        let mut done = 0;
        let mut more = due.len() == SWEEP_ROWS;
        for (key, _) in due {
            let what: Due = codec::open("due row", key::due_of(&key))?;
            done += 1;
            if let Due::DeletedMailbox(account, mailbox) = what {
                if !delete_some(work, account, mailbox)? {
                    // Thousand rows in one entry are enough; the due row stays for the next one.
                    more = true;
                    break;
                }
                work.delete(key);
                continue;
            }
            work.delete(key);
            match what {
                Due::KeptBody(account, mailbox, uid) => drop_kept_body(work, account, mailbox, uid)?,
                Due::Tombstone(account, mailbox, uid) => drop_tombstone(work, account, mailbox, uid)?,
                Due::Upload(upload) => sweep_upload(work, upload)?,
                Due::Delivery(account, delivery) => work.delete(key::delivery(account, delivery)),
                Due::DeletedMailbox(..) => {}
            }
        }
        Ok(Swept { done, more })
    }
}

/// Gives up an upload that is idle, or notes when to look again.
fn sweep_upload(work: &mut Work<'_, '_>, upload: UploadId) -> Result<(), Failure> {
    let key = key::upload(upload);
    let Some(mut row) = work.row::<UploadRow>("upload row", &key)? else {
        return Ok(());
    };
    let idle_at = row.active_ms.saturating_add(UPLOAD_IDLE_MS);
    if idle_at <= work.now_ms() {
        return give_up_upload(work, upload);
    }
    row.due_ms = idle_at;
    work.put(key, &row);
    work.put_bytes(due_row(idle_at, &Due::Upload(upload)), Vec::new());
    Ok(())
}
