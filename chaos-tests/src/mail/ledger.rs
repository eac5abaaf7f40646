//! What was put into accounts, to be held against what is found there.
//!
//! Invariant: a message is known again by the sender of its envelope, which its trace headers tell, or, where it was
//! appended and has none, by its bytes.

use std::collections::{BTreeMap, BTreeSet};

/// Everything that a cluster has acknowledged.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// By the sender of the envelope.
    delivered: BTreeMap<String, Entry>,
    appended: Vec<Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    /// What a person calls the message, and how it went in.
    name: String,
    user: String,
    bytes: Vec<u8>,
}

impl Ledger {
    /// A message was delivered over SMTP or LMTP: it is found behind trace headers.
    ///
    /// # Panics
    /// When another one had that sender.
    pub fn delivered(&mut self, sender: String, user: String, name: String, bytes: Vec<u8>) {
        let before = self.delivered.insert(sender, Entry { name, user, bytes });
        assert!(before.is_none(), "two messages of one sender: {before:?}");
    }

    /// A message was appended: it is found as it is.
    pub fn appended(&mut self, user: String, name: String, bytes: Vec<u8>) {
        self.appended.push(Entry { name, user, bytes });
    }

    /// How many messages went to a user.
    #[must_use]
    pub fn count(&self, user: &str) -> usize {
        let entries = self.delivered.values().chain(&self.appended);
        entries.filter(|entry| entry.user == user).count()
    }

    /// Holds `found`, all that one user has, against what should be there. `form` is what the protocol does to bytes on
    /// their way out. Gives what is wrong, a sentence for each.
    #[must_use]
    pub fn faults(&self, user: &str, found: &[Vec<u8>], form: fn(&[u8]) -> Vec<u8>) -> Vec<String> {
        let mut faults = Vec::new();
        let mut seen = BTreeSet::new();
        let mut appended: BTreeMap<Vec<u8>, Vec<&str>> = BTreeMap::new();
        for entry in self.appended.iter().filter(|entry| entry.user == user) {
            appended.entry(form(&entry.bytes)).or_default().push(&entry.name);
        }
        for message in found {
            if let Some((sender, entry)) = sender(message).and_then(|sender| self.delivered.get_key_value(sender)) {
                faults.extend(fault(sender, entry, user, message, form));
                if !seen.insert(sender) {
                    faults.push(format!("{} is there twice", entry.name));
                }
            } else if appended.get_mut(message).and_then(Vec::pop).is_none() {
                faults.push(format!(
                    "nobody sent these {} octets: {}",
                    message.len(),
                    start(message)
                ));
            }
        }
        let lost = self
            .delivered
            .iter()
            .filter(|(sender, entry)| entry.user == user && !seen.contains(sender));
        faults.extend(lost.map(|(_, entry)| format!("{} is lost", entry.name)));
        let lost = appended.into_values().flatten();
        faults.extend(lost.map(|name| format!("{name} is lost, or not as it was")));
        faults
    }
}

/// The sender in the Return-Path that a delivery puts first.
fn sender(message: &[u8]) -> Option<&str> {
    let rest = message.strip_prefix(b"Return-Path: <")?;
    let end = rest.iter().position(|byte| *byte == b'>')?;
    str::from_utf8(&rest[..end]).ok()
}

/// What is wrong with one delivered message.
fn fault(sender: &str, entry: &Entry, user: &str, found: &[u8], form: fn(&[u8]) -> Vec<u8>) -> Option<String> {
    let name = &entry.name;
    if entry.user != user {
        return Some(format!("{name} is of {}", entry.user));
    }
    let expected = form(&entry.bytes);
    let Some(trace) = found.strip_suffix(expected.as_slice()) else {
        let same = found
            .iter()
            .rev()
            .zip(expected.iter().rev())
            .take_while(|(one, other)| one == other);
        let same = same.count();
        let (wanted, found) = (before_last(&expected, same), before_last(found, same));
        let of = expected.len();
        return Some(format!(
            "{name}: of {of} octets the last {same} are right; before them {found} instead of {wanted}"
        ));
    };
    let trace = String::from_utf8_lossy(trace);
    (!is_trace(&trace, sender, user)).then(|| format!("{name} stands behind {trace:?}"))
}

