//! Octets of messages: what was appended is fetched, byte for byte, whatever it is and however it is asked for.

use std::path::{Path, PathBuf};

use mail_model::InternalDate;
use mailstore::DeliveryId;
use mailstore::front::{DeliverRecipient, Delivery};

use super::harness::{Client, account, check, node_and_client};
use crate::testing::{TestNode, node_with_accounts};

/// Messages that tempt somebody to repair them.
fn odd_messages() -> Vec<Vec<u8>> {
    let mut odd: Vec<Vec<u8>> = [
        &b"x"[..],
        b"\n",
        b"\r",
        b"\r\n",
        b"\r\n\r\n",
        b"no header at all",
        b"Subject: no end of line",
        b"Subject: no body\r\n",
        b"Subject: bare\n\nlines\n",
        b"Subject: mixed\r\n\r\none\ntwo\rthree\r\r\n\n\r",
        b": no name\r\n\r\n",
        b" begins with a fold\r\nSubject: x\r\n\r\n.\r\n..\r\n.x\r\n",
        b"Subject: \xff\xfe\x80 raw\r\n\r\n\xc3\x28\xa0\xa1\r\n",
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n--b\r\n\r\n--b--",
        b"Content-Type: multipart/mixed; boundary=\"\"\r\n\r\n--\r\nx\r\n----\r\n",
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b--\r\n",
        b"Content-Type: message/rfc822\r\n\r\nContent-Type: message/rfc822\r\n\r\nSubject: deep\r\n\r\n",
        b"From: a@b\r\nFrom: c@d\r\nSubject: twice\r\nSubject: again\r\n\r\n)\r\n* 1 FETCH (FLAGS ())\r\ntag OK\r\n",
        b"Subject: ends in CR\r\n\r\nx\r",
        b"Subject: \x01\x7f controls\r\n\r\n\x08\x1b[2J\r\n",
    ]
    .iter()
    .map(|message| message.to_vec())
    .collect();
    odd.push(format!("Subject: {}\r\n\r\nx\r\n", "long ".repeat(20_000)).into_bytes());
    odd.push(format!("Subject: long line\r\n\r\n{}", "y".repeat(300_000)).into_bytes());
    let fields: String = (0..3_000).map(|number| format!("X-{number}: {number}\r\n")).collect();
    odd.push(format!("{fields}\r\nbody\r\n").into_bytes());
    // One octet around the length of a piece.
    for len in [(256 << 10) - 1, 256 << 10, (256 << 10) + 1] {
        let mut message = b"Subject: piece\r\n\r\n".to_vec();
        message.extend((message.len()..len).map(|at| b"abcdefgh\r\n"[at % 10]));
        odd.push(message);
    }
    odd
}

/// Messages of other programs, where a collection of them stands beside the workspace. What has a NUL cannot be appended.
fn corpus(count: usize) -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    let mut paths = Vec::new();
    collect(&root, &mut paths);
    paths.sort();
    let step = (paths.len() / count).max(1);
    let read = paths.iter().step_by(step).filter_map(|path| std::fs::read(path).ok());
    read.filter(|message| !message.is_empty() && !message.contains(&0))
        .collect()
}

fn collect(dir: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "eml") {
            found.push(path);
        }
    }
}

/// Appends each message, then fetches it whole, in its two halves and by its structure.
async fn round_trip(client: &mut Client, messages: &[Vec<u8>]) {
    for (number, message) in (1..).zip(messages) {
        let answer = client.append("INBOX", message).await;
        assert!(answer.starts_with("tag OK [APPENDUID "), "message {number}: {answer}");
        assert_eq!(
            client.fetch_literal(number, "BODY.PEEK[]").await,
            *message,
            "message {number}"
        );
        let size = client.command(&format!("UID FETCH {number} RFC822.SIZE")).await;
        assert!(
            size[0].ends_with(&format!("RFC822.SIZE {})", message.len())),
            "{size:?}"
        );
        let mut halves = client.fetch_literal(number, "BODY.PEEK[HEADER]").await;
        halves.extend(client.fetch_literal(number, "BODY.PEEK[TEXT]").await);
        assert_eq!(halves, *message, "header and text of message {number}");
        let structure = client
            .command(&format!("UID FETCH {number} (ENVELOPE BODYSTRUCTURE)"))
            .await;
        assert!(structure[0].starts_with(&format!("* {number} FETCH (UID {number} ENVELOPE (")));
    }
}

