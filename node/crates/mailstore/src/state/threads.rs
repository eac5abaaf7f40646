//! Threads (DESIGN M7): a message joins the thread of the first of its keys that is known, else it begins one. Threads
//! are never merged, so a THREADID never changes.

use mail_model::{AccountId, ThreadId};

use crate::id::ThreadKey;
use crate::key;
use crate::limits::THREAD_KEYS_MAX;
use crate::rejection::{LimitKind, Rejection};
use crate::rows::{Failure, Rows, Work};

/// The thread of a message with these keys; `new` becomes the thread if none is known.
pub(crate) fn thread_of(
    work: &mut Work<'_, '_>,
    account: AccountId,
    keys: &[ThreadKey],
    new: ThreadId,
) -> Result<ThreadId, Failure> {
    if keys.len() > THREAD_KEYS_MAX {
        return Err(Rejection::Limit(LimitKind::Size).into());
    }
    let mut unknown = Vec::new();
    let mut found = None;
    for thread_key in keys {
        let key = key::thread(account, *thread_key);
        match work.row::<ThreadId>("thread row", &key)? {
            Some(thread) => found = found.or(Some(thread)),
            None => unknown.push(key),
        }
    }
    let thread = found.unwrap_or(new);
    unknown.into_iter().for_each(|key| work.put(key, &thread));
    Ok(thread)
}
