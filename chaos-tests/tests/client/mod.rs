//! Just enough of SMTP and POP3 to put a message in and to read it, over std sockets.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

/// How long one reply may take.
const REPLY_WITHIN: Duration = Duration::from_secs(60);
/// Pause between two attempts.
const PAUSE: Duration = Duration::from_millis(100);

/// Lines in, lines out.
struct Lines {
    stream: BufReader<TcpStream>,
}

impl Lines {
    fn connect(port: u16) -> std::io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(REPLY_WITHIN))?;
        Ok(Self {
            stream: BufReader::new(stream),
        })
    }

    fn send(&mut self, text: &str) {
        self.stream
            .get_mut()
            .write_all(text.as_bytes())
            .expect("the server reads");
    }

    /// With its line end.
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).expect("the server answers in time");
        assert!(line.ends_with("\r\n"), "the connection ended after {line:?}");
        line
    }

    /// An SMTP reply, all its lines.
    fn reply(&mut self, code: &str) {
        loop {
            let line = self.line();
            assert!(line.starts_with(code), "{line}");
            if line.as_bytes().get(3) == Some(&b' ') {
                return;
            }
        }
    }
}

/// With a dot more before each that begins a line (RFC 5321 section 4.5.2).
fn stuffed(text: &str) -> String {
    let lines = text.split_inclusive('\n');
    lines
        .map(|line| {
            if line.starts_with('.') {
                format!(".{line}")
            } else {
                line.to_owned()
            }
        })
        .collect()
}

/// Delivers a message over SMTP.
pub(crate) fn deliver(port: u16, to: &str, text: &str) {
    let mut lines = Lines::connect(port).expect("the node listens");
    lines.reply("220");
    let steps = [
        ("EHLO client.example.org\r\n".to_owned(), "250"),
        ("MAIL FROM:<sender@example.org>\r\n".to_owned(), "250"),
        (format!("RCPT TO:<{to}>\r\n"), "250"),
        ("DATA\r\n".to_owned(), "354"),
        (format!("{}.\r\n", stuffed(text)), "250"),
        ("QUIT\r\n".to_owned(), "221"),
    ];
    for (step, code) in steps {
        lines.send(&step);
        lines.reply(code);
    }
}

/// A POP3 session.
pub(crate) struct Pop3(Lines);

impl Pop3 {
    /// Logs in; tries again for as long as the server says that it cannot for now.
    pub(crate) fn log_in(port: u16, user: &str, password: &str, patience: Duration) -> Self {
        let deadline = Instant::now() + patience;
        loop {
            match Self::try_log_in(port, user, password) {
                Ok(session) => return session,
                Err(reply) => assert!(Instant::now() < deadline, "POP3 on port {port}: {reply}"),
            }
            thread::sleep(PAUSE);
        }
    }

    fn try_log_in(port: u16, user: &str, password: &str) -> Result<Self, String> {
        let mut lines = Lines::connect(port).map_err(|error| error.to_string())?;
        lines.line();
        lines.send(&format!("USER {user}\r\n"));
        lines.line();
        lines.send(&format!("PASS {password}\r\n"));
        let reply = lines.line();
        match reply.starts_with("+OK") {
            true => Ok(Self(lines)),
            // A wrong password would never become right.
            false if reply.contains("[AUTH]") => panic!("{reply}"),
            false => Err(reply),
        }
    }

    fn ask(&mut self, command: &str) -> String {
        self.0.send(&format!("{command}\r\n"));
        let reply = self.0.line();
        assert!(reply.starts_with("+OK"), "{command}: {reply}");
        reply
    }

    /// Unique id and text of the only message.
    pub(crate) fn only_message(&mut self) -> (String, String) {
        let stat = self.ask("STAT");
        assert!(stat.starts_with("+OK 1 "), "{stat}");
        let uidl = self.ask("UIDL 1");
        self.ask("RETR 1");
        let mut text = String::new();
        loop {
            let line = self.0.line();
            if line == ".\r\n" {
                return (uidl, text);
            }
            text.push_str(line.strip_prefix('.').unwrap_or(&line));
        }
    }

    pub(crate) fn quit(mut self) {
        self.ask("QUIT");
    }
}
