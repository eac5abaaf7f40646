//! FETCH of envelopes, structures and sections.

use super::harness::{Client, node_and_client};
use crate::testing::TestNode;

const MESSAGE: &str = "From: Ann <ann@example.org>\r\nTo: bob@example.org\r\nSubject: parts\r\nDate: Thu, 1 Jan 2026 10:00:00 +0000\r\n\
    Message-ID: <1@x>\r\nX-Folded: one\r\n two\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\npre\r\n\
    --b\r\nContent-Type: text/plain\r\n\r\nhello\r\n\
    --b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\nFrom: c@d\r\n\r\ninside\r\n\
    --b--\r\n";

async fn mailbox() -> (TestNode, Client) {
    let (node, mut client) = node_and_client().await;
    client.append("INBOX (\\Seen)", MESSAGE.as_bytes()).await;
    (node, client)
}

#[tokio::test]
async fn envelope_and_structure_have_their_form() {
    let (_node, mut client) = mailbox().await;
    client
        .run(
            r#"C: a FETCH 1 ENVELOPE
               S: * 1 FETCH (ENVELOPE ("Thu, 1 Jan 2026 10:00:00 +0000" "parts" (("Ann" NIL "ann" "example.org")) (("Ann" NIL "ann" "example.org")) (("Ann" NIL "ann" "example.org")) ((NIL NIL "bob" "example.org")) NIL NIL NIL "<1@x>"))
               S: a OK that is all
               C: b FETCH 1 BODY
               S: * 1 FETCH (BODY (("text" "plain" NIL NIL NIL "7BIT" 5 1)("message" "rfc822" NIL NIL NIL "7BIT" 35 (NIL "inner" ((NIL NIL "c" "d")) ((NIL NIL "c" "d")) ((NIL NIL "c" "d")) NIL NIL NIL NIL NIL) ("text" "plain" …) 4) "mixed"))
               S: b OK that is all
               C: c FETCH 1 (UID BODYSTRUCTURE)
               S: * 1 FETCH (UID 1 BODYSTRUCTURE ((…) "mixed" ("boundary" "b") NIL NIL NIL))
               S: c OK that is all
               C: d FETCH 1 FULL
               S: * 1 FETCH (FLAGS (\Seen \Recent) INTERNALDATE "…" RFC822.SIZE 334 ENVELOPE (…) BODY (…))
               S: d OK that is all
               C: e FETCH 1 FAST
               S: * 1 FETCH (FLAGS (\Seen \Recent) INTERNALDATE "…" RFC822.SIZE 334)
               S: e OK that is all"#,
        )
        .await;
}

#[tokio::test]
async fn sections_are_octets_of_the_message() {
    let (_node, mut client) = mailbox().await;
    let header = MESSAGE.split_inclusive("\r\n\r\n").next().unwrap();
    let cases = [
        ("BODY.PEEK[]", MESSAGE),
        ("RFC822", MESSAGE),
        ("BODY[HEADER]", header),
        ("RFC822.HEADER", header),
        ("BODY[TEXT]", &MESSAGE[header.len()..]),
        ("RFC822.TEXT", &MESSAGE[header.len()..]),
        ("BODY[1]", "hello"),
        ("BODY[1.MIME]", "Content-Type: text/plain\r\n\r\n"),
        ("BODY[2]", "Subject: inner\r\nFrom: c@d\r\n\r\ninside"),
        ("BODY[2.HEADER]", "Subject: inner\r\nFrom: c@d\r\n\r\n"),
        ("BODY[2.TEXT]", "inside"),
        ("BODY[2.1]", "inside"),
        ("BODY[2.HEADER.FIELDS (From)]", "From: c@d\r\n\r\n"),
        (
            "BODY[HEADER.FIELDS (x-folded SUBJECT)]",
            "Subject: parts\r\nX-Folded: one\r\n two\r\n\r\n",
        ),
        ("BODY[HEADER.FIELDS (Nothing)]", "\r\n"),
        ("BODY[HEADER.FIELDS (Subject)]<4.6>", "ect: p"),
        ("BODY[HEADER.FIELDS (Subject)]<100.6>", ""),
        ("BODY[1]<1.3>", "ell"),
        ("BODY[1]<4.100>", "o"),
        ("BODY[1]<5.1>", ""),
    ];
    for (item, expected) in cases {
        let octets = client.fetch_literal(1, item).await;
        assert_eq!(String::from_utf8_lossy(&octets), expected, "{item}");
    }
    let not = client
        .fetch_literal(1, "BODY[HEADER.FIELDS.NOT (from to subject date message-id x-folded)]")
        .await;
    assert_eq!(
        String::from_utf8_lossy(&not),
        "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    );
}

#[tokio::test]
async fn sections_are_called_what_the_client_called_them() {
    let (_node, mut client) = mailbox().await;
    client
        .run(
            "C: a FETCH 1 (BODY.PEEK[1]<0.2> BODY[9] BODY[1.HEADER] RFC822.TEXT UID)
             S: * 1 FETCH (BODY[1]<0> {2}
             S: he BODY[9] NIL BODY[1.HEADER] NIL RFC822.TEXT {126}
             S# 12
             S: --b--
             S:  UID 1)
             S: a OK that is all
             C: b FETCH 1 BODY[HEADER.FIELDS (\"Subject\" to)]
             S: * 1 FETCH (BODY[HEADER.FIELDS (Subject to)] {…}
             S: To: bob@example.org
             S: Subject: parts
             S:
             S: )
             S: b OK that is all",
        )
        .await;
}

#[tokio::test]
async fn m8_fetch_of_a_body_sets_seen_once_and_peek_does_not() {
    let (_node, mut client) = node_and_client().await;
    for text in ["1", "2", "3"] {
        client
            .append("INBOX", format!("Subject: {text}\r\n\r\n{text}").as_bytes())
            .await;
    }
    client
        .run(
            r#"C: a FETCH 1:2 BODY.PEEK[TEXT]
               S: * 1 FETCH (BODY[TEXT] {1}
               S: 1)
               S: * 2 FETCH (BODY[TEXT] {1}
               S: 2)
               S: a OK that is all
               C: b FETCH 1:2 BODY[TEXT]
               S: * 1 FETCH (BODY[TEXT] {1}
               S: 1)
               S: * 2 FETCH (BODY[TEXT] {1}
               S: 2)
               S: * 1 FETCH (FLAGS (\Seen \Recent))
               S: * 2 FETCH (FLAGS (\Seen \Recent))
               S: b OK that is all
               C: c FETCH 1 BODY[TEXT]
               S: * 1 FETCH (BODY[TEXT] {1}
               S: 1)
               S: c OK that is all
               C: d UID FETCH 3 RFC822.TEXT
               S: * 3 FETCH (UID 3 RFC822.TEXT {1}
               S: 3)
               S: * 3 FETCH (UID 3 FLAGS (\Seen \Recent))
               S: d OK that is all"#,
        )
        .await;
}
