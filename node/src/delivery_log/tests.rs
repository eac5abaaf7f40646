//! The log over real files.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use proptest::prelude::*;
use tempfile::TempDir;

use super::limits::{LINE_BYTES_MAX, NAME_BYTES_MAX, READ_BYTES, RECORDS_QUEUED_MAX};
use super::*;

/// 2026-11-24, 20:00 UTC.
const TUESDAY_MS: u64 = 1_795_550_400_000;
const DAY_MS: u64 = 86_400_000;
/// Longer than between the tests' dates and whenever they run.
const LONG_DAYS: u32 = 1_000_000;

fn record(number: u64, recipient: &str) -> DeliveryRecord {
    DeliveryRecord {
        time_ms: TUESDAY_MS + number,
        id: format!("id-{number}"),
        node: "n1".to_owned(),
        protocol: "ESMTPS".to_owned(),
        peer: "192.0.2.1".to_owned(),
        tls: true,
        helo: Some("client.example".to_owned()),
        sender: "ann@example.org".to_owned(),
        recipient: recipient.to_owned(),
        message_id: Some(format!("message-{number}@example.org")),
        bytes: 4_096,
        outcome: Outcome::Accepted {
            account: 7,
            mailbox: Some(1),
            uid: Some(u32::try_from(number).unwrap() + 1),
            email: Some("M1".to_owned()),
            queued: false,
            first: None,
        },
    }
}

fn open(dir: &TempDir) -> DeliveryLog {
    DeliveryLog::open(dir.path(), LONG_DAYS).unwrap()
}

async fn ids(log: &DeliveryLog, text: &str, limit: usize) -> Vec<String> {
    let found = log.search(Query::new(text, limit)).await.unwrap();
    found.records.into_iter().map(|record| record.id).collect()
}

#[tokio::test]
async fn a_record_is_found_by_id_message_id_and_part_of_an_address() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(&dir);
    let refused = Outcome::Refused {
        code: 550,
        enhanced: Some("5.1.1".to_owned()),
        text: "no such recipient here".to_owned(),
    };
    let other = DeliveryRecord {
        outcome: refused,
        helo: None,
        message_id: None,
        ..record(2, "Bob@Other.Test")
    };
    log.record(record(1, "user1@demo.test"));
    log.record(other.clone());
    for text in [
        "id-1",
        "ID-1",
        "message-1@example.org",
        "<message-1@example.org>",
        "user1@",
        "DEMO.test",
    ] {
        assert_eq!(ids(&log, text, 10).await, ["id-1"], "{text}");
    }
    for text in ["ann@example.org", "<ann@example.org>", ""] {
        assert_eq!(ids(&log, text, 10).await, ["id-2", "id-1"], "{text}");
    }
    for text in ["id-", "message-1", "carol", "user1@demo.test.longer"] {
        assert_eq!(ids(&log, text, 10).await, [""; 0], "{text}");
    }
    let found = log.search(Query::new("bob@other.test", 10)).await.unwrap();
    assert_eq!((found.records, found.is_whole), (vec![other], true));
}

#[tokio::test]
async fn the_newest_records_come_first_over_days_and_restarts() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(&dir);
    for number in 0..3 {
        log.record(DeliveryRecord {
            time_ms: TUESDAY_MS + number * DAY_MS,
            ..record(number, "a@demo.test")
        });
    }
    assert_eq!(ids(&log, "a@demo.test", 10).await, ["id-2", "id-1", "id-0"]);
    drop(log);
    let log = open(&dir);
    log.record(DeliveryRecord {
        time_ms: TUESDAY_MS + 2 * DAY_MS,
        ..record(3, "a@demo.test")
    });
    assert_eq!(ids(&log, "a@demo.test", 10).await, ["id-3", "id-2", "id-1", "id-0"]);
    let found = log.search(Query::new("a@demo.test", 2)).await.unwrap();
    assert_eq!((found.records.len(), found.is_whole), (2, false));
}

#[tokio::test]
async fn only_the_owner_may_read_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(&dir);
    log.record(record(1, "a@demo.test"));
    log.flush().await;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let below = dir.path().join(DIR);
    assert_eq!(mode(&below), 0o700);
    assert_eq!(mode(&below.join("2026-11-24.jsonl")), 0o600);
}

