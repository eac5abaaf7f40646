//! The messages of a run: each is known by a number, and made anew from seed and number wherever it is compared.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::limits::{BODY_BYTES_MAX, LARGE_BYTES_MAX, LARGE_EVERY};

const ID_START: &str = "Message-ID: <";
const ID_END: &str = "@kill.example>";
/// A body section that has the number in it.
pub(super) const SECTION: &str = "BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)]";

/// Message `number` of a run, in lines that end with CR LF.
pub(super) fn bytes(seed: u64, number: u32) -> Vec<u8> {
    let mut rng = StdRng::seed_from_u64(seed.rotate_left(32) ^ u64::from(number));
    let bytes_max = match number % LARGE_EVERY {
        0 => LARGE_BYTES_MAX,
        _ => BODY_BYTES_MAX,
    };
    let end = rng.random_range(0..bytes_max);
    let mut out = format!(
        "{ID_START}{number}{ID_END}\r\nFrom: sender@kill.example\r\nSubject: number {number}\r\n\r\n\
         This is message {number} of seed {seed}.\r\n"
    )
    .into_bytes();
    while out.len() < end {
        // Dots at the start of lines, and lines that are empty.
        if rng.random_range(0..8) == 0 {
            out.extend_from_slice(&b"..."[..rng.random_range(0..3)]);
        }
        let length = rng.random_range(0..=76);
        out.extend((0..length).map(|_| rng.random_range(b' '..=b'~')));
        out.extend_from_slice(b"\r\n");
    }
    out
}

/// The number of the message with this header.
pub(super) fn number(header: &[u8]) -> Option<u32> {
    let header = String::from_utf8_lossy(header);
    let (_, rest) = header.split_once(ID_START)?;
    let (number, _) = rest.split_once(ID_END)?;
    number.parse().ok()
}

/// What is wrong with a message that was delivered to `user`, or appended, and is stored so.
pub(super) fn fault(stored: &[u8], sent: &[u8], delivered_to: Option<&str>) -> Option<String> {
    let Some(prefix) = stored.strip_suffix(sent) else {
        return Some(format!(
            "{} octets were stored as {}, and others",
            sent.len(),
            stored.len()
        ));
    };
    let Some(user) = delivered_to else {
        return (!prefix.is_empty()).then(|| format!("{} octets stand before what was appended", prefix.len()));
    };
    let prefix = String::from_utf8_lossy(prefix);
    let delivered_to = format!("Delivered-To: {user}");
    let mut lines = prefix.split_terminator("\r\n");
    let is_trace = lines.next().is_some_and(|line| line.starts_with("Return-Path: <"))
        && lines.next() == Some(delivered_to.as_str())
        && lines.next().is_some_and(|line| line.starts_with("Received: from "))
        && lines.all(|line| line.starts_with('\t'));
    (!is_trace).then(|| format!("it stands behind {prefix:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_known_by_its_number() {
        assert_eq!(bytes(1, 7), bytes(1, 7));
        assert_ne!(bytes(1, 7), bytes(2, 7));
        assert_eq!(number(&bytes(1, 7)), Some(7));
        assert!((1..200).map(|number| bytes(1, number).len()).max() > Some(512 << 10));
    }

    #[test]
    fn every_octet_counts() {
        let sent = bytes(1, 3);
        let trace = "Return-Path: <a@b>\r\nDelivered-To: u\r\nReceived: from x\r\n\tby y\r\n";
        let stored = [trace.as_bytes(), &sent].concat();
        assert_eq!(fault(&stored, &sent, Some("u")), None);
        assert_eq!(fault(&sent, &sent, None), None);
        assert!(fault(&stored, &sent, None).is_some() && fault(&sent, &sent, Some("u")).is_some());
        assert!(fault(&stored, &sent, Some("other")).is_some());
        for at in (trace.len()..stored.len()).step_by(97) {
            let mut changed = stored.clone();
            changed[at] ^= 1;
            assert!(fault(&changed, &sent, Some("u")).is_some(), "{at}");
        }
    }
}
