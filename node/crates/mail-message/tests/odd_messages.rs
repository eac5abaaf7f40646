//! Odd and damaged messages and what becomes of them.

mod support;

use mail_message::{SectionText, Structure};
use support::{check, outline, section};

const MIXED: &str = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";

fn part<'a>(structure: &Structure, message: &'a str, index: usize) -> (&'a str, &'a str) {
    let at = |range: std::ops::Range<u64>| &message[range.start as usize..range.end as usize];
    let header = structure.header_range(index, 0).expect("part");
    (at(header), at(structure.body_range(index, 0).expect("part")))
}

#[test]
fn every_message_has_a_structure() {
    let cases: [(&str, &str); 34] = [
        ("", "text/plain"),
        ("\r\n", "text/plain"),
        ("\n", "text/plain"),
        ("\r", "text/plain"),
        ("no header at all", "text/plain"),
        ("a: b\n\nbare line feeds\n", "text/plain"),
        ("Content-Type: text/html\r\n\r\n", "text/html"),
        ("content-TYPE : TEXT/HTML\r\n\r\n", "text/html"),
        ("Content-Type:\r\n text/\r\n\thtml\r\n\r\n", "text/html"),
        (
            "Content-Type: text/html\r\nContent-Type: image/png\r\n\r\n",
            "text/html",
        ),
        (
            "Content-Type: nonsense\r\nContent-Type: image/png\r\n\r\n",
            "text/plain",
        ),
        ("Content-Type: image/png", "image/png"),
        ("Content-Type: multipart/mixed\r\n\r\nno boundary", "text/plain"),
        (
            "Content-Type: multipart/mixed; boundary=\"\"\r\n\r\n--\r\n\r\nx",
            "text/plain",
        ),
        ("Content-Type: multipart/mixed; boundary=b\r\n\r\nno part", "text/plain"),
        (
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b--\r\n",
            "text/plain",
        ),
        (
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b",
            "multipart/mixed(text/plain)",
        ),
        (
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx",
            "multipart/mixed(text/plain)",
        ),
        (
            "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--b\n\ny\n--b--\n",
            "multipart/mixed(text/plain text/plain)",
        ),
        (
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b \t\r\n\r\nx\r\n--b-- \r\n--b\r\n\r\n",
            "multipart/mixed(text/plain)",
        ),
        (
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n--b\r\n--b--",
            "multipart/mixed(text/plain text/plain)",
        ),
        ("Content-Type: multipart/mixed; boundary=b\r\n--b\r\n\r\n", "text/plain"),
        (
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n--bc\r\n\r\n--b x\r\n",
            "text/plain",
        ),
        (
            "Content-Type: multipart/mixed; boundary=\"b c\"\r\n\r\n--b c\r\nContent-Type: a/b\r\n\r\n",
            "multipart/mixed(a/b)",
        ),
        (
            "Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\nSubject: x\r\n\r\ny\r\n--b\r\nContent-Type: text/plain\r\n\r\n--b--",
            "multipart/digest(message/rfc822(text/plain) text/plain)",
        ),
        (
            "Content-Type: message/rfc822\r\n\r\nContent-Type: message/rfc822\r\n\r\nContent-Type: a/b\r\n\r\n",
            "message/rfc822(message/rfc822(a/b))",
        ),
        ("Content-Type: message/rfc822", "message/rfc822(text/plain)"),
        ("Content-Type: message/rfc822\r\n\r\n", "message/rfc822(text/plain)"),
        (
            "Content-Type: message/delivery-status\r\n\r\nx: y",
            "message/delivery-status",
        ),
        // An inner multipart that is never closed ends with the outer one.
        (
            "Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\nContent-Type: multipart/mixed; boundary=i\r\n\r\n--i\r\n\r\nx\r\n--o\r\nContent-Type: a/b\r\n\r\ny\r\n--o--\r\n",
            "multipart/mixed(multipart/mixed(text/plain) a/b)",
        ),
        // The same boundary inside: the innermost takes the delimiter.
        (
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n--b--\r\n",
            "multipart/mixed(multipart/mixed(text/plain))",
        ),
        // One boundary is the start of the other.
        (
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: multipart/mixed; boundary=bb\r\n\r\n--bb\r\n\r\nx\r\n--bb--\r\n--b\r\n\r\n--b--\r\n",
            "multipart/mixed(multipart/mixed(text/plain) text/plain)",
        ),
        (
            "Content-Type: multipart/mixed; boundary=b--\r\n\r\n--b--\r\n\r\nx\r\n--b----\r\n",
            "multipart/mixed(text/plain)",
        ),
        ("\0\0: \0\r\nContent-Type: text/\0\r\n\r\n\0", "text/\0"),
    ];
    for (message, expected) in cases {
        assert_eq!(
            outline(&check(message.as_bytes())),
            expected,
            "{}",
            message.escape_debug()
        );
    }
}

