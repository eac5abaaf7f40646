//! SEARCH with every key of RFC 3501.

use super::harness::{Client, node_and_client};
use crate::testing::TestNode;

/// Five messages:
///
/// | UID | flags | INTERNALDATE | Date | size |
/// |---|---|---|---|---|
/// | 1 | Seen | 1 Feb 2026 | 1 Jan 2026 | small |
/// | 2 | Answered, Flagged | 2 Feb 2026 | 2 Jan 2026 23:30 -0700 | small |
/// | 3 | Deleted, $Work | 3 Feb 2026 | none | multipart, base64 text |
/// | 4 | Draft | 4 Feb 2026 | 4 Jan 2026 | over 2,000 octets |
/// | 5 | none | 5 Feb 2026 | 5 Jan 2026 | encoded words |
async fn mailbox() -> (TestNode, Client) {
    let (node, mut client) = node_and_client().await;
    let large = format!(
        "Subject: large\r\nDate: 4 Jan 2026 10:00:00 +0000\r\n\r\n{}",
        "line\r\n".repeat(400)
    );
    let messages = [
        (
            r"(\Seen) 1",
            "From: Ann Other <ann@example.org>\r\nTo: bob@example.org\r\nCc: carol@example.com\r\n\
             Subject: Lunch on Friday\r\nMessage-ID: <1@x>\r\nDate: Thu, 1 Jan 2026 10:00:00 +0000\r\n\r\nsoup and bread\r\n",
        ),
        (
            r"(\Answered \Flagged) 2",
            "From: bob@example.org\r\nTo: ann@example.org\r\nBcc: hidden@example.net\r\nSubject: Re: Lunch\r\n\
             X-Flavor: Sour\r\nX-Flavor: sweet\r\nDate: 2 Jan 2026 23:30:00 -0700\r\n\r\nno soup\r\n",
        ),
        (
            r"(\Deleted $Work) 3",
            "From: carol@example.com\r\nSubject: parts\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\npreamble\r\n\
             --b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\nS8OkZSB1bmQgU3VwcGU=\r\n\
             --b\r\nContent-Type: application/octet-stream; name=bread.bin\r\n\r\nbinary\r\n--b--\r\n",
        ),
        (r"(\Draft) 4", large.as_str()),
        (
            "() 5",
            "From: =?utf-8?q?J=C3=BCrgen?= <juergen@example.de>\r\nSubject: =?iso-8859-1?q?Gr=FC=DFe?=\r\n\
             Date: Mon, 5 Jan 2026 00:30:00 +1400\r\n\r\nText\r\n",
        ),
    ];
    for (head, message) in messages {
        let (flags, day) = head.rsplit_once(' ').unwrap();
        let mailbox = format!("INBOX {flags} \" {day}-Feb-2026 12:00:00 +0000\"");
        assert!(client.append(&mailbox, message.as_bytes()).await.starts_with("tag OK"));
    }
    client.command("NOOP").await;
    (node, client)
}

/// Runs searches: key, and the UIDs that it finds.
async fn finds(client: &mut Client, searches: &[(&str, &str)]) {
    for (key, expected) in searches {
        let lines = client.command(&format!("SEARCH {key}")).await;
        let expected = format!("* SEARCH {expected}");
        assert_eq!(lines[0], expected.trim_end(), "{key}");
        let by_uid = client.command(&format!("UID SEARCH {key}")).await;
        assert_eq!(by_uid[0], lines[0], "UID SEARCH {key}");
    }
}

#[tokio::test]
async fn flags_and_numbers_are_searched_in_the_view() {
    let (_node, mut client) = mailbox().await;
    finds(
        &mut client,
        &[
            ("ALL", "1 2 3 4 5"),
            ("SEEN", "1"),
            ("UNSEEN", "2 3 4 5"),
            ("ANSWERED", "2"),
            ("UNANSWERED", "1 3 4 5"),
            ("FLAGGED", "2"),
            ("UNFLAGGED", "1 3 4 5"),
            ("DELETED", "3"),
            ("UNDELETED", "1 2 4 5"),
            ("DRAFT", "4"),
            ("UNDRAFT", "1 2 3 5"),
            ("KEYWORD $work", "3"),
            ("UNKEYWORD $Work", "1 2 4 5"),
            ("KEYWORD $Nowhere", ""),
            ("UNKEYWORD $Nowhere", "1 2 3 4 5"),
            ("RECENT", "1 2 3 4 5"),
            ("OLD", ""),
            ("NEW", "2 3 4 5"),
            ("2:3,5", "2 3 5"),
            ("4:*", "4 5"),
            ("9:*", "5"),
            ("UID 1,3:4", "1 3 4"),
            ("UID 77", ""),
            ("NOT 2", "1 3 4 5"),
            ("OR SEEN DELETED", "1 3"),
            ("NOT (OR SEEN DELETED) UNDRAFT", "2 5"),
        ],
    )
    .await;
}

