//! Messages of which each is odd in one way: line ends, dots, lengths, headers, bytes.

use super::Message;

/// A header that is like any other.
const HEADER: &str =
    "From: Ann Lee <ann@example.org>\r\nTo: team@demo.test\r\nDate: Mon, 2 Nov 2026 09:30:00 +0100\r\n";

/// All of them.
pub(super) fn messages() -> Vec<Message> {
    let parts = [
        plain(),
        ends(),
        dots(),
        lengths(),
        headers(),
        charsets(),
        hops(),
        large(),
        unfit_for_smtp(),
    ];
    parts.into_iter().flatten().collect()
}

/// One with a subject of its own, since no two are to be alike.
fn with_body(name: &str, body: impl AsRef<[u8]>) -> Message {
    let mut bytes = format!(
        "{HEADER}Subject: {name}\r\nMessage-ID: <{}@odd.example>\r\n\r\n",
        id(name)
    )
    .into_bytes();
    bytes.extend_from_slice(body.as_ref());
    Message::new(name, bytes)
}

/// One with `fields` in front of the others.
fn with_fields(name: &str, fields: impl AsRef<[u8]>) -> Message {
    let mut bytes = fields.as_ref().to_vec();
    bytes.extend_from_slice(with_body(name, "The header is what counts.\r\n").bytes.as_slice());
    Message::new(name, bytes)
}

fn id(name: &str) -> String {
    name.replace(' ', ".")
}

fn plain() -> Vec<Message> {
    vec![
        with_body("a short text", "Hello,\r\n\r\nthis is all.\r\n-- \r\nAnn\r\n"),
        with_body("a text of one word", "Yes\r\n"),
        with_body("trailing blanks", "a \r\nb\t\r\n   \r\n\t\r\nc  \r\n"),
        with_body("twenty empty lines at the end", format!("x\r\n{}", "\r\n".repeat(20))),
        with_body("twenty empty lines first", format!("{}x\r\n", "\r\n".repeat(20))),
        with_body("two thousand short lines", "x\r\n".repeat(2_000)),
        with_body(
            "words of protocols",
            "QUIT\r\nRSET\r\nDATA\r\n250 ok\r\n+OK\r\n* BYE\r\na1 OK done\r\n{5}\r\n)\r\n",
        ),
        with_body(
            "lines as mbox has them",
            "From ann Mon Nov  2 09:30:00 2026\r\n>From bob\r\n>>From cid\r\n",
        ),
        with_body(
            "percent and backslash",
            "%TO_ADDRESS% \\n \\r\\n \\0 %s %n $HOME `id` ${x}\r\n",
        ),
        with_body(
            "tokens that a client might fill in",
            "%BODY% %NEW_HEADERS% %DATE% %MESSAGEID%\r\n",
        ),
    ]
}

fn ends() -> Vec<Message> {
    let bare = HEADER.trim_end_matches("\r\n");
    vec![
        Message::new("nothing at all", ""),
        Message::new("one line end", "\r\n"),
        Message::new("two line ends", "\r\n\r\n"),
        Message::new("one byte", "x"),
        Message::new("one line", "Subject: one line\r\n"),
        Message::new("one field without line end", "Subject: no end"),
        Message::new("a header and nothing else", HEADER),
        Message::new("a header without its last line end", bare),
        Message::new("a header and the empty line", format!("{HEADER}\r\n")),
        Message::new("a body and nothing else", "\r\nThere is no header.\r\n"),
        Message::new(
            "a text that is no header",
            "There is no header,\r\nand no empty line.\r\n",
        ),
        Message::new("only blanks", "   \r\n\t\r\n"),
        with_body("no line end last", "The last line has no end."),
        with_body("no line end after a dot", "The last line is a dot\r\n."),
        with_body("no line end after blanks", "x\r\n   "),
    ]
}

