//! StoreFlags: STORE (RFC 3501, section 6.4.6), and the `\Seen` of one FETCH (DESIGN M8). All messages or none.

use mail_model::{AccountId, FlagSet, MailboxId, ModSeq, SystemFlags};
use minicbor::{Decode, Encode};

use crate::command::GroupCommand;
use crate::limits::{KEYWORDS_PER_MESSAGE, MESSAGES_PER_COMMAND};
use crate::record::{HotRow, KeywordBits};
use crate::rejection::{LimitKind, Rejection};
use crate::rows::{Failure, Work};
use crate::state::{AccountWork, hot_rows, keyword_bits, known_bits};
use crate::uid_set::UidSet;

/// What to do with the flags named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum StoreMode {
    /// Set them, leave others alone.
    #[n(0)]
    Add,
    /// Take them away, leave others alone.
    #[n(1)]
    Remove,
    /// Have these and no others.
    #[n(2)]
    Replace,
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct StoreFlags {
    /// Whose mailbox.
    #[n(0)]
    pub account: AccountId,
    /// Which mailbox.
    #[n(1)]
    pub mailbox: MailboxId,
    /// Which messages, at most [`MESSAGES_PER_COMMAND`]. Those that are gone by now are passed over.
    #[n(2)]
    pub uids: UidSet,
    /// See [`StoreMode`].
    #[n(3)]
    pub mode: StoreMode,
    /// The flags.
    #[n(4)]
    pub flags: FlagSet,
}

/// What STORE changed.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Stored {
    /// Messages that have other flags now.
    #[n(0)]
    pub changed: UidSet,
    /// Their modseq.
    #[n(1)]
    pub modseq: ModSeq,
}

impl GroupCommand for StoreFlags {
    type Reply = Stored;

    fn apply(&self, work: &mut Work<'_, '_>) -> Result<Stored, Failure> {
        let found = hot_rows(work, self.account, self.mailbox, &self.uids, MESSAGES_PER_COMMAND)?;
        let mut account = AccountWork::begin(work, self.account)?;
        account.selectable(self.mailbox)?;
        let keywords = &self.flags.keywords;
        let named = match self.mode {
            StoreMode::Remove => known_bits(account.work, self.account, self.mailbox, keywords)?,
            _ if found.is_empty() => KeywordBits::default(),
            _ => keyword_bits(account.work, self.account, self.mailbox, keywords)?,
        };
        let mut changed = Vec::new();
        for (uid, hot) in &found {
            let (flags, keywords) = self.after(hot, &named);
            if keywords.len() > KEYWORDS_PER_MESSAGE {
                return Err(Rejection::Limit(LimitKind::KeywordsOfMessage).into());
            }
            if account.set_flags(self.mailbox, *uid, hot, flags, keywords)? {
                changed.push(*uid);
            }
        }
        let modseq = account.modseq;
        if !changed.is_empty() {
            account.finish();
        }
        Ok(Stored {
            changed: changed.into_iter().collect(),
            modseq,
        })
    }
}

impl StoreFlags {
    fn after(&self, hot: &HotRow, named: &KeywordBits) -> (SystemFlags, KeywordBits) {
        let mut keywords = hot.keywords.clone();
        let system = self.flags.system;
        match self.mode {
            StoreMode::Add => {
                named.iter().for_each(|number| keywords.insert(number));
                (hot.flags | system, keywords)
            }
            StoreMode::Remove => {
                named.iter().for_each(|number| keywords.remove(number));
                (hot.flags.without(system), keywords)
            }
            StoreMode::Replace => (system, named.clone()),
        }
    }
}
