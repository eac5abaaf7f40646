//! Many clients, slow clients, and clients that guess: who behaves is served beside them.

use std::io::{BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use chaos_tests::process::Cluster;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::support::{A_WHILE, ALONE, Beside, MAIL_PORTS, Memory, RawImap, connect_from, line};

/// Connections that do nothing.
const IDLE: usize = 10_000;
/// Those of one address: fewer than one client may have.
const IDLE_PER_ADDRESS: usize = 200;
/// What one of them may cost a node, in bytes.
const IDLE_BYTES_MAX: u64 = 32 << 10;
/// What a node may take meanwhile for all else, in bytes: log-ins, write buffers.
const BESIDE_BYTES_MAX: u64 = 192 << 20;
/// Connections that one address makes as fast as it can.
const FLOOD: usize = 6_000;
/// What one address may do: `connections_per_client_max` and `connections_per_client_per_second` by default.
const AT_ONCE: f64 = 256.0;
const PER_SECOND: f64 = 50.0;

/// Lets this process have a connection for each client that it plays.
fn raise_descriptors() {
    let wanted = u64::try_from(IDLE + 1_000).expect("a small number");
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("it is known");
    assert!(
        hard >= wanted,
        "this test needs {wanted} open files, {hard} are allowed: ulimit -n"
    );
    setrlimit(Resource::RLIMIT_NOFILE, soft.max(wanted), hard).expect("it is allowed");
}

/// The first line, and the connection.
fn greeted(address: Ipv4Addr, port: u16) -> (String, TcpStream) {
    let stream = connect_from(address, port).expect("it listens");
    let mut reader = BufReader::with_capacity(512, &stream);
    let line = line(&mut reader).expect("it says something");
    (line, stream)
}

#[test]
fn crowds_are_admitted_up_to_what_one_address_may_and_turned_away_politely_beyond() {
    raise_descriptors();
    let cluster = Cluster::start(ALONE);
    let mut beside = Beside::start(&cluster, 1);
    let memory = Memory::of(&cluster, 1);
    idle(&cluster, &mut beside);
    flood(&cluster);
    beside.was_served();
    memory.has_grown_by_less_than(IDLE as u64 * IDLE_BYTES_MAX + BESIDE_BYTES_MAX);
}

fn idle(cluster: &Cluster, beside: &mut Beside) {
    let ports = [25, 587, 110].map(|port| cluster.port(1, port));
    let mut open = Vec::with_capacity(IDLE);
    for number in 0..IDLE {
        let of_address = u8::try_from(number / IDLE_PER_ADDRESS).expect("few addresses");
        let (line, stream) = greeted(Ipv4Addr::new(127, 0, 1, of_address), ports[number % ports.len()]);
        assert!(
            line.starts_with("220 ") || line.starts_with("+OK"),
            "number {number} is told {line:?}"
        );
        open.push(stream);
    }
    beside.see_rounds(3);
    // One address more than its share.
    let full = Ipv4Addr::new(127, 0, 1, 0);
    let more: Vec<_> = (0..100).map(|_| greeted(full, ports[0])).collect();
    let refused = more.iter().filter(|(line, _)| line.starts_with("421 ")).count();
    assert!(refused >= 40, "{refused} of 100 more were refused");
}

fn flood(cluster: &Cluster) {
    let (bad, good) = (Ipv4Addr::new(127, 0, 2, 1), Ipv4Addr::new(127, 0, 2, 2));
    let port = cluster.port(1, 143);
    let begun = Instant::now();
    let flooding: Vec<_> = (0..4)
        .map(|_| {
            thread::spawn(move || {
                let lines = (0..FLOOD / 4).map(|_| greeted(bad, port).0);
                let (admitted, refused): (Vec<_>, Vec<_>) = lines.partition(|line| line.starts_with("* OK"));
                for line in &refused {
                    assert!(line.starts_with("* BYE"), "it is turned away with {line:?}");
                }
                admitted.len()
            })
        })
        .collect();
    let mut served = 0;
    while flooding.iter().any(|thread| !thread.is_finished()) {
        // Within what it may itself.
        if served < 200 {
            let (line, _) = greeted(good, port);
            assert!(line.starts_with("* OK"), "another address is told {line:?}");
            served += 1;
        } else {
            thread::sleep(Duration::from_millis(50));
        }
    }
    let admitted: usize = flooding
        .into_iter()
        .map(|thread| thread.join().expect("it does not panic"))
        .sum();
    let allowed = AT_ONCE + PER_SECOND * begun.elapsed().as_secs_f64() + 1.0;
    assert!(served > 0);
    #[expect(clippy::cast_precision_loss, reason = "thousands")]
    let admitted = admitted as f64;
    assert!(admitted <= allowed, "{admitted} were admitted, {allowed} are allowed");
}

#[test]
fn an_octet_a_second_on_every_port_holds_up_nobody() {
    let cluster = Cluster::start(ALONE);
    let mut slow = Vec::new();
    for (port, _) in MAIL_PORTS.into_iter().chain([(90, true), (91, false)]) {
        for _ in 0..10 {
            slow.push(connect_from(Ipv4Addr::new(127, 0, 0, 2), cluster.port(1, port)).expect("it listens"));
        }
    }
    // Readers of a message that is much larger than what sockets hold.
    let mut writer = RawImap::log_in(&cluster, 1, "user1@demo.test");
    let message = [b"Subject: long\r\n\r\n".to_vec(), vec![b'x'; 20 << 20]].concat();
    writer
        .send(format!("t APPEND INBOX {{{}+}}\r\n", message.len()).as_bytes())
        .expect("it is taken");
    writer.send(&message).expect("it is taken");
    writer.send(b"\r\n").expect("it is taken");
    assert!(writer.end().starts_with("OK"));
    let memory = Memory::of(&cluster, 1);
    let mut readers: Vec<_> = (0..10)
        .map(|_| RawImap::log_in(&cluster, 1, "user1@demo.test"))
        .collect();
    for reader in &mut readers {
        assert!(reader.ask("SELECT INBOX").starts_with("OK"));
        reader.send(b"t FETCH 1 BODY.PEEK[]\r\n").expect("it is taken");
    }
    let mut beside = Beside::start(&cluster, 1);
    let begun = Instant::now();
    while begun.elapsed() < A_WHILE {
        for stream in &mut slow {
            // A port that has had enough of it may close.
            let _ = stream.write(b"a");
        }
        readers.iter_mut().for_each(RawImap::read_one);
        beside.see_rounds(1);
        thread::sleep(Duration::from_secs(1));
    }
    beside.was_served();
    memory.has_grown_by_less_than(BESIDE_BYTES_MAX);
}

#[test]
fn guessing_is_slowed_by_account_and_by_network_and_never_locks_the_owner_out() {
    let cluster = Cluster::start(ALONE);
    let port = cluster.port(1, 110);
    let guess = move |from: Ipv4Addr, user: String| {
        let (line, mut stream) = greeted(from, port);
        assert!(line.starts_with("+OK"), "{line:?}");
        write!(stream, "USER {user}\r\nPASS guess\r\n").expect("it is taken");
        let mut said = String::new();
        while said.matches('\n').count() < 2 {
            let mut octets = [0; 256];
            let len = stream.read(&mut octets).expect("it answers");
            assert!(len > 0, "it ends after {said:?}");
            said += &String::from_utf8_lossy(&octets[..len]);
        }
        assert!(said.contains("-ERR"), "{said:?}");
    };
    let beside = Beside::start(&cluster, 1);
    let begun = Instant::now();
    // At one account from five networks; and at names of nobody from a sixth.
    let mut guessing: Vec<_> = (1..=5)
        .map(|number| {
            let from = Ipv4Addr::new(127, 0, 3, number);
            thread::spawn(move || (0..5).for_each(|_| guess(from, "user1@demo.test".to_owned())))
        })
        .collect();
    guessing.push(thread::spawn(move || {
        let from = Ipv4Addr::new(127, 0, 3, 9);
        (0..26).for_each(|number| guess(from, format!("nobody{number}@demo.test")));
    }));
    // Whoever owns the account gets in all the while.
    let mut log_ins = 0;
    while guessing.iter().any(|thread| !thread.is_finished()) {
        drop(RawImap::log_in(&cluster, 1, "user1@demo.test"));
        log_ins += 1;
    }
    let networks = guessing.pop().expect("it was pushed");
    for thread in guessing {
        thread.join().expect("its guesses are answered");
    }
    networks.join().expect("its guesses are answered");
    // Of 26 failures of a network, those past the twentieth wait for 0.25, 0.5, 1, 2 and 4 seconds.
    let took = begun.elapsed();
    assert!(took >= Duration::from_secs(7), "26 guesses took {took:?}");
    assert!(log_ins > 0);
    beside.was_served();
}