fn dots() -> Vec<Message> {
    vec![
        Message::new("a dot first", ".\r\n"),
        Message::new("a dot before the header", format!(".{HEADER}\r\nx\r\n")),
        Message::new("two dots and nothing else", "..\r\n"),
        with_body("a dot alone", "before\r\n.\r\nafter\r\n"),
        with_body("a dot first in the body", ".\r\nafter\r\n"),
        with_body("a dot last", "before\r\n.\r\n"),
        with_body("dots alone", ".\r\n..\r\n...\r\n....\r\n"),
        with_body("lines that begin with dots", ".a\r\n..b\r\n...c\r\n. d\r\n.\td\r\n"),
        with_body("a thousand dots alone", ".\r\n".repeat(1_000)),
        with_body("a line of a thousand dots", format!("{}\r\n", ".".repeat(1_000))),
        with_body(
            "a dot and a command",
            "x\r\n.\r\nMAIL FROM:<ann@example.org>\r\n.\r\nQUIT\r\n",
        ),
    ]
}

/// Lines around every length that some program thinks of, in the body and in the header.
fn lengths() -> Vec<Message> {
    let mut messages = Vec::new();
    for length in [
        76, 78, 79, 510, 512, 990, 997, 998, 999, 1_000, 1_001, 1_024, 2_046, 2_048, 4_096, 8_190, 8_192, 16_384,
    ] {
        let line = "0123456789abcdef ".repeat(length / 17 + 1);
        let line = &line[..length];
        messages.push(with_body(
            &format!("a line of {length} octets"),
            format!("{line}\r\nx\r\n{line}\r\n"),
        ));
    }
    for length in [65_535, 65_536, 65_537, 262_143, 262_144, 1 << 20] {
        let line = "x".repeat(length);
        messages.push(with_body(
            &format!("a line of {length} octets"),
            format!("{line}\r\nthen\r\n"),
        ));
    }
    for length in [998, 999, 5_000, 70_000] {
        let field = format!("X-Long: {}\r\n", "y".repeat(length));
        messages.push(with_fields(&format!("a field of {length} octets"), field));
    }
    messages.push(with_body("a long line without end", "z".repeat(100_000)));
    messages
}

fn headers() -> Vec<Message> {
    let folds = format!("X-Folded: a{}\r\n", "\r\n b".repeat(2_000));
    let many: String = (0..5_000)
        .map(|number| format!("X-Number-{number}: {number}\r\n"))
        .collect();
    let people: String = (0..800)
        .map(|number| format!(",\r\n Person {number} <p{number}@example.org>"))
        .collect();
    let references: String = (0..500)
        .map(|number| format!("\r\n <{number}.{number}@example.org>"))
        .collect();
    vec![
        with_fields(
            "five subjects",
            "Subject: 1\r\nSubject: 2\r\nSUBJECT: 3\r\nsubject: 4\r\nSubject:\r\n",
        ),
        with_fields(
            "three message ids",
            "Message-ID: <a@b>\r\nMessage-Id: <c@d>\r\nMESSAGE-ID: no brackets\r\n",
        ),
        with_fields(
            "two senders",
            "From: Bob <bob@example.org>\r\nSender: <>\r\nFrom: cid\r\n",
        ),
        with_fields(
            "return paths of before",
            "Return-Path: <old@example.org>\r\nReturn-Path: <>\r\n",
        ),
        with_fields(
            "delivered to others before",
            "Delivered-To: eve@example.org\r\nX-Original-To: eve\r\n",
        ),
        with_fields("a field of two thousand lines", folds),
        with_fields("five thousand fields", many),
        with_fields(
            "eight hundred recipients",
            format!("Cc: Zoe <zoe@example.org>{people}\r\n"),
        ),
        with_fields("five hundred references", format!("References:{references}\r\n")),
        with_fields("a field without colon", "This line has no colon\r\n"),
        with_fields("a field without name", ": no name\r\n"),
        with_fields("a name with a blank", "X Y: z\r\nSubject : blank before the colon\r\n"),
        with_fields("a fold first", " folded before anything\r\n\tand again\r\n"),
        with_fields("folds of nothing", "X-Empty:\r\n \r\n\t\r\n  \r\n"),
        with_fields(
            "an mbox line first",
            "From ann@example.org Mon Nov  2 09:30:00 2026\r\n",
        ),
        with_fields(
            "an mbox line quoted",
            ">From ann@example.org Mon Nov  2 09:30:00 2026\r\n",
        ),
        with_fields("comments that do not end", "From: (((((a <a@b>\r\nDate: Mon (((\r\n"),
        with_fields(
            "comments in comments",
            format!("X-C: {}x{}\r\n", "(".repeat(300), ")".repeat(300)),
        ),
        with_fields(
            "quotes that do not end",
            "To: \"Ann <ann@example.org>\r\nCc: \"\\\"\r\n",
        ),
        with_fields(
            "addresses that are none",
            "To: @, <>, <<a@b>>, a@@b, \"\"@x, undisclosed-recipients:;\r\n",
        ),
        with_fields(
            "a group of addresses",
            "To: Friends: Ann <a@b>, \"B, C\" <c@d>;, e@f\r\n",
        ),
        with_fields("a source route", "To: <@a,@b:ann@example.org>\r\n"),
        with_fields(
            "dates that are none",
            "Date: yesterday\r\nDate: Fri, 31 Feb 2026 25:61:61 +9999\r\nDate:\r\n",
        ),
        with_fields("a date before 1970", "Date: Thu, 1 Jan 1925 00:00:00 -0000\r\n"),
        with_fields("a date with two digits", "Date: 1 Jan 70 00:00 EST\r\n"),
        with_fields(
            "control characters",
            b"X-Control: \x01\x02\x08\x0b\x0c\x1a\x1b[31m\x7f\r\n",
        ),
    ]
}

