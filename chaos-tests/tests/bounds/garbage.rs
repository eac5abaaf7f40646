//! What no client would send, on every port.

use std::io::{BufReader, Write};
use std::net::{Ipv4Addr, UdpSocket};

use chaos_tests::process::Cluster;
use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};

use crate::support::{ALONE, Beside, MAIL_PORTS, Memory, RawImap, connect_from, line, read_to_close};

/// What a node may take meanwhile, in bytes: log-ins and write buffers of the client beside.
const BESIDE_BYTES_MAX: u64 = 192 << 20;
/// Of a command line.
const LONG: usize = 10 << 20;
/// Such lines on their way to one port: more than a node may take, were they held.
const AT_ONCE: usize = 32;

const _: () = assert!((AT_ONCE * LONG) as u64 > BESIDE_BYTES_MAX);

#[test]
fn garbage_on_every_port_is_answered_with_the_end_of_the_connection_at_most() {
    // QUIC is for nodes: one that is alone has no port for it.
    let cluster = Cluster::start(chaos_tests::process::Shape { nodes: 3, ..ALONE });
    let beside = Beside::start(&cluster, 1);
    let memory = Memory::of(&cluster, 1);
    let mut random = StdRng::seed_from_u64(1);
    let bad = Ipv4Addr::new(127, 0, 0, 2);
    let tcp = MAIL_PORTS.into_iter().map(|(port, _)| port).chain([90, 91]);
    for port in tcp.map(|port| cluster.port(1, port)) {
        for kind in 0..20 {
            let mut octets = vec![0; random.random_range(1..64 << 10)];
            random.fill_bytes(&mut octets);
            // What looks like the beginning of TLS, and of HTTP.
            let start: &[u8] = match kind % 4 {
                0 => b"\x16\x03\x01\x20\x00\x01\x00\x1f\xfc\x03\x03",
                1 => b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
                _ => b"",
            };
            octets.splice(..0, start.iter().copied());
            let mut stream = connect_from(bad, port).expect("it listens");
            // It may be closed in the middle.
            let _ = stream.write_all(&octets);
            drop(stream);
        }
    }
    udp(cluster.port(1, 900), &mut random);
    // The first node still talks to the others: what it delivers needs a majority.
    beside.was_served();
    let (status, code) = cluster.status();
    assert_eq!(code, Some(0), "{status:#}");
    memory.has_grown_by_less_than(BESIDE_BYTES_MAX);
}

fn udp(port: u16, random: &mut StdRng) {
    let socket = UdpSocket::bind(("127.0.0.2", 0)).expect("an address of this machine");
    for number in 0..20_000 {
        let mut octets = vec![0; random.random_range(1..1_400)];
        random.fill_bytes(&mut octets);
        // Long headers of QUIC version 1: an Initial packet with random connection ids, as large as one has to be.
        if number % 2 == 0 {
            octets.resize(1_200, 0);
            octets[0] = 0xc0 | (octets[0] & 0x0f);
            octets[1..5].copy_from_slice(&[0, 0, 0, 1]);
            octets[5] = 8;
            octets[14] = 8;
        }
        // The kernel may have no room for it.
        let _ = socket.send_to(&octets, ("127.0.0.1", port));
    }
}

#[test]
fn a_command_line_of_ten_megabytes_is_refused_and_never_held() {
    let cluster = Cluster::start(ALONE);
    let beside = Beside::start(&cluster, 1);
    let memory = Memory::of(&cluster, 1);
    for (port, _) in MAIL_PORTS.into_iter().filter(|(_, is_secure)| !is_secure) {
        let connect = |_| connect_from(Ipv4Addr::new(127, 0, 0, 2), cluster.port(1, port)).expect("it listens");
        let mut streams: Vec<_> = (0..AT_ONCE).map(connect).collect();
        let piece = [b'x'; 64 << 10];
        for _ in 0..LONG / piece.len() {
            for stream in &mut streams {
                // It may be closed in the middle.
                let _ = stream.write_all(&piece);
            }
        }
        for mut stream in streams {
            let _ = stream.write_all(b"\r\nQUIT\r\n");
            let said = String::from_utf8_lossy(&read_to_close(&mut stream)).into_owned();
            let refused = ["\n500 ", "\n-ERR", "\n* BYE"]
                .iter()
                .any(|refusal| said.contains(refusal));
            // Where it was closed with octets unread, the kernel may take back what was said.
            assert!(refused || port == 143, "port {port} says {said:?}");
        }
    }
    beside.was_served();
    memory.has_grown_by_less_than(BESIDE_BYTES_MAX);
}

#[test]
fn literals_that_are_announced_and_never_sent_cost_next_to_nothing() {
    let cluster = Cluster::start(ALONE);
    let beside = Beside::start(&cluster, 1);
    let memory = Memory::of(&cluster, 1);
    let mut waiting = Vec::new();
    for number in 0..200 {
        let stream = connect_from(Ipv4Addr::new(127, 0, 0, 2), cluster.port(1, 143)).expect("it listens");
        let mut stream = BufReader::new(stream);
        let greeting = line(&mut stream).expect("it greets");
        assert!(greeting.starts_with("* OK"), "number {number} is told {greeting:?}");
        stream.get_mut().write_all(b"a LOGIN {2048}\r\n").expect("it is taken");
        let answer = line(&mut stream).expect("it answers");
        assert!(answer.starts_with('+'), "{answer:?}");
        stream
            .get_mut()
            .write_all(b"a LOGIN {2000000000+}\r\n")
            .expect("it is taken");
        waiting.push(stream);
    }
    let mut appending: Vec<_> = (0..100)
        .map(|_| RawImap::log_in(&cluster, 1, "user1@demo.test"))
        .collect();
    for session in &mut appending {
        session.send(b"t APPEND INBOX {50000000}\r\n").expect("it is taken");
        let answer = session.line();
        assert!(answer.starts_with('+'), "{answer:?}");
        session.send(b"Subject: never whole\r\n").expect("it is taken");
    }
    beside.was_served();
    memory.has_grown_by_less_than(BESIDE_BYTES_MAX);
    drop(appending);
    let mut reader = RawImap::log_in(&cluster, 1, "user1@demo.test");
    assert!(reader.ask("SELECT INBOX").starts_with("OK"));
    reader.send(b"t STATUS INBOX (MESSAGES)\r\n").expect("it is taken");
    assert_eq!(reader.line(), "* STATUS INBOX (MESSAGES 0)");
}
