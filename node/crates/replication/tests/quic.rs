//! The transport between nodes, on loopback, with real certificates: who is let in, what is bounded, and what a caller
//! is told when its peer goes away.

mod quic_nodes;

use std::collections::HashSet;
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use quic_nodes::{Apart, Authority, LONG, Node, eventually, node_id, raw_client, raw_server};
use replication::quic::QuicTransport;
use replication::quic::limits::{BULK, CALLS_WAITING_MAX, CONNECTIONS_PER_PEER_AND_CLASS, LOG, VOTE};
use replication::{Class, Transport, TransportError};

const CLASSES: [Class; 3] = [Class::Vote, Class::Log, Class::Bulk];

/// A request that names what the handler is to do with it, filled up to `len` bytes.
fn request(what: u8, len: usize) -> Bytes {
    let mut bytes = vec![b'.'; len];
    bytes[0] = what;
    bytes.into()
}

fn unreachable(node: u8) -> Result<Bytes, TransportError> {
    Err(TransportError::Unreachable(node_id(node)))
}

fn reason(reply: Result<Bytes, TransportError>) -> String {
    match reply {
        Err(TransportError::NoReply(_, reason)) => reason,
        other => panic!("expected no reply, got {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_comes_back_and_the_handler_knows_who_called() {
    let ca = Authority::new();
    let (a, b) = (Node::start(&ca, 1), Node::start(&ca, 2));
    a.knows(&b);
    b.knows(&a);
    for class in CLASSES {
        assert_eq!(
            a.call(2, class, request(b'w', 1)).await.as_deref(),
            Ok(&node_id(1).0[..])
        );
        assert_eq!(
            b.call(1, class, request(b'w', 1)).await.as_deref(),
            Ok(&node_id(2).0[..])
        );
    }
    assert_eq!(a.transport.refused_handshakes() + b.transport.refused_handshakes(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_up_to_the_limit_of_their_class_pass_and_empty_ones_too() {
    let ca = Authority::new();
    let (a, b) = (Node::start(&ca, 1), Node::start(&ca, 2));
    a.knows(&b);
    for (class, limits) in [(Class::Vote, VOTE), (Class::Log, LOG), (Class::Bulk, BULK)] {
        let largest = request(b'e', limits.request_bytes_max);
        assert_eq!(a.call(2, class, largest.clone()).await, Ok(largest));
        assert_eq!(a.call(2, class, Bytes::new()).await, Ok(Bytes::new()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_over_the_limit_is_not_sent() {
    let ca = Authority::new();
    let (a, b) = (Node::start(&ca, 1), Node::start(&ca, 2));
    a.knows(&b);
    for (class, limits) in [(Class::Vote, VOTE), (Class::Log, LOG), (Class::Bulk, BULK)] {
        let reply = a.call(2, class, request(b'e', limits.request_bytes_max + 1)).await;
        assert_eq!(reply, unreachable(2));
    }
    assert_eq!(b.arrived(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_sends_a_frame_over_the_limit_or_of_another_version_is_refused_unseen() {
    let ca = Authority::new();
    let b = Node::start(&ca, 2);
    let (_client, connection) = raw_client(&ca, 1, b"holdfast-vote/1", &b).await;
    let len = u32::try_from(VOTE.request_bytes_max + 1).expect("small").to_be_bytes();
    let too_large = [&[1, 0, 0, 1, 0][..], &len].concat();
    let other_version = [2, 0, 0, 1, 0, 0, 0, 0, 1, b'e'].to_vec();
    for (frame, code) in [(too_large, 2_u32), (other_version, 3)] {
        let (mut send, mut recv) = connection.open_bi().await.expect("a stream");
        send.write_all(&frame).await.expect("room in the window");
        let refused = recv.read_to_end(1).await.expect_err("a refusal");
        assert!(refused.to_string().contains(&format!("error {code}")), "{refused}");
    }
    assert_eq!(b.arrived(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_ends_before_its_length_is_never_handled() {
    let ca = Authority::new();
    let b = Node::start(&ca, 2);
    let (_client, connection) = raw_client(&ca, 1, b"holdfast-log/1", &b).await;
    let (mut send, mut recv) = connection.open_bi().await.expect("a stream");
    send.write_all(&[1, 0, 0, 1, 0, 0, 0, 0, 2, b'e']).await.expect("room");
    send.finish().expect("open");
    let refused = recv.read_to_end(1).await.expect_err("a refusal");
    assert!(refused.to_string().contains("error 4"), "{refused}");
    assert_eq!(b.arrived(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_over_the_limit_is_refused_by_whoever_sees_it() {
    let ca = Authority::new();
    let (a, b) = (Node::start(&ca, 1), Node::start(&ca, 2));
    a.knows(&b);
    let sent = a.call(2, Class::Vote, request(b'L', 1)).await;
    assert!(reason(sent).contains("error 17"));

    let len = u32::try_from(VOTE.reply_bytes_max + 1).expect("small").to_be_bytes();
    let (_server, address) = raw_server(&ca, 3, b"holdfast-vote/1", [&[1][..], &len].concat());
    a.peers.set(node_id(3), vec![address]);
    let received = a.call(3, Class::Vote, request(b'e', 1)).await;
    assert!(reason(received).contains("over the limit"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_of_another_cluster_neither_calls_nor_is_called() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let (a, b) = (Node::start(&ours, 1), Node::start(&theirs, 2));
    a.knows(&b);
    b.knows(&a);
    assert_eq!(a.call(2, Class::Log, request(b'e', 9)).await, unreachable(2));
    assert_eq!(b.call(1, Class::Log, request(b'e', 9)).await, unreachable(1));
    assert_eq!((a.arrived(), b.arrived()), (0, 0));
    eventually("both have counted", || {
        a.transport.refused_handshakes() > 0 && b.transport.refused_handshakes() > 0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_trusts_us_but_is_not_of_our_cluster_is_refused_and_counted() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let a = Node::start(&ours, 1);
    let b = Node::with(2, theirs.credentials(&[2]), &ours, &theirs);
    b.knows(&a);
    assert_eq!(b.call(1, Class::Vote, request(b'e', 9)).await, unreachable(1));
    assert_eq!(a.arrived(), 0);
    eventually("the refusal is counted", || a.transport.refused_handshakes() > 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_answers_at_the_address_of_another_is_refused() {
    let ca = Authority::new();
    let (a, b) = (Node::start(&ca, 1), Node::start(&ca, 2));
    a.peers.set(node_id(3), vec![b.transport.local_addr()]);
    assert_eq!(a.call(3, Class::Vote, request(b'e', 9)).await, unreachable(3));
    assert_eq!(b.arrived(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expired_certificate_counts_neither_for_a_caller_nor_for_the_called() {
    let ca = Authority::new();
    let a = Node::start(&ca, 1);
    let b = Node::with(2, ca.expired(2), &ca, &ca);
    a.knows(&b);
    b.knows(&a);
    assert_eq!(a.call(2, Class::Vote, request(b'e', 9)).await, unreachable(2));
    assert_eq!(b.call(1, Class::Vote, request(b'e', 9)).await, unreachable(1));
    assert_eq!((a.arrived(), b.arrived()), (0, 0));
    eventually("the refusal is counted", || a.transport.refused_handshakes() > 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_of_our_cluster_that_names_no_node_or_two_lets_nobody_in() {
    let ca = Authority::new();
    let a = Node::start(&ca, 1);
    for names in [&[][..], &[2, 3]] {
        let b = Node::with(2, ca.credentials(names), &ca, &ca);
        b.knows(&a);
        assert_eq!(b.call(1, Class::Vote, request(b'e', 9)).await, unreachable(1));
    }
    assert_eq!(a.arrived(), 0);
    eventually("the refusals are counted", || a.transport.refused_handshakes() >= 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn votes_pass_while_bulk_fills_every_slot_and_window() {
    let ca = Authority::new();
    let (a, b) = (Node::start(&ca, 1), Node::start(&ca, 2));
    a.knows(&b);
    // Every slot and every byte that bulk may have is taken, and as many calls again wait.
    let size = BULK.bytes_max / BULK.calls_max;
    let bulk: Vec<_> = (0..2 * BULK.calls_max)
        .map(|_| a.spawn(2, Class::Bulk, request(b's', size)))
        .collect();
    b.has_arrived(BULK.calls_max).await;
    for _ in 0..50 {
        let vote = request(b'e', 300);
        assert_eq!(a.call(2, Class::Vote, vote.clone()).await, Ok(vote));
    }
    assert_eq!(b.arrived(), BULK.calls_max + 50);
    b.release(2 * BULK.calls_max);
    for call in bulk {
        assert_eq!(call.await.expect("no panic").map(|reply| reply.len()), Ok(size));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn votes_pass_while_bulk_streams_without_pause() {
    let ca = Authority::new();
    let (a, b) = (Node::start(&ca, 1), Node::start(&ca, 2));
    a.knows(&b);
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let streams: Vec<_> = (0..8)
        .map(|_| {
            let (a, stopped) = (a.transport.clone(), stopped.clone());
            tokio::spawn(async move {
                let mut replies = 0;
                while !*stopped.borrow() {
                    let reply = a.call(node_id(2), Class::Bulk, request(b'e', 2 << 20), LONG).await;
                    assert_eq!(reply.map(|reply| reply.len()), Ok(2 << 20));
                    replies += 1;
                }
                replies
            })
        })
        .collect();
    b.has_arrived(streams.len()).await;
    for _ in 0..50 {
        let vote = request(b'e', 300);
        assert_eq!(a.call(2, Class::Vote, vote.clone()).await, Ok(vote));
    }
    stop.send_replace(true);
    for stream in streams {
        assert!(stream.await.expect("every reply was whole") > 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_in_flight_and_calls_that_wait_are_bounded() {
    let ca = Authority::new();
    let (a, b) = (Node::start(&ca, 1), Node::start(&ca, 2));
    a.knows(&b);
    let in_flight: Vec<_> = (0..BULK.calls_max)
        .map(|_| a.spawn(2, Class::Bulk, request(b's', 1)))
        .collect();
    b.has_arrived(BULK.calls_max).await;

    let mut context = Context::from_waker(Waker::noop());
    let call = || a.transport.call(node_id(2), Class::Bulk, request(b's', 1), LONG);
    let mut waiting: Vec<_> = (0..CALLS_WAITING_MAX).map(|_| call()).collect();
    for call in &mut waiting {
        assert!(call.as_mut().poll(&mut context).is_pending());
    }
    assert_eq!(call().as_mut().poll(&mut context), Poll::Ready(unreachable(2)));
    // Who gives up leaves its place.
    waiting.pop();
    assert!(call().as_mut().poll(&mut context).is_pending());

    drop(waiting);
    assert_eq!(b.arrived(), BULK.calls_max);
    b.release(BULK.calls_max);
    for call in in_flight {
        assert!(call.await.expect("no panic").is_ok());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_whose_handler_never_answers_ends_at_its_deadline_and_so_does_the_handler() {
    let ca = Authority::new();
    let (a, b) = (Node::start(&ca, 1), Node::start(&ca, 2));
    a.knows(&b);
    let within = Duration::from_millis(400);
    let start = Instant::now();
    let reply = a.transport.call(node_id(2), Class::Log, request(b'h', 1), within).await;
    assert!(start.elapsed() >= within - Duration::from_millis(50));
    let reason = reason(reply);
    assert!(reason.contains("deadline") || reason.contains("error 16"), "{reason}");
    assert_eq!(b.arrived(), 1);
    eventually("the handler was dropped", || b.running() == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_that_panics_ends_its_own_call_only() {
    let ca = Authority::new();
    let (a, b) = (Node::start(&ca, 1), Node::start(&ca, 2));
    a.knows(&b);
    assert!(reason(a.call(2, Class::Log, request(b'p', 1)).await).contains("error 18"));
    assert_eq!(a.call(2, Class::Log, request(b'e', 1)).await, Ok(request(b'e', 1)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_is_not_there_or_not_known_is_unreachable() {
    let ca = Authority::new();
    let a = Node::start(&ca, 1);
    let silent = UdpSocket::bind("127.0.0.1:0").expect("a port");
    a.peers.set(node_id(2), vec![silent.local_addr().expect("bound")]);
    assert_eq!(a.call(2, Class::Vote, request(b'e', 1)).await, unreachable(2));
    assert_eq!(a.call(3, Class::Vote, request(b'e', 1)).await, unreachable(3));
    a.peers.set(node_id(3), Vec::new());
    assert_eq!(a.call(3, Class::Vote, request(b'e', 1)).await, unreachable(3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_does_not_wait_for_a_dial_past_its_deadline() {
    let ca = Authority::new();
    let a = Node::start(&ca, 1);
    let silent = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let address = silent.local_addr().expect("bound");
    a.peers.set(node_id(2), vec![address; 4]);
    let start = Instant::now();
    let within = Duration::from_millis(100);
    let reply = a
        .transport
        .call(node_id(2), Class::Vote, request(b'e', 1), within)
        .await;
    assert_eq!(reply, unreachable(2));
    // Four dials would take six seconds.
    assert!(start.elapsed() < Duration::from_secs(3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_killed_in_the_middle_of_a_call_gives_no_reply_long_before_the_deadline() {
    let ca = Authority::new();
    let a = Node::start(&ca, 1);
    let b = Apart::start(&ca, 2, "127.0.0.1:0".parse().expect("an address"));
    a.knows(&b.node);
    let call = a.spawn(2, Class::Log, request(b'h', 1));
    b.node.has_arrived(1).await;
    b.kill().await;
    let start = Instant::now();
    assert!(reason(call.await.expect("no panic")).contains("timed out"));
    assert!(start.elapsed() < LONG / 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_was_killed_and_started_again_on_its_port_is_reached_by_the_same_transport() {
    let ca = Authority::new();
    let a = Node::start(&ca, 1);
    let b = Apart::start(&ca, 2, "127.0.0.2:0".parse().expect("an address"));
    let address = b.node.transport.local_addr();
    a.knows(&b.node);
    let mut current = b;
    for _ in 0..3 {
        for class in CLASSES {
            assert!(a.call(2, class, request(b'e', 64)).await.is_ok());
        }
        current.kill().await;
        current = Apart::start(&ca, 2, address);
        for class in CLASSES {
            // The stale connection is told that it is, and does not run into its timeout.
            while let Err(error) = a.call(2, class, request(b'e', 64)).await {
                assert!(error.to_string().contains("reset"), "{error}");
            }
        }
        current.node.knows(&a);
        assert!(current.node.call(1, Class::Vote, request(b'e', 64)).await.is_ok());
    }
    current.kill().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_handler_ever_sees_a_request_that_was_called_unreachable() {
    let ca = Authority::new();
    let a = Node::start(&ca, 1);
    let mut b = Apart::start(&ca, 2, "127.0.0.3:0".parse().expect("an address"));
    let address = b.node.transport.local_addr();
    a.knows(&b.node);
    let next = Arc::new(AtomicU32::new(0));
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let callers: Vec<_> = (0..16)
        .map(|caller| {
            tokio::spawn(call_until(
                stopped.clone(),
                a.transport.clone(),
                next.clone(),
                CLASSES[caller % 3],
            ))
        })
        .collect();

    let mut seen = HashSet::new();
    for round in 1..=8 {
        b.node.has_arrived(50).await;
        let sight = b.node.seen();
        if round % 2 == 0 {
            b.node.transport.close(Duration::from_millis(20)).await;
        }
        b.kill().await;
        seen.extend(sight.lock().expect("no panic").drain());
        b = Apart::start(&ca, 2, address);
    }
    b.node.has_arrived(50).await;
    stop.send_replace(true);
    let mut refused = 0;
    let mut answered = 0;
    let mut outcomes = Vec::new();
    for caller in callers {
        outcomes.extend(caller.await.expect("no panic"));
    }
    seen.extend(b.node.seen().lock().expect("no panic").drain());
    for (number, outcome) in outcomes {
        match outcome {
            Ok(_) => {
                answered += 1;
                assert!(seen.contains(&number), "request {number} was answered by nobody");
            }
            Err(TransportError::Unreachable(_)) => {
                refused += 1;
                assert!(!seen.contains(&number), "request {number} was handled");
            }
            Err(TransportError::NoReply(..)) => {}
        }
    }
    assert!(refused > 0 && answered > 0, "{refused} refused, {answered} answered");
    b.kill().await;
}

/// Calls node 2 with one number after the other, and returns what came of each.
async fn call_until(
    stopped: tokio::sync::watch::Receiver<bool>,
    transport: Arc<QuicTransport>,
    next: Arc<AtomicU32>,
    class: Class,
) -> Vec<(u32, Result<Bytes, TransportError>)> {
    let mut outcomes = Vec::new();
    while !*stopped.borrow() {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let mut request = vec![b'n'];
        request.extend(number.to_be_bytes());
        // More than a datagram, so that requests are cut in the middle, too.
        request.resize(20_000, 0);
        // Short now and then, so that deadlines pass at every step of a call.
        let within = Duration::from_millis(if number.is_multiple_of(4) { 1 } else { 5_000 });
        let outcome = transport.call(node_id(2), class, request.into(), within).await;
        if outcome.is_err() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        outcomes.push((number, outcome));
    }
    outcomes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_closed_is_unreachable_and_is_reached_at_its_new_address() {
    let ca = Authority::new();
    let (a, b) = (Node::start(&ca, 1), Node::start(&ca, 2));
    a.knows(&b);
    assert!(a.call(2, Class::Log, request(b'e', 1)).await.is_ok());
    b.transport.close(LONG).await;
    assert!(a.call(2, Class::Log, request(b'e', 1)).await.is_err());
    assert_eq!(b.call(1, Class::Log, request(b'e', 1)).await, unreachable(1));

    let moved = Node::start(&ca, 2);
    a.knows(&moved);
    eventually_reached(&a, 2).await;
    assert!(moved.arrived() > 0);
}

/// Calls until the pause between dials is over.
async fn eventually_reached(from: &Node, to: u8) {
    let start = Instant::now();
    while from.call(to, Class::Log, request(b'e', 1)).await.is_err() {
        assert!(start.elapsed() < LONG, "node {to} stays unreachable");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_is_no_longer_listed_gets_no_more_calls_though_it_still_answers() {
    let ca = Authority::new();
    let (a, old, new) = (Node::start(&ca, 1), Node::start(&ca, 2), Node::start(&ca, 2));
    a.knows(&old);
    assert!(a.call(2, Class::Log, request(b'e', 1)).await.is_ok());
    a.knows(&new);
    assert!(a.call(2, Class::Log, request(b'e', 1)).await.is_ok());
    assert_eq!((old.arrived(), new.arrived()), (1, 1));
    a.peers.remove(node_id(2));
    assert_eq!(a.call(2, Class::Log, request(b'e', 1)).await, unreachable(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_second_address_is_tried_when_the_first_is_silent_or_another_node() {
    let ca = Authority::new();
    let (a, b, c) = (Node::start(&ca, 1), Node::start(&ca, 2), Node::start(&ca, 3));
    let silent = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let right = b.transport.local_addr();
    for wrong in [silent.local_addr().expect("bound"), c.transport.local_addr()] {
        a.peers.set(node_id(2), vec![wrong, right]);
        assert_eq!(a.call(2, Class::Log, request(b'e', 1)).await, Ok(request(b'e', 1)));
        a.peers.remove(node_id(2));
        assert_eq!(a.call(2, Class::Log, request(b'e', 1)).await, unreachable(2));
    }
    assert_eq!(c.arrived(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closing_node_answers_what_it_has_begun_and_takes_nothing_new() {
    let ca = Authority::new();
    let (a, b) = (Node::start(&ca, 1), Node::start(&ca, 2));
    a.knows(&b);
    let begun = a.spawn(2, Class::Log, request(b's', 7));
    b.has_arrived(1).await;
    let closing = tokio::spawn({
        let b = b.transport.clone();
        async move { b.close(LONG).await }
    });
    eventually("the node closes", || {
        // Its own calls are refused from the first moment on.
        let mut call = b.transport.call(node_id(9), Class::Vote, Bytes::new(), LONG);
        call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready()
    })
    .await;
    b.release(1);
    assert_eq!(begun.await.expect("no panic"), Ok(request(b's', 7)));
    closing.await.expect("no panic");
    assert!(a.call(2, Class::Log, request(b'e', 1)).await.is_err());
    assert_eq!(b.arrived(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_on_the_port_changes_nothing() {
    let ca = Authority::new();
    let (a, b) = (Node::start(&ca, 1), Node::start(&ca, 2));
    a.knows(&b);
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let held = a.spawn(2, Class::Log, request(b's', 1));
    b.has_arrived(1).await;
    let mut noise = 0x9E37_79B9_u32;
    for len in (1..1_400).step_by(7) {
        let datagram: Vec<u8> = (0..len)
            .map(|_| {
                noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                noise.to_be_bytes()[0]
            })
            .collect();
        for to in [&a, &b] {
            socket.send_to(&datagram, to.transport.local_addr()).expect("loopback");
        }
    }
    assert!(a.call(2, Class::Vote, request(b'e', 1)).await.is_ok());
    b.release(1);
    assert_eq!(held.await.expect("no panic"), Ok(request(b's', 1)));
    assert_eq!(b.arrived(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_has_so_many_connections_and_the_oldest_goes() {
    let ca = Authority::new();
    let b = Node::start(&ca, 2);
    let mut connections = Vec::new();
    for _ in 0..=CONNECTIONS_PER_PEER_AND_CLASS {
        connections.push(raw_client(&ca, 1, b"holdfast-vote/1", &b).await);
    }
    // Another class, and another peer, have a share of their own.
    let other_class = raw_client(&ca, 1, b"holdfast-bulk/1", &b).await;
    let other_peer = raw_client(&ca, 3, b"holdfast-vote/1", &b).await;
    let closed = connections[0].1.closed().await;
    assert!(closed.to_string().contains("newer connections"), "{closed}");
    for (_, connection) in connections[1..].iter().chain([&other_class, &other_peer]) {
        assert_eq!(connection.close_reason(), None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_of_another_protocol_is_refused() {
    let ca = Authority::new();
    let b = Node::start(&ca, 2);
    let refused = quic_nodes::try_raw_client(&ca, 1, b"h3", &b).await;
    assert!(refused.is_err());
    eventually("the refusal is counted", || b.transport.refused_handshakes() > 0).await;
}
