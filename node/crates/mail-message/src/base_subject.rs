//! Base subject (RFC 5256 2.1): what is left of a subject when marks of replies and forwards are taken away.

use crate::encoded_word::decode_text;
use crate::limits::BASE_SUBJECT_BYTES_MAX;

/// The base subject of a raw Subject value.
pub(crate) fn base_subject(value: &[u8]) -> String {
    let text = decode_text(value);
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    // Marks are looked for in so much only, since a row of blobs is gone through once for each of them.
    let mut rest = cut(&text, 4 * BASE_SUBJECT_BYTES_MAX).trim_end();
    loop {
        // Step 2: trailers.
        while let Some(before) = strip_end(rest, "(fwd)") {
            rest = before;
        }
        // Steps 3 to 5: leaders, then a blob that leaves something behind.
        loop {
            if let Some(after) = strip_leader(rest) {
                rest = after;
            } else if let Some(after) = strip_blob(rest).filter(|after| !after.is_empty()) {
                rest = after;
            } else {
                break;
            }
        }
        // Step 6: a wrapped forward.
        let inside = strip_start(rest, "[fwd:").and_then(|inside| inside.strip_suffix(']'));
        match inside {
            Some(inside) => {
                rest = inside.trim();
            }
            None => break,
        }
    }
    cut(rest, BASE_SUBJECT_BYTES_MAX).to_owned()
}

/// `text` cut to `bytes_max` between characters.
fn cut(text: &str, bytes_max: usize) -> &str {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

fn strip_start<'a>(text: &'a str, mark: &str) -> Option<&'a str> {
    let (head, tail) = text.split_at_checked(mark.len())?;
    head.eq_ignore_ascii_case(mark).then_some(tail)
}

fn strip_end<'a>(text: &'a str, mark: &str) -> Option<&'a str> {
    let (head, tail) = text.split_at_checked(text.len().checked_sub(mark.len())?)?;
    tail.eq_ignore_ascii_case(mark).then(|| head.trim_end())
}

/// `subj-leader`: blobs, then re, fw or fwd, then perhaps a blob, then a colon.
fn strip_leader(text: &str) -> Option<&str> {
    let mut rest = text.trim_start();
    while let Some(after) = strip_blob(rest) {
        rest = after;
    }
    let rest = ["re", "fwd", "fw"]
        .iter()
        .find_map(|mark| strip_start(rest, mark))?
        .trim_start();
    let rest = strip_blob(rest).unwrap_or(rest);
    rest.strip_prefix(':').map(str::trim_start)
}

/// `subj-blob`: brackets without brackets inside, and blanks behind them.
fn strip_blob(text: &str) -> Option<&str> {
    let inside = text.strip_prefix('[')?;
    let end = inside.find(['[', ']'])?;
    inside.get(end..)?.strip_prefix(']').map(str::trim_start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_subjects_follow_rfc_5256() {
        let cases = [
            ("hello", "hello"),
            ("Re: hello", "hello"),
            ("re:  RE:\tFwd: hello  world", "hello world"),
            ("Re [2]: hello", "hello"),
            ("[list] hello", "hello"),
            ("[list] Re: [list] hello", "hello"),
            ("[only]", "[only]"),
            ("Re: [a] [only]", "[only]"),
            ("hello (fwd) (FWD)", "hello"),
            ("[Fwd: [list] hello (fwd)]", "hello"),
            ("=?utf-8?q?Re=3A_gr=C3=BCn?=", "gr\u{fc}n"),
            ("regarding: x", "regarding: x"),
            ("Re:", ""),
            ("", ""),
        ];
        for (subject, base) in cases {
            assert_eq!(base_subject(subject.as_bytes()), base, "{subject}");
        }
    }

    #[test]
    fn a_long_subject_is_cut_between_characters() {
        let base = base_subject("\u{20ac}".repeat(1_000).as_bytes());
        assert_eq!(base.len(), BASE_SUBJECT_BYTES_MAX / 3 * 3);
    }

    #[test]
    fn many_marks_cost_no_more_than_their_length() {
        assert_eq!(base_subject("Re: ".repeat(16_000).as_bytes()), "");
        assert_eq!(base_subject("[ab]".repeat(16_000).as_bytes()), "[ab]");
    }
}