/// Whether these are the trace headers of a delivery from `sender` to `user`, and nothing else.
fn is_trace(trace: &str, sender: &str, user: &str) -> bool {
    let envelope = format!("Return-Path: <{sender}>\r\nDelivered-To: {user}\r\n");
    let Some(received) = trace.strip_prefix(&envelope) else {
        return false;
    };
    let Some(lines) = received.strip_suffix("\r\n") else {
        return false;
    };
    let is_whole = |line: &str| !line.contains(['\r', '\n']);
    let mut lines = lines.split("\r\n");
    let is_first = |line: &str| line.starts_with("Received: from ") && is_whole(line);
    let is_sound = lines.next().is_some_and(is_first) && lines.all(|line| line.starts_with('\t') && is_whole(line));
    is_sound && received.contains(&format!("for <{user}>"))
}

/// What stands before the last `count` octets, and some of those.
fn before_last(message: &[u8], count: usize) -> String {
    let at = message.len() - count;
    let near = &message[at.saturating_sub(40)..message.len().min(at + 20)];
    format!("{:?}", String::from_utf8_lossy(near))
}

fn start(message: &[u8]) -> String {
    format!("{:?}", String::from_utf8_lossy(&message[..message.len().min(300)]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::as_pop3_sends;

    const USER: &str = "ann@demo.test";

    fn ledger() -> Ledger {
        let mut ledger = Ledger::default();
        ledger.delivered(
            "m1@x".to_owned(),
            USER.to_owned(),
            "one".to_owned(),
            b"Subject: 1\r\n\r\n.\r\n".to_vec(),
        );
        ledger.appended(USER.to_owned(), "two".to_owned(), b"Subject: 2\n\nx".to_vec());
        ledger.appended("bob@demo.test".to_owned(), "three".to_owned(), b"three".to_vec());
        ledger
    }

    fn delivered(sender: &str, user: &str, bytes: &str) -> Vec<u8> {
        let trace = format!(
            "Return-Path: <{sender}>\r\nDelivered-To: {user}\r\nReceived: from a by b\r\n\tfor <{user}>; now\r\n"
        );
        (trace + bytes).into_bytes()
    }

    fn sound() -> Vec<Vec<u8>> {
        vec![
            delivered("m1@x", USER, "Subject: 1\r\n\r\n.\r\n"),
            b"Subject: 2\n\nx".to_vec(),
        ]
    }

    fn faults(found: &[Vec<u8>]) -> String {
        ledger().faults(USER, found, <[u8]>::to_vec).join("; ")
    }

    #[test]
    fn what_was_sent_is_all_there() {
        assert_eq!(faults(&sound()), "");
        let mut sent = sound();
        sent[1] = b"Subject: 2\r\n\r\nx\r\n".to_vec();
        assert_eq!(ledger().faults(USER, &sent, as_pop3_sends), Vec::<String>::new());
        assert_eq!((ledger().count(USER), ledger().count("bob@demo.test")), (2, 1));
    }

    #[test]
    fn losses_show() {
        assert_eq!(faults(&sound()[1..]), "one is lost");
        assert_eq!(faults(&sound()[..1]), "two is lost, or not as it was");
    }

    #[test]
    fn doubles_show() {
        for number in 0..2 {
            let mut found = sound();
            found.push(found[number].clone());
            assert!(!faults(&found).is_empty(), "{number}");
        }
    }

    #[test]
    fn one_octet_shows() {
        // Who sent it from where, and when, a server may word as it likes.
        let free = ["a by b", "; now"].map(|text| {
            let start = sound()[0]
                .windows(text.len())
                .position(|window| window == text.as_bytes());
            start.map(|start| start..start + text.len()).expect("it is there")
        });
        for number in 0..2 {
            let places =
                (0..sound()[number].len()).filter(|at| number == 1 || free.iter().all(|free| !free.contains(at)));
            for at in places {
                let mut found = sound();
                found[number].remove(at);
                assert!(!faults(&found).is_empty(), "{number} without {at}");
            }
        }
    }

    #[test]
    fn mail_of_another_user_shows() {
        let mut found = sound();
        found.push(b"three".to_vec());
        assert!(faults(&found).starts_with("nobody sent these 5 octets"));
        let found = [
            delivered("m1@x", "bob@demo.test", "Subject: 1\r\n\r\n.\r\n"),
            b"three".to_vec(),
        ];
        let faults = ledger().faults("bob@demo.test", &found, <[u8]>::to_vec);
        assert_eq!(faults, ["one is of ann@demo.test"]);
    }
}
