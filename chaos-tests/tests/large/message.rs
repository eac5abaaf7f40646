//! Messages of any size that can be told apart at every place.

use std::fmt::Write;

/// The size that the promise is about.
pub(crate) const LARGE_BYTES: usize = 50_000_000;
/// Less than one piece of a body (256 KiB).
pub(crate) const SMALL_BYTES: usize = 200_000;

/// A message of `bytes` bytes. Its lines look random, and hardly compress; none starts with a dot.
pub(crate) fn message(number: u64, bytes: usize) -> String {
    let mut text = String::with_capacity(bytes + 80);
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        "From: sender@example.org\r\nSubject: large\r\nMessage-ID: <{number}.large@example.org>\r\n\r\n"
    );
    let mut state = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    while text.len() < bytes {
        for _ in 0..6 {
            // xorshift64: a few instructions for each eleven characters.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            for sextet in 0..10 {
                text.push(char::from(
                    b'0' + u8::try_from(state >> (sextet * 6) & 63).expect("six bits"),
                ));
            }
        }
        text.push_str("\r\n");
    }
    text.truncate(bytes - 2);
    // A line end may have been cut in two.
    let whole = text.trim_end_matches(['\r', '\n']).len();
    text.truncate(whole);
    text.push_str("\r\n");
    text
}
