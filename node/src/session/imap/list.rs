//! LIST (RFC 3501, section 6.3.8; CHILDREN, RFC 3348; SPECIAL-USE, RFC 6154). Levels of the hierarchy that hold no
//! messages are mailboxes here too, with `\Noselect`, so that each name that `%` can match is in the list.

use imap_wire::command::{ListCommand, ListTarget};
use imap_wire::response::{ListAttribute, write_list, write_separator};
use mail_model::MailboxName;
use mailstore::front::Freshness;
use mailstore::query::MailboxInfo;

use super::outcome::{Done, Outcome};
use super::session::Session;

impl Session {
    pub(super) async fn list(&mut self, command: ListCommand) -> Outcome {
        let ListTarget::Matching(pattern) = command.target else {
            write_separator(&mut self.channel.out);
            return Ok(Done::new("that is all"));
        };
        let all = self.account()?.list(Freshness::Latest).await?;
        for info in all.mailboxes.iter().filter(|info| pattern.matches(&info.name)) {
            if let Ok(name) = MailboxName::new(&info.name) {
                write_list(&mut self.channel.out, &attributes(info), &name);
                self.channel.relieve().await?;
            }
        }
        Ok(Done::new("that is all"))
    }
}

/// What LIST and LSUB say of a mailbox.
pub(super) fn attributes(info: &MailboxInfo) -> Vec<ListAttribute> {
    let no_select = info.no_select.then_some(ListAttribute::NoSelect);
    let children = if info.has_children {
        ListAttribute::HasChildren
    } else {
        ListAttribute::HasNoChildren
    };
    let special = info.special_use.map(ListAttribute::SpecialUse);
    no_select.into_iter().chain([children]).chain(special).collect()
}
