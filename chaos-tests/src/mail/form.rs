//! What each protocol does to the bytes of a message, written down a second time and in the plainest way, so that it can
//! contradict the servers.

/// Received fields that a message may come with over SMTP.
const RECEIVED_FIELDS_MAX: usize = 50;

/// Why SMTP refuses a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A CR that no LF follows.
    BareCr,
    /// An LF that follows no CR.
    BareLf,
    /// A NUL.
    Nul,
    /// It has passed too many servers.
    Loop,
}

impl Refusal {
    /// Reply code, enhanced code, and a part of the text, by which a person sees what to do.
    #[must_use]
    pub fn reply(self) -> (u16, &'static str, &'static str) {
        match self {
            Self::BareCr => (550, "5.6.0", "carriage return without a line feed"),
            Self::BareLf => (550, "5.6.0", "line feed without a carriage return"),
            Self::Nul => (550, "5.6.0", "NUL byte"),
            Self::Loop => (554, "5.4.6", "loop"),
        }
    }
}

/// Why SMTP refuses this message, if it does. One with a fault in its lines that is in a loop as well may be refused for
/// either; here it counts as the former.
#[must_use]
pub fn smtp_refusal(message: &[u8]) -> Option<Refusal> {
    let message = as_smtp_carries(message);
    let at = |at: usize| message.get(at).copied();
    let fault = |(number, byte): (usize, &u8)| match byte {
        0 => Some(Refusal::Nul),
        b'\r' if at(number + 1) != Some(b'\n') => Some(Refusal::BareCr),
        b'\n' if number == 0 || at(number - 1) != Some(b'\r') => Some(Refusal::BareLf),
        _ => None,
    };
    let fault = message.iter().enumerate().find_map(fault);
    fault.or_else(|| (received_fields(&message) > RECEIVED_FIELDS_MAX).then_some(Refusal::Loop))
}

/// Received fields in the header of `message`.
fn received_fields(message: &[u8]) -> usize {
    let lines = message.split_inclusive(|byte| *byte == b'\n');
    let header = lines.take_while(|line| *line != b"\r\n");
    let is_received = |line: &&[u8]| line.len() >= 9 && line[..9].eq_ignore_ascii_case(b"received:");
    header.filter(is_received).count()
}

/// A text whose lines end with LF, or with both, as it goes out: each line ends with CR LF.
#[must_use]
pub fn crlf(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + text.len() / 30);
    for &byte in text {
        if byte == b'\n' && out.last() != Some(&b'\r') {
            out.push(b'\r');
        }
        out.push(byte);
    }
    out
}

/// A message as programs on Unix keep it: lines end with LF.
#[must_use]
pub fn lf(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len());
    for &byte in message {
        if byte == b'\n' && out.last() == Some(&b'\r') {
            out.pop();
        }
        out.push(byte);
    }
    out
}

/// What SMTP makes of a message: its last line has an end, since the dot needs a line of its own.
#[must_use]
pub fn as_smtp_carries(message: &[u8]) -> Vec<u8> {
    let mut message = message.to_vec();
    if !message.ends_with(b"\r\n") {
        message.extend_from_slice(b"\r\n");
    }
    message
}

/// With one more dot before each that begins a line (RFC 5321 section 4.5.2), and without the dot that ends the data.
#[must_use]
pub fn dot_stuffed(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + 16);
    for line in message.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(b".") {
            out.push(b'.');
        }
        out.extend_from_slice(line);
    }
    out
}

/// What RETR sends of a stored message, without the dots: a bare CR or LF becomes CR LF, and the last line has an end.
#[must_use]
pub fn as_pop3_sends(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + 2);
    let mut bytes = message.iter().peekable();
    while let Some(&byte) = bytes.next() {
        match byte {
            b'\r' => {
                bytes.next_if(|next| **next == b'\n');
                out.extend_from_slice(b"\r\n");
            }
            b'\n' => out.extend_from_slice(b"\r\n"),
            byte => out.push(byte),
        }
    }
    match out.is_empty() {
        true => out,
        false => as_smtp_carries(&out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_gets_the_end_it_lacks() {
        assert_eq!(crlf(b"a\nb\r\n\n\r"), b"a\r\nb\r\n\r\n\r");
        assert_eq!(lf(b"a\nb\r\n\r\n\r"), b"a\nb\n\n\r");
        assert_eq!(as_smtp_carries(b""), b"\r\n");
        assert_eq!(as_smtp_carries(b"a"), b"a\r\n");
        assert_eq!(as_smtp_carries(b"a\r\n"), b"a\r\n");
        assert_eq!(as_pop3_sends(b""), b"");
        assert_eq!(as_pop3_sends(b"a\rb\r\r\n\nc"), b"a\r\nb\r\n\r\n\r\nc\r\n");
    }

    #[test]
    fn dots_are_doubled_where_lines_begin() {
        assert_eq!(dot_stuffed(b".\r\na.\r\n..b\r\n"), b"..\r\na.\r\n...b\r\n");
    }

    #[test]
    fn the_first_fault_counts() {
        assert_eq!(smtp_refusal(b"a\r\n"), None);
        assert_eq!(smtp_refusal(b"a"), None);
        assert_eq!(smtp_refusal(b"a\nb\0"), Some(Refusal::BareLf));
        assert_eq!(smtp_refusal(b"a\0\n"), Some(Refusal::Nul));
        assert_eq!(smtp_refusal(b"a\r\r\n"), Some(Refusal::BareCr));
        assert_eq!(smtp_refusal(b"a\r\0"), Some(Refusal::BareCr));
        let hops = |count| "Received: x\r\n".repeat(count);
        assert_eq!(smtp_refusal(hops(50).as_bytes()), None);
        assert_eq!(smtp_refusal(hops(51).as_bytes()), Some(Refusal::Loop));
        assert_eq!(smtp_refusal(format!("\r\n{}", hops(51)).as_bytes()), None);
    }
}
