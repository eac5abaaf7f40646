//! Counts the Received fields of a message as it streams by (RFC 5321 6.3).

/// Counts up to the empty line that ends the header.
#[derive(Clone, Debug)]
pub(crate) struct HopCounter {
    /// How much of `NAME` the current line has matched; `None` once it cannot any more.
    matched: Option<usize>,
    is_line_empty: bool,
    is_over: bool,
    count: u32,
}

const NAME: &[u8] = b"received:";

impl HopCounter {
    pub(crate) fn new() -> Self {
        Self {
            matched: Some(0),
            is_line_empty: true,
            is_over: false,
            count: 0,
        }
    }

    /// Takes the next bytes of a message whose lines end with CR LF.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if self.is_over {
                return;
            }
            match byte {
                b'\n' if self.is_line_empty => self.is_over = true,
                b'\n' => (self.matched, self.is_line_empty) = (Some(0), true),
                b'\r' => {}
                byte => self.step(*byte),
            }
        }
    }

    fn step(&mut self, byte: u8) {
        self.is_line_empty = false;
        self.matched = match self.matched {
            Some(at) if NAME[at].eq_ignore_ascii_case(&byte) => Some(at + 1),
            _ => None,
        };
        if self.matched == Some(NAME.len()) {
            self.count += 1;
            self.matched = None;
        }
    }

    pub(crate) fn count(&self) -> u32 {
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_count_in_the_header_and_nowhere_else() {
        let message =
            b"Received: a\r\n\tReceived: folded\r\nX-Received: b\r\nRECEIVED: c\r\nReceive\r\n\r\nReceived: d\r\n";
        for step in 1..20 {
            let mut hops = HopCounter::new();
            message.chunks(step).for_each(|piece| hops.push(piece));
            assert_eq!(hops.count(), 2);
        }
    }
}
