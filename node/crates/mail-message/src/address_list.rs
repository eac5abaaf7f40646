//! Address lists (RFC 5322 3.4, 4.4) into the rows of ENVELOPE (RFC 3501 7.4.2), read leniently: whatever stands in a
//! field gives some list, and a list that was begun is closed.
//!
//! Encoded words stay as they are; quoting is taken away, comments are left out. A comment stands for the name where
//! there is no phrase, as in `joe@example.org (Joe)`.

use crate::budget::Budget;
use crate::limits::VALUE_OVERHEAD;
use crate::params::{comment_len, unquote};
use crate::part::{EnvelopeAddress, RawText};

/// What a row costs beyond its values.
const ROW_VALUES: usize = size_of::<EnvelopeAddress>().div_ceil(VALUE_OVERHEAD);

/// Appends the addresses of `value` to `rows` until `budget` is spent.
pub(crate) fn address_list(value: &[u8], budget: &mut Budget, rows: &mut Vec<EnvelopeAddress>) {
    let mut reader = ListReader {
        budget,
        rows,
        words: Words::default(),
        angle: None,
        in_group: false,
        full: false,
    };
    let mut rest = value;
    while let Some((byte, after)) = rest.split_first() {
        if reader.full {
            break;
        }
        rest = reader.token(*byte, rest, after);
    }
    reader.end_address();
    reader.end_group();
}

/// What was read of the current address outside of angle brackets.
#[derive(Default)]
struct Words {
    /// The phrase, or an address without brackets, quoting taken away.
    text: Vec<u8>,
    /// Where the last at sign outside of quotes stands in `text`.
    at_sign: Option<usize>,
    comment: Option<Vec<u8>>,
    blank_before: bool,
}

impl Words {
    fn push(&mut self, bytes: &[u8]) {
        if std::mem::take(&mut self.blank_before) && !self.text.is_empty() {
            self.text.push(b' ');
        }
        self.text.extend_from_slice(bytes);
    }
}

/// What stood in angle brackets.
struct Angle {
    adl: Option<Vec<u8>>,
    mailbox: Vec<u8>,
    host: Vec<u8>,
}

struct ListReader<'a> {
    budget: &'a mut Budget,
    rows: &'a mut Vec<EnvelopeAddress>,
    words: Words,
    angle: Option<Angle>,
    in_group: bool,
    full: bool,
}