#[tokio::test]
async fn odd_messages_come_back_byte_for_byte() {
    let (node, mut client) = node_and_client().await;
    round_trip(&mut client, &odd_messages()).await;
    check(&node).await;
}

#[tokio::test]
async fn messages_of_other_programs_come_back_byte_for_byte() {
    let (node, mut client) = node_and_client().await;
    round_trip(&mut client, &corpus(200)).await;
    check(&node).await;
}

#[tokio::test]
async fn trace_headers_of_a_delivery_are_part_of_the_message() {
    let (node, mut client) = node_and_client().await;
    let prefix = "Return-Path: <a@b>\r\nReceived: from x by y;\r\n now\r\n";
    let header = "Subject: one\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n";
    let text = "--b\r\n\r\npart\r\n--b--\r\n";
    deliver(&node, prefix, &[header, text].concat()).await;
    client
        .run("C: a NOOP\nS: * 1 EXISTS\nS: * 1 RECENT\nS: a OK done")
        .await;
    let whole = [prefix, header, text].concat();
    let cases = [
        ("BODY[]", whole.as_str()),
        ("BODY[HEADER]", &whole[..prefix.len() + header.len()]),
        ("BODY[TEXT]", text),
        ("BODY[1]", "part"),
        (
            "BODY[HEADER.FIELDS (return-path subject)]",
            "Return-Path: <a@b>\r\nSubject: one\r\n\r\n",
        ),
        ("BODY[]<10.60>", &whole[10..70]),
    ];
    for (item, expected) in cases {
        let octets = client.fetch_literal(1, item).await;
        assert_eq!(String::from_utf8_lossy(&octets), expected, "{item}");
    }
    let size = client.command("FETCH 1 RFC822.SIZE").await;
    assert_eq!(size[0], format!("* 1 FETCH (RFC822.SIZE {})", whole.len()));
    for (key, found) in [
        ("HEADER Received now", "* SEARCH 1"),
        ("TEXT \"from x\"", "* SEARCH 1"),
        ("BODY \"from x\"", "* SEARCH"),
    ] {
        assert_eq!(client.command(&format!("SEARCH {key}")).await[0], found, "{key}");
    }
    check(&node).await;
}

/// Delivers a message to `user1` as SMTP does.
async fn deliver(node: &TestNode, prefix: &str, message: &str) {
    let account = account(node).await;
    let store = &node.services.store;
    let mut writer = store.body_writer([account.group()]);
    writer.push(message.as_bytes()).await.expect("takes it");
    let body = writer.finish().await.expect("takes it");
    let delivery = Delivery {
        id: DeliveryId::random(),
        date: InternalDate::default(),
        received_ms: 0,
        origin: None,
        message_id: None,
        may_queue: false,
    };
    let to = DeliverRecipient {
        account: account.id(),
        group: account.group(),
        prefix: prefix.as_bytes().to_vec(),
        path: String::new(),
    };
    let delivered = store.deliver(body, &delivery, &[to]).await;
    assert!(delivered.answers[0].is_ok(), "{:?}", delivered.answers[0]);
}

