//! What a message must keep to while it streams in, however it comes, over any chunking.
//!
//! A bare CR or LF is refused. In DATA it is how a second message is smuggled past a server that reads line ends more
//! loosely than the one before it (RFC 5321 2.3.8 forbids both). BDAT counts octets, so nothing can be smuggled in,
//! but the message goes out again over protocols of lines, and would then have to be changed, or would smuggle itself
//! there; only BINARYMIME, which is not offered, may carry such lines (RFC 3030 3). A NUL byte is refused for the
//! same reason: RFC 5321 4.1.1.4 takes it from the character set unwillingly, RFC 2045 2.7 and 2.8 keep it out of
//! whatever is not binary, and IMAP could hand it out only as literal8. APPEND remains a way in for all of these.

use crate::hops::HopCounter;
use crate::limits::{LINE_BYTES_ADVISED, RECEIVED_FIELDS_MAX};
use crate::replies;
use crate::reply::Reply;

/// Why a message is refused while it comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A CR that no LF follows.
    BareCr,
    /// An LF that follows no CR.
    BareLf,
    /// A NUL byte.
    Nul,
    /// More octets than the server takes (RFC 1870 6.3).
    TooLarge,
    /// More Received fields than [`RECEIVED_FIELDS_MAX`].
    Loop,
}

impl Fault {
    /// What the client is told.
    #[must_use]
    pub fn reply(self) -> Reply {
        match self {
            Self::BareCr => replies::bare_cr(),
            Self::BareLf => replies::bare_lf(),
            Self::Nul => replies::nul_byte(),
            Self::TooLarge => replies::too_large(),
            Self::Loop => replies::looping(),
        }
    }
}

/// What is known of a message once it is whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MessageFacts {
    /// Octets, stuffed dots and the end of data not counted.
    pub bytes: u64,
    /// Received fields it came with.
    pub received_fields: u32,
    /// Lines longer than [`LINE_BYTES_ADVISED`].
    pub long_lines: u64,
}

/// Checks one message.
#[derive(Clone, Debug)]
pub(crate) struct Intake {
    bytes: u64,
    bytes_max: u64,
    hops: HopCounter,
    is_after_cr: bool,
    line_bytes: usize,
    long_lines: u64,
}

impl Intake {
    pub(crate) fn new(bytes_max: u64) -> Self {
        Self {
            bytes: 0,
            bytes_max,
            hops: HopCounter::new(),
            is_after_cr: false,
            line_bytes: 0,
            long_lines: 0,
        }
    }

    /// Takes the next bytes. After a fault nothing more is to be given.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.bytes = self.bytes.saturating_add(bytes.len() as u64);
        if self.bytes > self.bytes_max {
            return Err(Fault::TooLarge);
        }
        self.check_lines(bytes)?;
        self.hops.push(bytes);
        if self.hops.count() > RECEIVED_FIELDS_MAX {
            return Err(Fault::Loop);
        }
        Ok(())
    }

    /// Octets so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Ends the message.
    pub(crate) fn finish(&self) -> Result<MessageFacts, Fault> {
        if self.is_after_cr {
            return Err(Fault::BareCr);
        }
        let is_last_long = self.line_bytes > LINE_BYTES_ADVISED;
        Ok(MessageFacts {
            bytes: self.bytes,
            received_fields: self.hops.count(),
            long_lines: self.long_lines + u64::from(is_last_long),
        })
    }

    fn check_lines(&mut self, mut bytes: &[u8]) -> Result<(), Fault> {
        while let Some(&first) = bytes.first() {
            match (self.is_after_cr, first) {
                (true, b'\n') => {
                    self.is_after_cr = false;
                    self.long_lines += u64::from(self.line_bytes > LINE_BYTES_ADVISED);
                    self.line_bytes = 0;
                }
                (true, _) => return Err(Fault::BareCr),
                (false, b'\n') => return Err(Fault::BareLf),
                (false, 0) => return Err(Fault::Nul),
                (false, b'\r') => self.is_after_cr = true,
                (false, _) => {
                    let is_plain = |byte: &u8| !matches!(byte, 0 | b'\r' | b'\n');
                    let plain = bytes.iter().take_while(|byte| is_plain(byte)).count();
                    self.line_bytes += plain;
                    bytes = &bytes[plain..];
                    continue;
                }
            }
            bytes = &bytes[1..];
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(message: &[u8], bytes_max: u64, step: usize) -> Result<MessageFacts, Fault> {
        let mut intake = Intake::new(bytes_max);
        message.chunks(step).try_for_each(|piece| intake.push(piece))?;
        intake.finish()
    }

    #[test]
    fn line_ends_are_crlf_and_nul_is_nowhere() {
        for step in 1..6 {
            let facts = check(b"a\r\n\r\nb", 100, step).unwrap();
            assert_eq!(facts.bytes, 6);
            for (message, fault) in [
                (&b"a\n"[..], Fault::BareLf),
                (b"a\r\n\n", Fault::BareLf),
                (b"\n", Fault::BareLf),
                (b"a\rb", Fault::BareCr),
                (b"a\r\r\n", Fault::BareCr),
                (b"a\r", Fault::BareCr),
                (b"a\r\n\0", Fault::Nul),
            ] {
                assert_eq!(check(message, 100, step), Err(fault), "{message:?} by {step}");
            }
        }
    }

    #[test]
    fn the_size_may_be_reached_and_not_passed() {
        assert!(check(b"12345", 5, 2).is_ok());
        assert_eq!(check(b"123456", 5, 2), Err(Fault::TooLarge));
    }

    #[test]
    fn one_received_field_too_many_is_a_loop() {
        let field = "Received: by a\r\n";
        let most = field.repeat(RECEIVED_FIELDS_MAX as usize);
        assert_eq!(check(most.as_bytes(), 1 << 20, 7).unwrap().received_fields, 50);
        assert_eq!(check((most + field).as_bytes(), 1 << 20, 7), Err(Fault::Loop));
    }

    #[test]
    fn long_lines_are_counted_and_kept() {
        let message = format!("{}\r\n{}\r\n{}", "x".repeat(998), "x".repeat(999), "x".repeat(1 << 20));
        assert_eq!(check(message.as_bytes(), 1 << 30, 100).unwrap().long_lines, 2);
    }
}