impl ListReader<'_> {
    /// Takes what begins with `byte`; `rest` begins with it, `after` stands behind it. Answers with what is left.
    fn token<'b>(&mut self, byte: u8, rest: &'b [u8], after: &'b [u8]) -> &'b [u8] {
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' => self.words.blank_before = true,
            b'"' => {
                let (text, len) = unquote(after);
                self.words.push(&text);
                return after.get(len..).unwrap_or_default();
            }
            b'(' => {
                let len = comment_len(rest);
                let inside = rest.get(1..len).unwrap_or_default();
                let inside = inside.strip_suffix(b")").unwrap_or(inside);
                self.words.comment = Some(unescape(inside.trim_ascii()));
                self.words.blank_before = true;
                return rest.get(len..).unwrap_or_default();
            }
            b'<' => {
                let (angle, len) = angle_address(after);
                self.angle = Some(angle);
                return after.get(len..).unwrap_or_default();
            }
            b',' => self.end_address(),
            // Before an at sign a colon begins a group; behind one it is damage.
            b':' if !self.in_group && self.angle.is_none() && self.words.at_sign.is_none() => self.begin_group(),
            b';' => {
                self.end_address();
                self.end_group();
            }
            b'@' => {
                self.words.blank_before = false;
                self.words.at_sign = Some(self.words.text.len());
                self.words.text.push(b'@');
            }
            b'\\' => {
                let (escaped, later) = after.split_at(after.len().min(1));
                self.words.push(escaped);
                return later;
            }
            _ => {
                let is_special = |byte: &u8| b" \t\r\n\"(<,:;@\\".contains(byte);
                let len = rest.iter().position(is_special).unwrap_or(rest.len()).max(1);
                let (word, later) = rest.split_at(len.min(rest.len()));
                self.words.push(word);
                return later;
            }
        }
        after
    }

    fn begin_group(&mut self) {
        let words = std::mem::take(&mut self.words);
        let name = if words.text.is_empty() {
            words.comment.unwrap_or_default()
        } else {
            words.text
        };
        // A group takes two rows: its end is paid for with its beginning.
        if !self.budget.pay(ROW_VALUES, 0) || !self.row(None, None, Some(name), None) {
            self.full = true;
            return;
        }
        self.in_group = true;
    }

    fn end_group(&mut self) {
        if std::mem::take(&mut self.in_group) {
            self.rows.push(EnvelopeAddress::default());
        }
    }

    fn end_address(&mut self) {
        let words = std::mem::take(&mut self.words);
        let some = |bytes: Vec<u8>| (!bytes.is_empty()).then_some(bytes);
        if let Some(angle) = self.angle.take() {
            let name = some(words.text).or_else(|| words.comment.and_then(some));
            if name.is_some() || !angle.mailbox.is_empty() || !angle.host.is_empty() {
                self.row(name, angle.adl, Some(angle.mailbox), Some(angle.host));
            }
            return;
        }
        if words.text.is_empty() {
            return;
        }
        let (mailbox, host) = match words.at_sign {
            Some(at) => {
                let (mailbox, host) = words.text.split_at(at);
                (
                    mailbox.trim_ascii().to_vec(),
                    without_blanks(host.get(1..).unwrap_or_default()),
                )
            }
            None => (words.text, Vec::new()),
        };
        self.row(words.comment.and_then(some), None, Some(mailbox), Some(host));
    }

    fn row(
        &mut self,
        name: Option<Vec<u8>>,
        adl: Option<Vec<u8>>,
        mailbox: Option<Vec<u8>>,
        host: Option<Vec<u8>>,
    ) -> bool {
        let values = [&name, &adl, &mailbox, &host];
        let bytes = values.iter().map(|value| value.as_ref().map_or(0, Vec::len)).sum();
        let paid = !self.full && self.budget.pay(ROW_VALUES + values.len(), bytes);
        self.full |= !paid;
        if paid {
            let keep = |value: Option<Vec<u8>>| value.map(|bytes| RawText::from(&*bytes));
            let (name, adl, mailbox, host) = (keep(name), keep(adl), keep(mailbox), keep(host));
            self.rows.push(EnvelopeAddress {
                name,
                adl,
                mailbox,
                host,
            });
        }
        paid
    }
}

/// Reads what stands behind `<`, up to and with `>`; answers with its length too.
fn angle_address(bytes: &[u8]) -> (Angle, usize) {
    let mut text = Vec::new();
    let mut at_sign = None;
    let mut adl = None;
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'>' => {
                at += 1;
                break;
            }
            b'"' => {
                let (inside, len) = unquote(bytes.get(at + 1..).unwrap_or_default());
                text.extend_from_slice(&inside);
                at += len;
            }
            b'(' => at += comment_len(bytes.get(at..).unwrap_or_default()) - 1,
            // A route: `@a,@b:` before the address (RFC 5322 4.4).
            b':' if adl.is_none() && text.first() == Some(&b'@') => {
                adl = Some(std::mem::take(&mut text));
                at_sign = None;
            }
            b' ' | b'\t' | b'\r' | b'\n' if at_sign.is_some() || text.is_empty() => {}
            b'@' => {
                at_sign = Some(text.len());
                text.push(b'@');
            }
            _ => text.push(*byte),
        }
        at += 1;
    }
    let at = at.min(bytes.len());
    let (mailbox, host) = match at_sign {
        Some(sign) => {
            let (mailbox, host) = text.split_at(sign);
            (
                mailbox.trim_ascii().to_vec(),
                host.get(1..).unwrap_or_default().to_vec(),
            )
        }
        None => (text.trim_ascii().to_vec(), Vec::new()),
    };
    (Angle { adl, mailbox, host }, at)
}

