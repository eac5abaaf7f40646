//! LSUB (RFC 3501, section 6.3.9): subscribed names, and with `%` also the levels above them, as `\Noselect`.

use std::collections::BTreeMap;

use imap_wire::ListPattern;
use imap_wire::command::{ListCommand, ListTarget};
use imap_wire::response::{ListAttribute, write_lsub, write_separator};
use mail_model::MailboxName;
use mailstore::front::Freshness;
use mailstore::query::MailboxList;

use super::list::attributes;
use super::outcome::{Done, Outcome};
use super::session::Session;

impl Session {
    pub(super) async fn lsub(&mut self, command: ListCommand) -> Outcome {
        let ListTarget::Matching(pattern) = command.target else {
            write_separator(&mut self.channel.out);
            return Ok(Done::new("that is all"));
        };
        let all = self.account()?.list(Freshness::Latest).await?;
        for (name, attributes) in matching(&all, &pattern) {
            write_lsub(&mut self.channel.out, &attributes, &name);
            self.channel.relieve().await?;
        }
        Ok(Done::new("that is all"))
    }
}

/// The names to show, each once, in order.
fn matching(all: &MailboxList, pattern: &ListPattern) -> BTreeMap<MailboxName, Vec<ListAttribute>> {
    let subscribed: Vec<_> = all
        .subscriptions
        .iter()
        .filter_map(|name| MailboxName::new(name).ok())
        .collect();
    let mut shown = BTreeMap::new();
    for name in subscribed.iter().filter(|name| pattern.matches(name.as_str())) {
        // A subscription outlives its mailbox, which nobody can select then.
        let mailbox = all.mailboxes.iter().find(|info| info.name == name.as_str());
        let attributes = mailbox.map_or_else(|| vec![ListAttribute::NoSelect], attributes);
        shown.insert(name.clone(), attributes);
    }
    if pattern.has_percent() {
        let hidden = subscribed.iter().filter(|name| !pattern.matches(name.as_str()));
        for above in hidden.flat_map(|name| std::iter::successors(name.parent(), MailboxName::parent)) {
            if pattern.matches(above.as_str()) {
                shown.entry(above).or_insert_with(|| vec![ListAttribute::NoSelect]);
            }
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(subscriptions: &[&str], pattern: &str) -> Vec<String> {
        let all = MailboxList {
            mailboxes: Vec::new(),
            subscriptions: subscriptions.iter().map(|name| (*name).to_owned()).collect(),
        };
        let found = matching(&all, &ListPattern::new(pattern).unwrap());
        found.keys().map(|name| name.as_str().to_owned()).collect()
    }

    #[test]
    fn percent_shows_the_level_above_a_subscribed_name() {
        let names = ["foo/bar", "foo/baz/deep", "other"];
        assert_eq!(shown(&names, "%"), ["foo", "other"]);
        assert_eq!(shown(&names, "foo/%"), ["foo/bar", "foo/baz"]);
        assert_eq!(shown(&names, "%/%"), ["foo/bar", "foo/baz"]);
    }

    #[test]
    fn without_percent_only_subscribed_names_are_shown() {
        let names = ["foo/bar", "other"];
        assert_eq!(shown(&names, "*"), ["foo/bar", "other"]);
        assert_eq!(shown(&names, "foo"), [""; 0]);
        assert_eq!(shown(&names, "foo*"), ["foo/bar"]);
    }
}
