//! Large messages.

use std::sync::atomic::Ordering;
use std::time::Duration;

use smtp_wire::Profile;

use super::faults::two_groups;
use super::*;
use crate::session::faults::{Fault, faulty_node};

/// What a piece of a body holds.
const PIECE: usize = 256 << 10;
/// 20 MB in lines.
const LINES: usize = 20_000_000 / 80;

fn line(number: usize) -> String {
    // Not to be compressed away: the pieces that are counted should have their size.
    let hash = (number as u128 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    format!(
        "{hash:032x}{:032x}{number:014}\r\n",
        hash.rotate_left(61).wrapping_mul(hash | 1)
    )
}

async fn begin(client: &mut Client) {
    let script = "C: MAIL FROM:<ann@example.org>
        S: 250 …
        C: RCPT TO:<user1@demo.test>
        S: 250 …
        C: RCPT TO:<user2@demo.test>
        S: 250 …
        C: DATA
        S: 354 …
        C: Subject: large
        C:";
    client.run(script).await;
}

#[tokio::test]
async fn a_message_of_twenty_megabytes_streams_into_both_groups() {
    let node = faulty_node(2).await;
    two_groups(&node).await;
    let mut client = greeted(&node.services, Profile::Smtp).await;
    begin(&mut client).await;
    for number in 0..LINES {
        client.send(line(number).as_bytes()).await;
    }
    // Before its end all of it is durable but the last piece or two, in each group.
    let pieces = LINES * 80 / PIECE;
    let arrived = tokio::time::timeout(Duration::from_secs(60), async {
        while node.groups.pieces.load(Ordering::SeqCst) < 2 * (pieces - 1) {
            tokio::task::yield_now().await;
        }
    });
    arrived.await.expect("the pieces are stored while the message comes");
    client.run("C: .\nS: 250 2.0.0 delivered as …").await;
    // What was on its way at a time: three pieces for each group.
    let in_flight = node.groups.in_flight_max.load(Ordering::SeqCst);
    assert!(in_flight > PIECE / 2, "the pieces were counted: {in_flight}");
    assert!(in_flight <= 2 * 3 * (PIECE + 4_096), "{in_flight}");
    for name in ["user1", "user2"] {
        let message = inbox(&node.node.services, name).await.remove(0);
        let (_, body) = message.split_once("\r\n\r\n").expect("a body");
        assert_eq!(body.len(), LINES * 80);
        assert!(
            (0..LINES).all(|number| body[number * 80..][..80] == line(number)),
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_client_waits_when_the_groups_do() {
    let node = faulty_node(2).await;
    let group = two_groups(&node).await;
    let mut client = greeted(&node.services, Profile::Smtp).await;
    begin(&mut client).await;
    node.groups.set(group, Some(Fault::Hangs));
    let mut sent = 0;
    while sent < LINES {
        let line = line(sent);
        let sending = tokio::time::timeout(Duration::from_secs(2), client.try_send(line.as_bytes()));
        match sending.await {
            Ok(result) => result.expect("the session reads"),
            Err(_) => break,
        }
        sent += 1;
    }
    // Four pieces are on their way to the group that hangs, the fifth waits for a place, and a little waits to be read.
    assert!(sent * 80 > 2 * PIECE, "{sent} lines");
    assert!(sent * 80 < 6 * PIECE, "{sent} lines");
}