fn without_blanks(bytes: &[u8]) -> Vec<u8> {
    bytes
        .iter()
        .copied()
        .filter(|byte| !matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))
        .collect()
}

fn unescape(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut escaped = false;
    for byte in bytes {
        if *byte == b'\\' && !escaped {
            escaped = true;
        } else {
            escaped = false;
            out.push(*byte);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows as `name|adl|mailbox|host`, with `-` for NIL.
    fn read(value: &str) -> Vec<String> {
        let mut rows = Vec::new();
        address_list(value.as_bytes(), &mut Budget::new(1 << 20), &mut rows);
        let text = |value: &Option<RawText>| match value {
            Some(raw) => String::from_utf8_lossy(raw).into_owned(),
            None => "-".to_owned(),
        };
        rows.iter()
            .map(|row| [&row.name, &row.adl, &row.mailbox, &row.host].map(text).join("|"))
            .collect()
    }

    #[test]
    fn addresses_are_split_as_rfc_3501_shows_them() {
        let cases: [(&str, &[&str]); 25] = [
            (
                "Terry Gray <gray@cac.washington.edu>",
                &["Terry Gray|-|gray|cac.washington.edu"],
            ),
            ("a@b, c@d", &["-|-|a|b", "-|-|c|d"]),
            (
                "\"Joe Q. \\\"P\\\"\" <john.q.public@example.com>",
                &["Joe Q. \"P\"|-|john.q.public|example.com"],
            ),
            ("Mary   Smith\t<mary@x.test>", &["Mary Smith|-|mary|x.test"]),
            ("A.B <a@b>", &["A.B|-|a|b"]),
            ("joe@x (Joe \\(the\\) Doe)", &["Joe (the) Doe|-|joe|x"]),
            ("<joe@x> (Joe)", &["Joe|-|joe|x"]),
            (
                "Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>",
                &["Pete|-|pete|silly.test"],
            ),
            (
                "A Group:Ed Jones <joe@where.test>,b@c;",
                &["-|-|A Group|-", "Ed Jones|-|joe|where.test", "-|-|b|c", "-|-|-|-"],
            ),
            ("Undisclosed recipients:;", &["-|-|Undisclosed recipients|-", "-|-|-|-"]),
            ("g: a@b", &["-|-|g|-", "-|-|a|b", "-|-|-|-"]),
            ("g:;, x@y", &["-|-|g|-", "-|-|-|-", "-|-|x|y"]),
            ("<@a.test,@b.test:john@c.test>", &["-|@a.test,@b.test|john|c.test"]),
            ("root", &["-|-|root|"]),
            ("Root <root>", &["Root|-|root|"]),
            ("<>", &[]),
            (",, ,", &[]),
            ("", &[]),
            ("\"a b\"@c", &["-|-|a b|c"]),
            ("<\"a@b\"@c>", &["-|-|a@b|c"]),
            ("a . b @ c . d", &["-|-|a . b|c.d"]),
            ("=?utf-8?q?=C3=A4?= <a@b>", &["=?utf-8?q?=C3=A4?=|-|a|b"]),
            ("Open <a@b", &["Open|-|a|b"]),
            ("\"open <a@b>", &["-|-|open <a@b>|"]),
            ("a@[IPv6:::1], b@c", &["-|-|a|[IPv6:::1]", "-|-|b|c"]),
        ];
        for (value, rows) in cases {
            assert_eq!(read(value), rows, "{value}");
        }
    }

    #[test]
    fn a_list_beyond_the_budget_is_cut_between_addresses_and_closed() {
        let mut rows = Vec::new();
        let value = format!("g:{}", "a@b.test,".repeat(1_000));
        let mut budget = Budget::new(10_000);
        address_list(value.as_bytes(), &mut budget, &mut rows);
        assert!(rows.len() > 10 && rows.len() < 100, "{}", rows.len());
        assert_eq!(rows.last(), Some(&EnvelopeAddress::default()));
        let legal = rows.iter().filter(|row| row.host.as_deref() == Some(b"b.test")).count();
        assert_eq!(legal, rows.len() - 2);
        assert!(budget.spent() <= 10_000);
    }
}
