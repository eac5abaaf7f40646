//! What the tests of this binary share: sockets from chosen addresses, a well-behaved client, and a look at memory.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use chaos_tests::process::client::{Dialect, Imap, Smtp, Trouble};
use chaos_tests::process::limits::{LOOK_EVERY, PATIENCE, REPLY_WITHIN};
use chaos_tests::process::{Cluster, Shape};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn, bind, connect, socket};
use nix::unistd::Pid;

/// One node with one shelf and one group: what most of these tests abuse.
pub(crate) const ALONE: Shape = Shape {
    nodes: 1,
    shelves: 1,
    groups: 1,
    accounts: 3,
};

/// The ports for mail, by their standard numbers, and whether TLS comes first.
pub(crate) const MAIL_PORTS: [(u16, bool); 8] = [
    (25, false),
    (24, false),
    (587, false),
    (143, false),
    (110, false),
    (465, true),
    (993, true),
    (995, true),
];

/// A connection from an address of this machine.
pub(crate) fn connect_from(address: Ipv4Addr, port: u16) -> io::Result<TcpStream> {
    let socket = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    bind(socket.as_raw_fd(), &SockaddrIn::from(SocketAddrV4::new(address, 0)))?;
    connect(
        socket.as_raw_fd(),
        &SockaddrIn::from(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)),
    )?;
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(REPLY_WITHIN))?;
    stream.set_write_timeout(Some(REPLY_WITHIN))?;
    Ok(stream)
}

/// The next line, without its end; empty at the end of the connection.
pub(crate) fn line(stream: &mut impl BufRead) -> io::Result<String> {
    let mut line = Vec::new();
    stream.take(1 << 20).read_until(b'\n', &mut line)?;
    Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
}

/// An IMAP session in which a test says every octet itself.
pub(crate) struct RawImap {
    stream: BufReader<TcpStream>,
}

impl RawImap {
    pub(crate) fn log_in(cluster: &Cluster, node: u16, user: &str) -> Self {
        let stream = connect_from(Ipv4Addr::LOCALHOST, cluster.port(node, 143)).expect("it listens");
        let stream = BufReader::new(stream);
        let mut session = Self { stream };
        let greeting = session.line();
        assert!(greeting.starts_with("* OK"), "{greeting}");
        let end = session.ask(&format!("LOGIN {user} demo"));
        assert!(end.starts_with("OK"), "{end}");
        session
    }

    pub(crate) fn send(&mut self, octets: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(octets)
    }

    /// Takes one octet, if one is there.
    pub(crate) fn read_one(&mut self) {
        let mut octet = [0];
        // Past the buffer: what stands there was taken from the socket long ago.
        let _ = self.stream.get_mut().read(&mut octet);
    }

    pub(crate) fn line(&mut self) -> String {
        line(&mut self.stream).expect("the node answers")
    }

    /// The tagged reply to a command, without its tag.
    pub(crate) fn ask(&mut self, command: &str) -> String {
        self.send(format!("t {command}\r\n").as_bytes()).expect("it is taken");
        self.end()
    }

    /// The next tagged reply, without its tag.
    pub(crate) fn end(&mut self) -> String {
        loop {
            let line = self.line();
            match line.strip_prefix("t ") {
                Some(end) => return end.to_owned(),
                None => assert!(line.starts_with("* "), "{line:?}"),
            }
        }
    }
}

/// A client as there are many: it delivers a message and looks into its mailbox, over and over, and everything it asks for
/// is done.
pub(crate) struct Beside {
    stop: Arc<AtomicBool>,
    rounds: Arc<AtomicUsize>,
    thread: Option<JoinHandle<Result<(), Trouble>>>,
}

impl Beside {
    /// Begins at `node`, as `user3`, and returns after the first round.
    pub(crate) fn start(cluster: &Cluster, node: u16) -> Self {
        let ports = (cluster.port(node, 24), cluster.port(node, 143));
        let (stop, rounds) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let of_thread = (stop.clone(), rounds.clone());
        let thread = thread::spawn(move || {
            while !of_thread.0.load(Ordering::SeqCst) {
                round(ports)?;
                of_thread.1.fetch_add(1, Ordering::SeqCst);
            }
            Ok(())
        });
        let mut beside = Self {
            stop,
            rounds,
            thread: Some(thread),
        };
        beside.see_rounds(1);
        beside
    }

    /// Waits for so many rounds from now on.
    pub(crate) fn see_rounds(&mut self, rounds: usize) {
        let (deadline, wanted) = (Instant::now() + PATIENCE, self.rounds.load(Ordering::SeqCst) + rounds);
        while self.rounds.load(Ordering::SeqCst) < wanted {
            if self.thread.as_ref().is_none_or(JoinHandle::is_finished) {
                return self.join();
            }
            assert!(Instant::now() < deadline, "a well-behaved client is held up");
            thread::sleep(LOOK_EVERY);
        }
    }

    /// Ends; everything that was asked for until now was done.
    pub(crate) fn was_served(mut self) {
        self.see_rounds(2);
        self.stop.store(true, Ordering::SeqCst);
        self.join();
    }

    fn join(&mut self) {
        if let Some(thread) = self.thread.take() {
            let outcome = thread.join().expect("it does not panic");
            outcome.unwrap_or_else(|trouble| panic!("a well-behaved client was not served: {trouble}"));
        }
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
    }
}

fn round((lmtp, imap): (u16, u16)) -> Result<(), Trouble> {
    let mut sender = Smtp::connect(lmtp, Dialect::Lmtp)?;
    let to = ["user3@demo.test".to_owned()];
    for outcome in sender.deliver("somebody@client.example", &to, b"Subject: beside\r\n\r\nx\r\n") {
        outcome?;
    }
    sender.quit()?;
    let mut reader = Imap::log_in(imap, "user3@demo.test", "demo")?;
    assert!(reader.select("INBOX")?.exists > 0);
    reader.log_out()
}

/// What a process holds and has held at most, in bytes.
pub(crate) struct Memory {
    pid: Pid,
    before: u64,
}

impl Memory {
    pub(crate) fn of(cluster: &Cluster, node: u16) -> Self {
        let pid = cluster.pid(node);
        let before = field(pid, "VmHWM:");
        Self { pid, before }
    }

    /// It has never held more than so many bytes beyond what it had held before this was made.
    pub(crate) fn has_grown_by_less_than(&self, bytes: u64) {
        let grown = field(self.pid, "VmHWM:").saturating_sub(self.before);
        assert!(grown < bytes, "memory has grown by {} MiB", grown >> 20);
    }
}

fn field(pid: Pid, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the node runs");
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.expect("a number of kB") << 10
}

/// Waits for the other end to close, and returns what it said before, as far as it says anything within the patience of a
/// client.
pub(crate) fn read_to_close(stream: &mut impl Read) -> Vec<u8> {
    let mut said = Vec::new();
    let mut piece = [0; 4096];
    loop {
        match stream.read(&mut piece) {
            Ok(0) => return said,
            Ok(len) => said.extend_from_slice(&piece[..len]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => panic!("it is kept open: {said:?}"),
            // What was sent and not read any more makes the kernel say so.
            Err(_) => return said,
        }
    }
}

/// Time over which something is watched that must not happen at all; longer shows no more.
pub(crate) const A_WHILE: Duration = Duration::from_secs(5);
