//! Messages that no program should write.

use std::fmt::Write as _;

use chaos_tests::process::Cluster;
use chaos_tests::process::client::{Dialect, Imap, Smtp};

use crate::support::{ALONE, Beside, Memory};

/// What a node may take meanwhile, in bytes: the write buffers of its shelf, which are up to 256 MiB, and log-ins. A
/// header that were held, and parsed, would take several times its 50 MB on top.
const NODE_BYTES_MAX: u64 = 384 << 20;
const HEADER_BYTES: usize = 50_000_000;

#[test]
fn a_thousand_levels_and_a_header_of_fifty_megabytes_are_mail_like_any() {
    let cluster = Cluster::start(ALONE);
    let beside = Beside::start(&cluster, 1);
    let memory = Memory::of(&cluster, 1);
    let (nested, long) = (nested(1_000), long_header());
    for message in [&nested, &long] {
        let mut sender = Smtp::connect(cluster.port(1, 24), Dialect::Lmtp).expect("it greets");
        let to = ["user1@demo.test".to_owned()];
        for outcome in sender.deliver("somebody@client.example", &to, message) {
            outcome.expect("it is taken");
        }
    }
    let mut reader = Imap::log_in(cluster.port(1, 143), "user1@demo.test", "demo").expect("lets in");
    assert_eq!(reader.select("INBOX").expect("is there").exists, 2);
    for (uid, sent) in [("1", &nested), ("2", &long)] {
        let whole = reader.fetch(uid, "BODY.PEEK[]").expect("is there").remove(0).octets;
        assert!(whole.ends_with(sent), "message {uid} is not what was sent");
        let text = reader.fetch(uid, "BODY.PEEK[TEXT]").expect("is there").remove(0).octets;
        let body = sent.windows(4).position(|end| end == b"\r\n\r\n").expect("a body") + 4;
        assert!(text == sent[body..], "the text of message {uid} is not what was sent");
    }
    beside.was_served();
    memory.has_grown_by_less_than(NODE_BYTES_MAX);
}

/// A multipart in a multipart, and so on.
fn nested(levels: usize) -> Vec<u8> {
    let mut message = "Subject: nested\r\n".to_owned();
    for level in 0..levels {
        // Writing to a string cannot fail.
        let _ = write!(
            message,
            "Content-Type: multipart/mixed; boundary=b{level}\r\n\r\n--b{level}\r\n"
        );
    }
    message += "\r\nthe innermost\r\n";
    for level in (0..levels).rev() {
        let _ = write!(message, "--b{level}--\r\n");
    }
    message.into_bytes()
}

fn long_header() -> Vec<u8> {
    let mut message = b"Subject: long\r\n".to_vec();
    while message.len() < HEADER_BYTES / 2 {
        message.extend_from_slice(b"X-Field: with a value of some length, and many more like it\r\n");
    }
    message.extend_from_slice(b"References:");
    while message.len() < HEADER_BYTES {
        message.extend_from_slice(b"\r\n <1234567890.abcdefghijklmnop@a-host-with-a-name.example>");
    }
    message.extend_from_slice(b"\r\n\r\nbody\r\n");
    message
}