#[tokio::test]
async fn old_days_go_and_nothing_else_does() {
    let dir = tempfile::tempdir().unwrap();
    let below = dir.path().join(DIR);
    fs::create_dir(&below).unwrap();
    let name = |name: &str| below.join(name);
    for file in ["2000-01-01.jsonl", "2000-01-01.jsonl.gz", "2000-1-1.jsonl", "notes"] {
        fs::write(name(file), "").unwrap();
    }
    let log = DeliveryLog::open(dir.path(), 2).unwrap();
    assert!(!name("2000-01-01.jsonl").exists());
    for number in 0..3 {
        log.record(DeliveryRecord {
            time_ms: TUESDAY_MS + number * DAY_MS,
            ..record(number, "a@demo.test")
        });
    }
    log.flush().await;
    let mut left: Vec<_> = fs::read_dir(&below)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    left.sort_unstable();
    assert_eq!(
        left,
        [
            "2000-01-01.jsonl.gz",
            "2000-1-1.jsonl",
            "2026-11-25.jsonl",
            "2026-11-26.jsonl",
            "notes"
        ]
    );
}

#[tokio::test]
async fn a_line_that_a_crash_cut_off_hides_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(&dir);
    log.record(record(1, "a@demo.test"));
    log.flush().await;
    drop(log);
    let path = dir.path().join(DIR).join("2026-11-24.jsonl");
    let mut text = fs::read(&path).unwrap();
    let whole = text.clone();
    text.extend_from_slice(&whole[..whole.len() / 2]);
    fs::write(&path, text).unwrap();
    let log = open(&dir);
    log.record(record(2, "a@demo.test"));
    assert_eq!(ids(&log, "a@demo.test", 10).await, ["id-2", "id-1"]);
}

#[tokio::test]
async fn a_line_beyond_all_bounds_is_skipped() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(&dir);
    log.record(record(1, "a@demo.test"));
    log.flush().await;
    let path = dir.path().join(DIR).join("2026-11-24.jsonl");
    let mut text = fs::read(&path).unwrap();
    text.extend(std::iter::repeat_n(b'x', LINE_BYTES_MAX + 3 * READ_BYTES));
    text.push(b'\n');
    fs::write(&path, text).unwrap();
    log.record(record(2, "a@demo.test"));
    assert_eq!(ids(&log, "a@demo.test", 10).await, ["id-2", "id-1"]);
}

#[tokio::test]
async fn what_clients_make_endless_is_cut() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(&dir);
    let endless = "\u{1}\u{e4}".repeat(LINE_BYTES_MAX);
    log.record(DeliveryRecord {
        helo: Some(endless.clone()),
        message_id: Some(endless.clone()),
        ..record(1, &endless)
    });
    let found = log.search(Query::new("id-1", 1)).await.unwrap();
    let recipient = &found.records[0].recipient;
    assert!(recipient.len() <= NAME_BYTES_MAX && endless.starts_with(recipient.as_str()));
}

#[test]
fn a_record_without_room_is_dropped_at_once() {
    let (orders, taken) = mpsc::sync_channel(1);
    let inner = Arc::new(Inner {
        dir: PathBuf::new(),
        orders,
    });
    let log = DeliveryLog { inner };
    for number in 0..RECORDS_QUEUED_MAX as u64 {
        log.record(record(number, "a@demo.test"));
    }
    let kept: Vec<_> = taken.try_iter().collect();
    assert!(matches!(kept.as_slice(), [Order::Write(first)] if first.id == "id-0"));
}

#[tokio::test]
async fn a_directory_that_cannot_be_written_stops_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(&dir);
    fs::remove_dir(dir.path().join(DIR)).unwrap();
    log.record(record(1, "a@demo.test"));
    log.flush().await;
    assert_eq!(
        log.search(Query::new("id-1", 1)).await.unwrap_err().kind(),
        io::ErrorKind::NotFound
    );
    fs::create_dir(dir.path().join(DIR)).unwrap();
    log.record(record(2, "a@demo.test"));
    assert_eq!(ids(&log, "", 10).await, ["id-2"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn every_line_is_read_from_the_end_whatever_its_length(lengths in prop::collection::vec(0_usize..100_000, 0..8)) {
        let dir = tempfile::tempdir().unwrap();
        let lines: Vec<String> = lengths.iter().map(|length| "x".repeat(*length)).collect();
        let path = dir.path().join("lines");
        fs::write(&path, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
        let read = reader::lines_from_end(&path).unwrap();
        let expected: Vec<_> = lines.into_iter().rev().filter(|line| !line.is_empty()).collect();
        prop_assert_eq!(read, expected);
    }
}
