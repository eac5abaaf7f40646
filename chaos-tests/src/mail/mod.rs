//! Messages to put through a cluster: plain ones, odd ones, damaged ones, and real ones where they are at hand.
//!
//! Invariant: the same seed makes the same messages, byte for byte, with names that say what is odd about them.
//!
//! Must not know: how messages are sent, and what a cluster is.

mod corpus;
mod form;
mod ledger;
mod odd;
mod odd_mime;
mod random;

pub use corpus::corpus;
pub use form::{Refusal, as_pop3_sends, as_smtp_carries, crlf, dot_stuffed, lf, smtp_refusal};
pub use ledger::Ledger;

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What is odd about it, or where it is from. No two have the same.
    pub name: String,
    /// As it is handed to a client: lines end with CR LF, unless that is what is odd.
    pub bytes: Vec<u8>,
}

impl Message {
    fn new(name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            name: name.into(),
            bytes: bytes.into(),
        }
    }
}

/// The messages of this project's own making: each oddity once, and `random` more of which `seed` decides.
#[must_use]
pub fn of_our_own(seed: u64, random: usize) -> Vec<Message> {
    let mut messages = odd::messages();
    messages.extend(odd_mime::messages());
    messages.extend(random::messages(seed, random));
    messages
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_seed_makes_the_messages() {
        let messages = of_our_own(3, 100);
        assert_eq!(messages, of_our_own(3, 100));
        assert_ne!(messages, of_our_own(4, 100));
    }

    #[test]
    fn no_two_messages_are_alike() {
        let messages = of_our_own(1, 200);
        assert!(messages.len() > 300, "{}", messages.len());
        let names: BTreeSet<_> = messages.iter().map(|message| &message.name).collect();
        let bytes: BTreeSet<_> = messages.iter().map(|message| &message.bytes).collect();
        assert_eq!((names.len(), bytes.len()), (messages.len(), messages.len()));
    }

    #[test]
    fn most_may_go_by_smtp_and_every_refusal_is_provoked() {
        let messages = of_our_own(1, 200);
        let refusals: Vec<_> = messages
            .iter()
            .filter_map(|message| smtp_refusal(&message.bytes))
            .collect();
        assert!(refusals.len() * 5 < messages.len(), "{}", refusals.len());
        for refusal in [Refusal::BareCr, Refusal::BareLf, Refusal::Nul, Refusal::Loop] {
            assert!(refusals.contains(&refusal), "{refusal:?}");
        }
    }
}
