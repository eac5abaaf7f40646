//! Just enough of SMTP, LMTP, IMAP and POP3 to move a large message, over std sockets.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// How long a server may keep silent.
const SILENCE_MAX: Duration = Duration::from_secs(90);
const PASSWORD: &str = "demo";

struct Wire {
    stream: BufReader<TcpStream>,
}

impl Wire {
    fn connect(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("the node listens");
        for set in [TcpStream::set_read_timeout, TcpStream::set_write_timeout] {
            set(&stream, Some(SILENCE_MAX)).expect("a time limit");
        }
        Self {
            stream: BufReader::new(stream),
        }
    }

    fn send(&mut self, text: &str) {
        let sent = self.stream.get_mut().write_all(text.as_bytes());
        sent.expect("the server reads");
    }

    /// With its line end.
    fn line(&mut self) -> Vec<u8> {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line).expect("the server answers");
        assert!(line.ends_with(b"\r\n"), "the connection ended after {}", shown(&line));
        line
    }

    /// The next line, which has to begin so.
    fn expect(&mut self, start: &str) -> String {
        let line = shown(&self.line());
        assert!(line.starts_with(start), "{start} was expected, and not {line}");
        line
    }

    /// An SMTP reply, all its lines.
    fn reply(&mut self, code: &str) {
        while self.expect(code).as_bytes().get(3) == Some(&b'-') {}
    }
}

fn shown(line: &[u8]) -> String {
    String::from_utf8_lossy(line).into_owned()
}

/// Delivers a message without lines that start with a dot; `hello` is EHLO for SMTP, LHLO for LMTP.
pub(crate) fn deliver(port: u16, hello: &str, to: &str, text: &str) {
    let mut wire = Wire::connect(port);
    wire.reply("220");
    let steps = [
        (format!("{hello} client.example.org\r\n"), "250"),
        ("MAIL FROM:<sender@example.org>\r\n".to_owned(), "250"),
        (format!("RCPT TO:<{to}>\r\n"), "250"),
        ("DATA\r\n".to_owned(), "354"),
    ];
    for (step, code) in steps {
        wire.send(&step);
        wire.reply(code);
    }
    wire.send(text);
    wire.send(".\r\n");
    wire.reply("250");
    wire.send("QUIT\r\n");
    wire.reply("221");
}

/// An IMAP session.
pub(crate) struct Imap(Wire);

impl Imap {
    pub(crate) fn log_in(port: u16, user: &str) -> Self {
        let mut wire = Wire::connect(port);
        wire.expect("* OK");
        let mut imap = Self(wire);
        imap.run(&format!("LOGIN {user} {PASSWORD}"));
        imap
    }

    /// Runs a command and returns the lines before its OK.
    fn run(&mut self, command: &str) -> Vec<String> {
        self.0.send(&format!("a {command}\r\n"));
        self.until_ok()
    }

    fn until_ok(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let line = shown(&self.0.line());
            if line.starts_with("a ") {
                assert!(line.starts_with("a OK"), "{line}");
                return lines;
            }
            lines.push(line);
        }
    }

    pub(crate) fn append(&mut self, text: &str) {
        self.0.send(&format!("a APPEND INBOX {{{}}}\r\n", text.len()));
        loop {
            let line = shown(&self.0.line());
            if line.starts_with('+') {
                break;
            }
            assert!(line.starts_with('*'), "{line}");
        }
        self.0.send(text);
        self.0.send("\r\n");
        self.until_ok();
    }

    /// Selects INBOX and returns the number of its last message.
    pub(crate) fn select_newest(&mut self) -> u32 {
        let lines = self.run("SELECT INBOX");
        let exists = lines
            .iter()
            .find_map(|line| line.strip_suffix(" EXISTS\r\n")?.strip_prefix("* "));
        let exists = exists.unwrap_or_else(|| panic!("{lines:?}"));
        exists.parse().expect("a number of messages")
    }

    /// The literal in the answer to a FETCH of one item.
    pub(crate) fn fetch(&mut self, message: u32, item: &str) -> Vec<u8> {
        self.0.send(&format!("a FETCH {message} ({item})\r\n"));
        let head = self.0.expect(&format!("* {message} FETCH ("));
        let len = head.rsplit_once('{').and_then(|(_, len)| len.strip_suffix("}\r\n"));
        let len = len.and_then(|len| len.parse().ok()).unwrap_or_else(|| panic!("{head}"));
        let mut bytes = vec![0; len];
        self.0
            .stream
            .read_exact(&mut bytes)
            .expect("the server sends what it promised");
        self.until_ok();
        bytes
    }
}

/// A POP3 session.
pub(crate) struct Pop3(Wire);

impl Pop3 {
    pub(crate) fn log_in(port: u16, user: &str) -> Self {
        let mut wire = Wire::connect(port);
        wire.expect("+OK");
        let mut pop3 = Self(wire);
        pop3.ask(&format!("USER {user}"));
        pop3.ask(&format!("PASS {PASSWORD}"));
        pop3
    }

    fn ask(&mut self, command: &str) -> String {
        self.0.send(&format!("{command}\r\n"));
        self.0.expect("+OK")
    }

    /// The bytes of the last message.
    pub(crate) fn newest(&mut self) -> Vec<u8> {
        let stat = self.ask("STAT");
        let count = stat.split(' ').nth(1).unwrap_or_else(|| panic!("{stat}")).to_owned();
        self.ask(&format!("RETR {count}"));
        let mut text = Vec::new();
        loop {
            let line = self.0.line();
            if line == b".\r\n" {
                return text;
            }
            text.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
        }
    }

    pub(crate) fn quit(mut self) {
        self.ask("QUIT");
    }
}
