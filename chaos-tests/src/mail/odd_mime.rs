//! Messages whose MIME structure is odd: deep, wide, unfinished, contradictory.

use super::Message;

const HEADER: &str = "From: ann@example.org\r\nTo: team@demo.test\r\nMIME-Version: 1.0\r\n";

/// All of them.
pub(super) fn messages() -> Vec<Message> {
    let parts = [sound(), deep_and_wide(), boundaries(), encodings()];
    parts.into_iter().flatten().collect()
}

/// One whose header ends with `fields`.
fn entity(name: &str, fields: &str, body: impl AsRef<str>) -> Message {
    let body = body.as_ref();
    Message::new(name, format!("{HEADER}Subject: {name}\r\n{fields}\r\n{body}"))
}

fn multipart(name: &str, subtype: &str, boundary: &str, body: impl AsRef<str>) -> Message {
    entity(
        name,
        &format!("Content-Type: multipart/{subtype}; boundary=\"{boundary}\"\r\n"),
        body,
    )
}

fn sound() -> Vec<Message> {
    let alternative = "--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nGrüße\r\n\
        --b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>Grüße</p>\r\n--b--\r\n";
    let attached = "--b\r\n\r\nSee below.\r\n--b\r\nContent-Type: image/png; name=\"a.png\"\r\n\
        Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=\"a.png\"\r\n\r\n\
        iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ\r\n--b--\r\n";
    let forwarded = "--b\r\n\r\nSee below.\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\
        Content-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\ndeepest\r\n--c--\r\n\r\n--b--\r\n";
    let report = "--b\r\n\r\nIt failed.\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n\
        Reporting-MTA: dns; x.example\r\n\r\nFinal-Recipient: rfc822; a@b\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n\
        --b\r\nContent-Type: text/rfc822-headers\r\n\r\nSubject: lost\r\n\r\n--b--\r\n";
    vec![
        multipart("alternatives", "alternative", "b", alternative),
        multipart("an attachment", "mixed", "b", attached),
        multipart("a forwarded message", "mixed", "b", forwarded),
        multipart("a delivery report", "report", "b", report),
        multipart(
            "a digest",
            "digest",
            "b",
            "--b\r\n\r\nSubject: 1\r\n\r\none\r\n--b\r\n\r\nSubject: 2\r\n\r\ntwo\r\n--b--\r\n",
        ),
        multipart(
            "text around the parts",
            "mixed",
            "b",
            "before\r\n--b\r\n\r\nx\r\n--b--\r\nafter\r\n",
        ),
        entity(
            "flowed text",
            "Content-Type: text/plain; format=flowed; delsp=yes\r\n",
            "a \r\nb \r\n> c\r\n",
        ),
    ]
}

fn deep_and_wide() -> Vec<Message> {
    let nested = |depth: usize| {
        let mut body = String::new();
        for level in 0..depth {
            body.push_str(&format!(
                "--b{level}\r\nContent-Type: multipart/mixed; boundary=b{}\r\n\r\n",
                level + 1
            ));
        }
        body.push_str(&format!("--b{depth}\r\n\r\ndeepest\r\n"));
        (0..=depth)
            .rev()
            .for_each(|level| body.push_str(&format!("--b{level}--\r\n")));
        body
    };
    let messages_in_messages = |depth: usize| "Content-Type: message/rfc822\r\n\r\n".repeat(depth);
    let many = |count: usize| {
        let parts: String = (0..count)
            .map(|number| format!("--b\r\n\r\npart {number}\r\n"))
            .collect();
        format!("{parts}--b--\r\n")
    };
    vec![
        multipart("parts ten deep", "mixed", "b0", nested(10)),
        multipart("parts a hundred deep", "mixed", "b0", nested(100)),
        multipart("parts two thousand deep", "mixed", "b0", nested(2_000)),
        entity("messages ten deep", "", "").with(&messages_in_messages(10)),
        entity("messages a thousand deep", "", "").with(&messages_in_messages(1_000)),
        multipart("three thousand parts", "mixed", "b", many(3_000)),
        multipart("ten thousand empty parts", "mixed", "b", "--b\r\n".repeat(10_000)),
    ]
}

impl Message {
    /// With `fields` in front.
    fn with(mut self, fields: &str) -> Self {
        self.bytes.splice(0..0, fields.bytes());
        self
    }
}