#[test]
fn the_line_end_before_a_delimiter_belongs_to_it() {
    for (body, expected) in [
        ("x\r\n", "x"),
        ("x\n", "x"),
        ("x\r\n\r\n", "x\r\n"),
        ("\r\n", ""),
        ("", ""),
    ] {
        let message = format!("{MIXED}--b\r\n\r\n{body}--b--\r\n");
        let structure = check(message.as_bytes());
        assert_eq!(
            part(&structure, &message, 1),
            ("\r\n", expected),
            "{}",
            body.escape_debug()
        );
    }
}

#[test]
fn a_last_delimiter_without_line_end_is_a_line_of_the_body_around_it() {
    for (message, lines) in [
        (format!("{MIXED}--b--"), 1),
        (format!("{MIXED}\r\n--b--"), 2),
        (format!("{MIXED}\r\n--b--\r\n"), 2),
        (
            format!("Content-Type: message/rfc822\r\n\r\n{MIXED}--b\r\n\r\nx\r\n--b--"),
            6,
        ),
    ] {
        let structure = check(message.as_bytes());
        assert_eq!(structure.parts[0].body_lines, lines, "{message}");
    }
}

#[test]
fn a_delimiter_ends_a_header_too() {
    let message = format!("{MIXED}--b\r\nContent-Type: a/b\r\n--b\r\nContent-Type: message/rfc822\r\n--b--\r\n");
    let structure = check(message.as_bytes());
    assert_eq!(outline(&structure), "multipart/mixed(a/b message/rfc822(text/plain))");
    assert_eq!(part(&structure, &message, 1), ("Content-Type: a/b", ""));
    assert_eq!(part(&structure, &message, 3), ("", ""));
}

#[test]
fn an_epilogue_belongs_to_its_multipart_and_to_no_part() {
    let message = format!(
        "Content-Type: multipart/mixed; boundary=o\r\n\r\npre\r\n--o\r\n{MIXED}--b\r\n\r\nx\r\n--b--\r\nepi\r\n--o--\r\nend"
    );
    let structure = check(message.as_bytes());
    assert_eq!(part(&structure, &message, 1).1, "--b\r\n\r\nx\r\n--b--\r\nepi");
    assert_eq!(part(&structure, &message, 2).1, "x");
    assert!(part(&structure, &message, 0).1.ends_with("--o--\r\nend"));
}

#[test]
fn bare_carriage_returns_end_nothing() {
    let message = "Subject: a\rb\r\r\n\r\rc\r\n\r\nbody\r";
    let structure = check(message.as_bytes());
    assert_eq!(part(&structure, message, 0).1, "body\r");
    let subject = structure
        .envelope()
        .and_then(|envelope| envelope.subject.clone())
        .expect("subject");
    assert_eq!(&*subject, b"a\rb");
}

