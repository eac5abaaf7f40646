//! STATUS (RFC 3501, section 6.3.10).

use imap_wire::command::{StatusCommand, StatusItem};
use imap_wire::response::write_status;
use mailstore::Account;
use mailstore::front::Freshness;
use mailstore::query::MailboxInfo;
use mailstore::{Rejection, StoreError};

use super::outcome::{Done, Outcome};
use super::session::Session;

impl Session {
    pub(super) async fn status(&mut self, command: StatusCommand) -> Outcome {
        let account = self.account()?;
        let info = account.mailbox(command.mailbox.clone(), Freshness::Latest).await?.info;
        if info.no_select {
            return Err(StoreError::from(Rejection::NotSelectable).into());
        }
        let mut numbers = Vec::with_capacity(command.items.len());
        for item in command.items {
            let number = match item {
                StatusItem::Messages => info.messages.into(),
                StatusItem::UidNext => info.uid_next.min(u32::MAX.into()),
                StatusItem::UidValidity => info.uid_validity.get().into(),
                StatusItem::Unseen => info.unseen.into(),
                StatusItem::Recent => match &self.selected {
                    Some(selected) if selected.view.mailbox() == info.id => selected.view.recent().into(),
                    _ => recent(account, &info).await?,
                },
            };
            numbers.push((item, number));
        }
        write_status(&mut self.channel.out, &command.mailbox, &numbers);
        Ok(Done::new("that is all"))
    }
}

/// How many messages would be recent for whoever selects the mailbox next.
async fn recent(account: &Account, info: &MailboxInfo) -> Result<u64, StoreError> {
    let mut count = 0;
    let mut from = u32::try_from(info.first_recent).ok();
    while let Some(first) = from.filter(|first| u64::from(*first) < info.uid_next) {
        let page = account.hot_page(info.id, first, u32::MAX).await?;
        count += u64::from(page.len);
        from = page.next;
    }
    Ok(count)
}