fn boundaries() -> Vec<Message> {
    let long = "q".repeat(200);
    vec![
        multipart(
            "the last delimiter is missing",
            "mixed",
            "b",
            "--b\r\n\r\none\r\n--b\r\n\r\ntwo\r\n",
        ),
        multipart("the last delimiter has no end", "mixed", "b", "--b\r\n\r\none\r\n--b--"),
        multipart("cut off in a delimiter", "mixed", "b", "--b\r\n\r\none\r\n--"),
        multipart(
            "cut off in the header of a part",
            "mixed",
            "b",
            "--b\r\nContent-Type: text/pl",
        ),
        multipart("the first delimiter is missing", "mixed", "b", "one\r\n"),
        multipart("no delimiter of its own", "mixed", "b", "--a\r\n\r\none\r\n--a--\r\n"),
        multipart(
            "a delimiter that begins another",
            "mixed",
            "b",
            "--b\r\n\r\none\r\n--bb\r\n\r\ntwo\r\n--b--\r\n",
        ),
        multipart(
            "a delimiter with blanks",
            "mixed",
            "b",
            "--b \t \r\n\r\none\r\n--b-- \t\r\n",
        ),
        multipart(
            "a boundary too long",
            "mixed",
            &long,
            format!("--{long}\r\n\r\none\r\n--{long}--\r\n"),
        ),
        multipart("an empty boundary", "mixed", "", "--\r\n\r\none\r\n----\r\n"),
        multipart("a boundary of dots", "mixed", "..", "--..\r\n\r\n.\r\n..\r\n--..--\r\n"),
        multipart("a boundary of dashes", "mixed", "--", "----\r\n\r\none\r\n------\r\n"),
        multipart(
            "one boundary for two levels",
            "mixed",
            "b",
            "--b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n--b--\r\n",
        ),
        entity(
            "no boundary at all",
            "Content-Type: multipart/mixed\r\n",
            "--b\r\n\r\none\r\n--b--\r\n",
        ),
        entity(
            "two boundaries",
            "Content-Type: multipart/mixed; boundary=a; boundary=b\r\n",
            "--a\r\n\r\n1\r\n--b\r\n\r\n2\r\n--a--\r\n",
        ),
        entity(
            "two content types",
            "Content-Type: text/plain\r\nContent-Type: multipart/mixed; boundary=b\r\n",
            "--b\r\n\r\none\r\n--b--\r\n",
        ),
        entity(
            "a message in a message that is not there",
            "Content-Type: message/rfc822\r\n",
            "",
        ),
    ]
}

fn encodings() -> Vec<Message> {
    let encoded = |encoding: &str| format!("Content-Transfer-Encoding: {encoding}\r\n");
    vec![
        entity(
            "base64 that is broken",
            &encoded("base64"),
            "SGVsbG8!!!\r\n===\r\nA\r\n",
        ),
        entity(
            "base64 in one line",
            &encoded("base64"),
            format!("{}\r\n", "QUJD".repeat(30_000)),
        ),
        entity(
            "quoted-printable cut short",
            &encoded("quoted-printable"),
            "a=\r\nb=4\r\n=ZZ =C3=\r\n=",
        ),
        entity(
            "quoted-printable with blanks",
            &encoded("Quoted-Printable"),
            "a=20 \t\r\nb = \r\nc\r\n",
        ),
        entity(
            "an encoding that nobody knows",
            &encoded("x-uuencode"),
            "begin 644 a\r\n#86)C\r\n`\r\nend\r\n",
        ),
        entity("two encodings", &(encoded("base64") + &encoded("8bit")), "QUJD\r\n"),
        entity("an encoding with a comment", &encoded("base64 (really)"), "QUJD\r\n"),
        entity("a content type that is none", "Content-Type: ;;;=\"\"/\r\n", "x\r\n"),
        entity(
            "a content type of quotes",
            "Content-Type: \"text/plain\"; charset=\"\\\"\r\n",
            "x\r\n",
        ),
        entity(
            "a charset that nobody knows",
            "Content-Type: text/plain; charset=klingon\r\n",
            "x\r\n",
        ),
        entity(
            "a file name in pieces",
            "Content-Disposition: attachment; filename*0*=utf-8''%e4; filename*2=x\r\n",
            "x\r\n",
        ),
        entity(
            "a file name with a path",
            "Content-Disposition: attachment; filename=\"../../etc/passwd\"\r\n",
            "x\r\n",
        ),
    ]
}