#[test]
fn sections_answer_as_rfc_3501_numbers_them() {
    // The example of RFC 3501 6.4.5, with a message of one part as part 3.
    let message = "Subject: top\r\nTo: you\r\nContent-Type: multipart/mixed; boundary=m\r\n\r\n--m\r\n\r\none\r\n--m\r\n\
        Content-Type: application/x\r\n\r\ntwo\r\n--m\r\nContent-Type: message/rfc822\r\nX: mime\r\n\r\n\
        Subject: three\r\n\r\nsingle\r\n--m\r\nContent-Type: message/rfc822\r\n\r\nSubject: four\r\n\
        Content-Type: multipart/mixed; boundary=n\r\n\r\n--n\r\nContent-Type: image/gif\r\n\r\n4.1\r\n--n\r\n\r\n4.2\r\n\
        --n--\r\n--m--\r\n";
    let structure = check(message.as_bytes());
    let get = |path: &[u32], text| {
        section(&structure, message.as_bytes(), 0, path, text).map(|bytes| String::from_utf8(bytes).expect("ASCII"))
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(get(&[1], SectionText::Whole), some("one"));
    assert_eq!(get(&[2], SectionText::Whole), some("two"));
    assert_eq!(
        get(&[2], SectionText::Mime),
        some("Content-Type: application/x\r\n\r\n")
    );
    assert_eq!(get(&[3], SectionText::Whole), some("Subject: three\r\n\r\nsingle"));
    assert_eq!(
        get(&[3], SectionText::Mime),
        some("Content-Type: message/rfc822\r\nX: mime\r\n\r\n")
    );
    assert_eq!(get(&[3], SectionText::Header), some("Subject: three\r\n\r\n"));
    assert_eq!(get(&[3], SectionText::Text), some("single"));
    assert_eq!(get(&[3, 1], SectionText::Whole), some("single"));
    assert_eq!(get(&[3, 2], SectionText::Whole), None);
    assert_eq!(get(&[4, 1], SectionText::Mime), some("Content-Type: image/gif\r\n\r\n"));
    assert_eq!(get(&[4, 2], SectionText::Whole), some("4.2"));
    let names = vec![b"subject".to_vec()];
    assert_eq!(
        get(&[4], SectionText::HeaderFields(names.clone())),
        some("Subject: four\r\n\r\n")
    );
    assert_eq!(
        get(&[], SectionText::HeaderFields(names.clone())),
        some("Subject: top\r\n\r\n")
    );
    assert_eq!(
        get(&[], SectionText::HeaderFieldsNot(names)),
        some("To: you\r\nContent-Type: multipart/mixed; boundary=m\r\n\r\n")
    );
    for (path, text) in [
        (&[0][..], SectionText::Whole),
        (&[5], SectionText::Whole),
        (&[1, 1], SectionText::Whole),
        (&[1], SectionText::Header),
        (&[1], SectionText::Text),
        (&[], SectionText::Mime),
    ] {
        assert_eq!(get(path, text.clone()), None, "{path:?} {text:?}");
    }
}

#[test]
fn the_only_part_of_a_plain_message_is_part_1() {
    let message = "Subject: x\r\n\r\nbody\r\n";
    let structure = check(message.as_bytes());
    let get = |path: &[u32], text| section(&structure, message.as_bytes(), 0, path, text);
    assert_eq!(get(&[1], SectionText::Whole).as_deref(), Some(&b"body\r\n"[..]));
    assert_eq!(
        get(&[1], SectionText::Mime).as_deref(),
        Some(&b"Subject: x\r\n\r\n"[..])
    );
    assert_eq!(get(&[2], SectionText::Whole), None);
}

#[test]
fn thread_keys_date_and_base_subject_come_from_the_outer_header_alone() {
    let message = "Message-ID: < a@b >\r\nIn-Reply-To: <c@d>\r\nReferences: <e@f> <c@d>\r\nSubject: Re: [x] =?utf-8?q?=C3=A4?=\r\n\
        Date: Thu, 1 Jan 1970 01:00:00 +0100\r\nContent-Type: message/rfc822\r\n\r\nMessage-ID: <other@x>\r\n\
        Subject: other\r\n\r\n";
    let structure = check(message.as_bytes());
    let text = |raw: &mail_message::RawText| String::from_utf8_lossy(raw).into_owned();
    assert_eq!(structure.thread.message_id.as_ref().map(text).as_deref(), Some("a@b"));
    assert_eq!(
        structure.thread.in_reply_to.iter().map(text).collect::<Vec<_>>(),
        ["c@d"]
    );
    assert_eq!(
        structure.thread.references.iter().map(text).collect::<Vec<_>>(),
        ["e@f", "c@d"]
    );
    assert_eq!(structure.base_subject, "\u{e4}");
    assert_eq!(
        structure.sent.map(|sent| (sent.utc_seconds, sent.offset_minutes)),
        Some((0, 60))
    );
    let inner = structure.parts[1]
        .envelope
        .as_ref()
        .and_then(|envelope| envelope.subject.as_ref())
        .map(text);
    assert_eq!(inner.as_deref(), Some("other"));
}
