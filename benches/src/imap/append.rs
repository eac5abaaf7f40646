//! APPEND (RFC 3501 section 6.3.11), several at once: pipelined, or as one command (MULTIAPPEND, RFC 3502). Messages do
//! not wait for leave (LITERAL+, RFC 7888).

use std::ops::Range;

use super::Client;
use crate::message::Stock;

impl Client {
    /// Appends messages to INBOX: one command for all of them with `is_multi`, else one for each, sent without waiting
    /// for the one before. Every other message is `\Seen`. Returns once all are acknowledged.
    pub(crate) async fn append(&mut self, stock: &Stock, numbers: Range<usize>, is_multi: bool) -> anyhow::Result<()> {
        let (mut octets, mut text, mut tag) = (Vec::new(), Vec::new(), self.next_tag());
        octets.extend_from_slice(format!("{tag} APPEND INBOX").as_bytes());
        let first = numbers.start;
        for number in numbers {
            if number != first && !is_multi {
                tag = self.next_tag();
                octets.extend_from_slice(format!("\r\n{tag} APPEND INBOX").as_bytes());
            }
            stock.write(number as u64, &mut text);
            let flags = if number % 2 == 0 { "()" } else { "(\\Seen)" };
            octets.extend_from_slice(format!(" {flags} {{{}+}}\r\n", text.len()).as_bytes());
            octets.extend_from_slice(&text);
        }
        octets.extend_from_slice(b"\r\n");
        self.send(&octets).await?;
        self.wait_for(&tag).await.map(drop)
    }
}