fn charsets() -> Vec<Message> {
    let every_byte: Vec<u8> = (0..=255).filter(|byte| !matches!(byte, 0 | b'\r' | b'\n')).collect();
    let mut body = every_byte.clone();
    body.extend_from_slice(b"\r\n");
    let mut field = b"X-Bytes: ".to_vec();
    field.extend(every_byte.iter().filter(|byte| **byte >= 0x80));
    field.extend_from_slice(b"\r\n");
    vec![
        with_fields(
            "utf-8 in the header",
            "Subject: Grüße, 世界 🌍\r\nFrom: Jürgen <jürgen@exämple.org>\r\n",
        ),
        with_fields(
            "latin 1 in the header",
            b"Subject: Gr\xfc\xdfe\r\nTo: J\xfcrgen <j@example.org>\r\n",
        ),
        with_fields("utf-8 cut short", b"Subject: \xf0\x9f\x8c\r\nX: \xc3\r\n\xc3: x\r\n"),
        with_fields("every byte above ascii in a field", field),
        with_fields("a byte order mark first", b"\xef\xbb\xbfSubject: marked\r\n"),
        with_fields(
            "encoded words",
            "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= =?iso-8859-1?b?R3L832U=?=\r\n",
        ),
        with_fields(
            "encoded words that are broken",
            "Subject: =?utf-8?q?a?= =?x-none?b?!!?= =?utf-8?q?=ZZ?= =?\r\n",
        ),
        with_fields(
            "parameters in pieces",
            "X-P: a; n*0*=utf-8'de'%C3%BC; n*1=\"b\"; n*3=c; n*0=d\r\n",
        ),
        with_body("every byte that smtp carries", body),
        with_body("utf-8 in the body", "Grüße, 世界 🌍\r\n"),
        with_body("utf-16 without nuls", b"\xff\xfe\x16\x4e\x4c\x75\r\n"),
        with_body("shift jis", b"\x83\x65\x83\x58\x83\x67 \x1b$B%F%9%H\x1b(B\r\n"),
        with_body("an end of file character", "before\r\n\x1a\r\nafter\r\n"),
        with_body("form feeds and vertical tabs", "a\x0cb\x0bc\x08d\r\n\x0c\r\n"),
    ]
}

