//! Message ids for threads (RFC 5322 3.6.4, RFC 5256 2.2): normalized, so that two spellings of one id are equal.

use crate::limits::{IN_REPLY_TO_MAX, MESSAGE_ID_BYTES_MAX, REFERENCES_MAX, THREAD_FIELD_BYTES_MAX};
use crate::params::{comment_len, unquote};
use crate::part::RawText;

/// The id in a Message-ID field. Where it has no brackets, its first word.
pub(crate) fn message_id(value: &[u8]) -> Option<RawText> {
    let mut first = None;
    each_id(value, |id| {
        first.get_or_insert_with(|| RawText::from(id));
    });
    first.or_else(|| {
        let word = value.trim_ascii().split(u8::is_ascii_whitespace).next()?;
        let legal = (1..=MESSAGE_ID_BYTES_MAX).contains(&word.len()) && !word.contains(&b'<');
        legal.then(|| RawText::from(word))
    })
}

/// The ids in In-Reply-To: phrases, which old programs put there, are passed by.
pub(crate) fn in_reply_to(value: &[u8]) -> Vec<RawText> {
    let mut ids = Ids::default();
    each_id(value, |id| {
        if ids.list.len() < IN_REPLY_TO_MAX {
            ids.push(id);
        }
    });
    ids.list
}

/// The ids in References: the first, which names the thread, and the last ones, which name the place in it.
pub(crate) fn references(value: &[u8]) -> Vec<RawText> {
    let mut ids = Ids::default();
    each_id(value, |id| ids.push(id));
    ids.list
}

#[derive(Default)]
struct Ids {
    list: Vec<RawText>,
    bytes: usize,
}

impl Ids {
    fn push(&mut self, id: &[u8]) {
        if self.list.iter().any(|known| **known == *id) {
            return;
        }
        self.bytes += id.len();
        self.list.push(RawText::from(id));
        while (self.list.len() > REFERENCES_MAX || self.bytes > THREAD_FIELD_BYTES_MAX) && self.list.len() > 1 {
            self.bytes -= self.list.remove(1).len();
        }
    }
}

fn each_id(value: &[u8], mut each: impl FnMut(&[u8])) {
    let mut rest = value;
    while let Some((byte, after)) = rest.split_first() {
        rest = match byte {
            b'(' => rest.get(comment_len(rest)..).unwrap_or_default(),
            b'"' => after.get(unquote(after).1..).unwrap_or_default(),
            b'<' => {
                let (id, len) = bracketed(after);
                if (1..=MESSAGE_ID_BYTES_MAX).contains(&id.len()) {
                    each(&id);
                }
                after.get(len..).unwrap_or_default()
            }
            _ => after,
        };
    }
}

/// What stands behind `<` without blanks, comments and needless quotes, and its length with `>`.
fn bracketed(bytes: &[u8]) -> (Vec<u8>, usize) {
    let mut id = Vec::new();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'>' => return (id, at + 1),
            // An id that is never closed ends where the next begins.
            b'<' => return (id, at),
            b' ' | b'\t' | b'\r' | b'\n' => {}
            b'(' => at += comment_len(bytes.get(at..).unwrap_or_default()) - 1,
            b'"' => {
                let (inside, len) = unquote(bytes.get(at + 1..).unwrap_or_default());
                id.extend_from_slice(&inside);
                at += len;
            }
            _ => id.push(*byte),
        }
        at += 1;
    }
    (id, bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(list: &[RawText]) -> Vec<String> {
        list.iter().map(|id| String::from_utf8_lossy(id).into_owned()).collect()
    }

    #[test]
    fn spellings_of_one_id_are_equal() {
        for value in [
            "<a.b@c>",
            " < a.b@c > ",
            "(x <y>) <\"a.b\"@c>",
            "<a.b@(z)c>",
            "<a.b@c",
            "a.b@c more",
        ] {
            assert_eq!(
                message_id(value.as_bytes()),
                Some(RawText::from(&b"a.b@c"[..])),
                "{value}"
            );
        }
        for value in ["", "  ", "<>", "< >"] {
            assert_eq!(message_id(value.as_bytes()), None, "{value}");
        }
    }

    #[test]
    fn phrases_of_old_replies_are_passed_by() {
        assert_eq!(
            ids(&in_reply_to(
                b"Your message of \"Mon <x@y>\" <a@b> (c <d@e>) <f@g><a@b>"
            )),
            ["a@b", "f@g"]
        );
    }

    #[test]
    fn long_references_keep_the_first_and_the_last() {
        let value: String = (0..100).map(|nth| format!("<{nth}@x> ")).collect();
        let kept = ids(&references(value.as_bytes()));
        assert_eq!(kept.len(), REFERENCES_MAX);
        assert_eq!((kept[0].as_str(), kept[1].as_str()), ("0@x", "69@x"));
        assert_eq!(kept[REFERENCES_MAX - 1], "99@x");
        let long: String = (0..60).map(|nth| format!("<{nth}{}> ", "x".repeat(900))).collect();
        let kept = references(long.as_bytes());
        assert!(kept.iter().map(|id| id.len()).sum::<usize>() <= THREAD_FIELD_BYTES_MAX);
        assert!(kept[0].starts_with(b"0x"));
    }
}
