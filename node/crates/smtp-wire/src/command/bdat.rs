//! BDAT (RFC 3030 2): a number of octets, which follow whatever the reply, and perhaps LAST.

use super::{BadCommand, Command, number};

pub(super) fn read(argument: &[u8]) -> Result<Command, BadCommand> {
    let mut words = argument.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    let bytes = words.next().and_then(number).ok_or(BadCommand::Bdat)?;
    let is_last = match words.next() {
        None => false,
        Some(word) if word.eq_ignore_ascii_case(b"LAST") => true,
        Some(_) => return Err(BadCommand::Bdat),
    };
    match words.next() {
        None => Ok(Command::Bdat { bytes, is_last }),
        Some(_) => Err(BadCommand::Bdat),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_has_a_size_and_perhaps_is_the_last() {
        let read = |text: &str| Command::read(text.as_bytes());
        let chunk = |bytes, is_last| Ok(Command::Bdat { bytes, is_last });
        assert_eq!(read("BDAT 0 last"), chunk(0, true));
        assert_eq!(read("bdat 1000"), chunk(1000, false));
        for text in [
            "BDAT",
            "BDAT x",
            "BDAT -1",
            "BDAT 1 FIRST",
            "BDAT 1 LAST LAST",
            "BDAT 99999999999999999999",
        ] {
            assert_eq!(read(text), Err(BadCommand::Bdat), "{text}");
        }
    }
}