/// At the bound on Received fields, on both sides of it.
fn hops() -> Vec<Message> {
    let field = |number| {
        format!("Received: from a{number}.example by b{number}.example;\r\n\tMon, 2 Nov 2026 09:30:00 +0100\r\n")
    };
    let fields = |count| (0..count).map(field).collect::<String>();
    let others = "X-Received: by nobody\r\n".repeat(3_000);
    vec![
        with_fields("forty-nine hops", fields(49)),
        with_fields("fifty hops", fields(50)),
        with_fields("fifty-one hops", fields(51)),
        with_fields("three thousand hops", fields(3_000)),
        with_fields("fifty-one hops in capitals", fields(51).replace("Received", "RECEIVED")),
        with_fields("fields that are almost hops", others),
        with_body("three thousand hops in the body", fields(3_000)),
    ]
}

fn large() -> Vec<Message> {
    // Not to be compressed: as base64 of pictures is.
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        u8::try_from(state >> 56).expect("one byte")
    };
    let mut base64 = |lines: usize| {
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut text = Vec::with_capacity(lines * 78);
        for _ in 0..lines {
            text.extend((0..76).map(|_| alphabet[usize::from(next() & 63)]));
            text.extend_from_slice(b"\r\n");
        }
        text
    };
    vec![
        with_body("a quarter of a megabyte", base64(3_361)),
        with_body("one megabyte", base64(13_500)),
        with_body("three megabytes", base64(40_400)),
        with_body("six megabytes", base64(80_700)),
        with_body("two megabytes of nothing", " \r\n".repeat(700_000)),
    ]
}

/// What SMTP may not carry.
fn unfit_for_smtp() -> Vec<Message> {
    let unix = String::from_utf8(with_body("lines as unix has them", "one\r\ntwo\r\n").bytes).expect("a text");
    let mac = unix.replace("as unix", "as a mac of 1984").replace("\r\n", "\r");
    vec![
        Message::new("lines as unix has them", unix.replace("\r\n", "\n")),
        Message::new("lines as a mac of 1984 has them", mac),
        Message::new("one line feed", "\n"),
        Message::new("one carriage return", "\r"),
        with_body("a bare line feed", "one\ntwo\r\n"),
        with_body("a bare carriage return", "one\rtwo\r\n"),
        with_body("two carriage returns", "one\r\r\ntwo\r\n"),
        with_body("a line feed and a carriage return", "one\n\rtwo\r\n"),
        with_body("a line feed last", "one\n"),
        with_body("a carriage return last", "one\r"),
        with_body("smuggled by line feeds", "x\n.\nMAIL FROM:<eve@example.org>\nDATA\n"),
        with_body(
            "smuggled by a line feed first",
            "x\n.\r\nMAIL FROM:<eve@example.org>\r\n",
        ),
        with_body(
            "smuggled by a line feed last",
            "x\r\n.\nMAIL FROM:<eve@example.org>\r\n",
        ),
        with_body("smuggled by carriage returns", "x\r.\rMAIL FROM:<eve@example.org>\r\n"),
        with_body(
            "smuggled by a carriage return last",
            "x\r\n.\rMAIL FROM:<eve@example.org>\r\n",
        ),
        with_body("dots behind bare line ends", "a\n.b\r.c\r\n.d\n..e\r..f\r\n"),
        with_fields("a bare line feed in the header", "X-A: a\nX-B: b\r\n"),
        with_fields("a bare carriage return in the header", "X-A: a\rX-B: b\r\n"),
        with_body("a nul in the body", "a\0b\r\n"),
        with_fields("a nul in the header", "X-Nul: a\0b\r\n"),
        Message::new("one nul", "\0"),
        with_body("a thousand nuls", "\0".repeat(1_000)),
        with_body(
            "a nul behind a megabyte",
            format!("{}\0\r\n", "0123456789\r\n".repeat(90_000)),
        ),
    ]
}