#[tokio::test]
async fn header_fields_and_their_complement_make_the_header() {
    let (_node, mut client) = node_and_client().await;
    // More of each than is kept between counting and sending.
    let fields: String = (0..12_000)
        .map(|number| format!("X-{}: {number}\r\n", number % 2))
        .collect();
    let message = format!("{fields}\r\nbody\r\n");
    client.append("INBOX", message.as_bytes()).await;
    let even = client.fetch_literal(1, "BODY.PEEK[HEADER.FIELDS (X-0)]").await;
    let odd = client.fetch_literal(1, "BODY.PEEK[HEADER.FIELDS.NOT (X-0)]").await;
    assert_eq!(even.len() + odd.len(), fields.len() + 4);
    assert!(even.starts_with(b"X-0: 0\r\nX-0: 2\r\n") && even.ends_with(b"X-0: 11998\r\n\r\n"));
    let part = client.fetch_literal(1, "BODY.PEEK[HEADER.FIELDS (X-0)]<66000.8>").await;
    assert_eq!(part, even[66_000..66_008]);
}

#[tokio::test]
async fn partial_fetches_put_together_are_the_message() {
    let (_node, mut client) = node_and_client().await;
    let mut message = b"Subject: parts\r\n\r\n".to_vec();
    message.extend((0..700_000_u32).map(|at| b'!' + u8::try_from(at % 89).unwrap()));
    client.append("INBOX", &message).await;
    for step in [65_536, 99_991, 262_144, 1_000_000] {
        let mut whole = Vec::new();
        loop {
            let part = client
                .fetch_literal(1, &format!("BODY.PEEK[]<{}.{step}>", whole.len()))
                .await;
            if part.is_empty() {
                break;
            }
            whole.extend(part);
        }
        assert!(whole == message, "in steps of {step}");
    }
}

#[tokio::test]
async fn a_large_message_streams_through_a_small_pipe() {
    let (node, mut client) = node_and_client().await;
    let mut message = b"Subject: large\r\nContent-Type: application/octet-stream\r\n\r\n".to_vec();
    let mut state = 1_u32;
    while message.len() < 20 << 20 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        message.extend(state.to_le_bytes().map(|byte| byte.max(1)));
    }
    let answer = client.append("INBOX", &message).await;
    assert!(answer.starts_with("tag OK [APPENDUID "), "{answer}");
    assert!(client.fetch_literal(1, "BODY[]").await == message);
    let middle = client.fetch_literal(1, "BODY[]<10000000.100>").await;
    assert_eq!(middle, message[10_000_000..10_000_100]);
    check(&node).await;
}

#[tokio::test]
async fn a_mailbox_of_two_thousand_messages_is_fetched_in_pages() {
    let node = node_with_accounts(1).await;
    let mut client = Client::selected(&node.services).await;
    // Copies double the mailbox, so that few messages have to be sent.
    for number in 0..125 {
        client
            .append(
                "INBOX",
                format!("Subject: {number}\r\n\r\nbody {number}\r\n").as_bytes(),
            )
            .await;
    }
    for _ in 0..4 {
        client.command("COPY 1:* INBOX").await;
    }
    let count = 2_000;
    let lines = client.command("FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE)").await;
    assert_eq!(lines.len(), count + 1);
    let lines = client.command("FETCH 1:* (UID ENVELOPE)").await;
    assert_eq!(lines.len(), count + 1);
    for (number, line) in (1..).zip(&lines[..count]) {
        let expected = format!(
            "* {number} FETCH (UID {number} ENVELOPE (NIL \"{}\" ",
            (number - 1) % 125
        );
        assert!(line.starts_with(&expected), "{line}");
    }
    let lines = client.command("UID FETCH 1:* (BODY[TEXT])").await;
    let seen = lines.iter().filter(|line| line.contains("FLAGS (\\Seen")).count();
    let bodies = lines.iter().filter(|line| line.starts_with("body ")).count();
    assert_eq!((bodies, seen), (count, count));
    let found = client.command("SEARCH TEXT \"body 7\"").await;
    assert_eq!(found[0].split_whitespace().count() - 2, 11 * 16);
    client.command("STORE 1:* +FLAGS.SILENT (\\Deleted)").await;
    let lines = client.command("EXPUNGE").await;
    assert_eq!(lines.iter().filter(|line| line.ends_with("EXPUNGE")).count(), count);
    check(&node).await;
}
