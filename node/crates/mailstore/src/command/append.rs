//! AppendMessages: APPEND and MULTIAPPEND (RFC 3501, section 6.3.11; RFC 3502): all messages or none.

use mail_model::{AccountId, EmailId, FlagSet, InternalDate, MailboxId, ThreadId, UidValidity};
use minicbor::{Decode, Encode};

use crate::command::GroupCommand;
use crate::id::{IdSeed, ThreadKey};
use crate::record::Pop3Identity;
use crate::rejection::Rejection;
use crate::rows::{Failure, Work};
use crate::state::{AccountWork, BodySource, NewInstance, adopt, keyword_bits, thread_of};
use crate::uid_set::UidRange;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct AppendMessages {
    /// Whose mailbox.
    #[n(0)]
    pub account: AccountId,
    /// Where to.
    #[n(1)]
    pub mailbox: MailboxId,
    /// Makes the ids of the new messages.
    #[n(2)]
    pub seed: IdSeed,
    /// At least one. At most one of them is inline, since an entry has one blob.
    #[n(3)]
    pub messages: Vec<AppendItem>,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct AppendItem {
    /// Its bytes.
    #[n(0)]
    pub source: BodySource,
    /// Its flags.
    #[n(1)]
    pub flags: FlagSet,
    /// Its INTERNALDATE.
    #[n(2)]
    pub date: InternalDate,
    /// As in [`crate::command::Deliver`].
    #[n(3)]
    pub thread_keys: Vec<ThreadKey>,
    /// What another server called it, for import.
    #[n(4)]
    pub pop3: Option<Pop3Identity>,
}

/// Where the messages are: APPENDUID (RFC 4315, section 3).
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Appended {
    /// UIDVALIDITY of the mailbox.
    #[n(0)]
    pub uid_validity: UidValidity,
    /// Their UIDs, in their order.
    #[n(1)]
    pub uids: UidRange,
    /// Their EMAILIDs.
    #[n(2)]
    pub emails: Vec<EmailId>,
}

impl GroupCommand for AppendMessages {
    type Reply = Appended;

    fn apply(&self, work: &mut Work<'_, '_>) -> Result<Appended, Failure> {
        let mut uids: Option<UidRange> = None;
        let mut emails = Vec::with_capacity(self.messages.len());
        let mut prepared = Vec::with_capacity(self.messages.len());
        for (number, item) in (0..).zip(&self.messages) {
            prepared.push(self.prepare(work, number, item)?);
        }
        let mut account = AccountWork::begin(work, self.account)?;
        let uid_validity = account.selectable(self.mailbox)?.uid_validity;
        for (item, (body, thread, email)) in self.messages.iter().zip(prepared) {
            if !account.row.has_room() {
                return Err(Rejection::OverQuota.into());
            }
            let keywords = keyword_bits(account.work, self.account, self.mailbox, &item.flags.keywords)?;
            let new = NewInstance {
                flags: item.flags.system,
                keywords,
                date: item.date,
                email,
                thread,
                prefix: Vec::new(),
                pop3: item.pop3.clone(),
                body,
            };
            let uid = account.add(self.mailbox, new)?;
            uids = Some(UidRange {
                first: uids.map_or(uid, |before| before.first),
                last: uid,
            });
            emails.push(email);
        }
        account.finish();
        let uids = uids.ok_or(Rejection::Malformed)?;
        Ok(Appended {
            uid_validity,
            uids,
            emails,
        })
    }
}

impl AppendMessages {
    fn prepare(
        &self,
        work: &mut Work<'_, '_>,
        number: u64,
        item: &AppendItem,
    ) -> Result<(crate::state::StoredBody, ThreadId, EmailId), Failure> {
        let body = adopt(work, &item.source)?;
        let new_thread = self.seed.thread(self.account, number);
        let thread = thread_of(work, self.account, &item.thread_keys, new_thread)?;
        Ok((body, thread, self.seed.email(self.account, number)))
    }
}