#[tokio::test]
async fn dates_and_sizes_are_searched_in_rows() {
    let (_node, mut client) = mailbox().await;
    finds(
        &mut client,
        &[
            ("BEFORE 3-Feb-2026", "1 2"),
            ("ON 3-Feb-2026", "3"),
            ("SINCE \"3-Feb-2026\"", "3 4 5"),
            ("NOT ON 3-Feb-2026", "1 2 4 5"),
            ("LARGER 2000", "4"),
            ("SMALLER 2000", "1 2 3 5"),
            ("LARGER 1000000", ""),
            ("SENTBEFORE 2-Jan-2026", "1"),
            ("SENTON 2-Jan-2026", "2"),
            ("SENTON 5-Jan-2026", "5"),
            ("SENTSINCE 2-Jan-2026", "2 4 5"),
            ("OR SENTSINCE 1-Jan-1970 SENTBEFORE 1-Jan-1970", "1 2 4 5"),
        ],
    )
    .await;
}

#[tokio::test]
async fn envelopes_and_fields_are_searched_decoded() {
    let (_node, mut client) = mailbox().await;
    finds(
        &mut client,
        &[
            ("FROM ann", "1"),
            ("FROM \"Other <ann@EXAMPLE\"", "1"),
            ("TO bob", "1"),
            ("CC carol", "1"),
            ("BCC hidden", "2"),
            ("SUBJECT lunch", "1 2"),
            ("SUBJECT \"\"", "1 2 3 4 5"),
            ("CC \"\"", "1"),
            ("HEADER Message-ID 1@x", "1"),
            ("HEADER x-flavor SWEET", "2"),
            ("HEADER X-Flavor \"\"", "2"),
            ("HEADER X-Flavor salty", ""),
            ("HEADER X-Nothing \"\"", ""),
            ("HEADER Subject friday", "1"),
            ("OR FROM bob SUBJECT large", "2 4"),
        ],
    )
    .await;
    client
        .run(
            "C: a SEARCH CHARSET UTF-8 SUBJECT {7+}
             C: GRÜSSE
             S: * SEARCH 5
             S: a OK that is all
             C: b SEARCH CHARSET UTF-8 SUBJECT {7+}
             C: Grüße
             S: * SEARCH 5
             S: b OK that is all
             C: c SEARCH CHARSET UTF-8 FROM {7+}
             C: JÜRGEN
             S: * SEARCH 5
             S: c OK that is all
             C: d SEARCH CHARSET KOI8-R ALL
             S: d NO [BADCHARSET (US-ASCII UTF-8)] …",
        )
        .await;
}

#[tokio::test]
async fn texts_are_searched_in_what_people_read() {
    let (_node, mut client) = mailbox().await;
    finds(
        &mut client,
        &[
            ("BODY soup", "1 2"),
            ("BODY SUPPE", "3"),
            ("BODY friday", ""),
            ("TEXT friday", "1"),
            ("BODY bread", "1 3"),
            ("BODY preamble", ""),
            ("BODY binary", ""),
            ("TEXT \"\"", "1 2 3 4 5"),
            ("NOT BODY soup", "3 4 5"),
            ("BODY soup SEEN", "1"),
            ("OR BODY soup HEADER Subject parts", "1 2 3"),
            ("TEXT example BODY bread NOT FLAGGED", "1 3"),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_search_has_bounds() {
    let (_node, mut client) = mailbox().await;
    let long = "x".repeat(5_000);
    let refused = client.answer(&format!("SEARCH SUBJECT {long}")).await;
    assert!(refused[0].starts_with("tag NO [LIMIT] "), "{refused:?}");
    let many = vec!["BODY x"; 65].join(" ");
    let refused = client.answer(&format!("SEARCH {many}")).await;
    assert!(refused[0].starts_with("tag NO [LIMIT] "), "{refused:?}");
    let lines = client
        .command(&format!("SEARCH {}", vec!["BODY soup"; 64].join(" ")))
        .await;
    assert_eq!(lines[0], "* SEARCH 1 2");
}
