//! The delivery status notification (RFC 3464) about one recipient who cannot have a message that was taken for them.
//!
//! Invariant: it is sent from `<>` and says that a program wrote it (RFC 3834), so that nothing answers it.

use mail_model::InternalDate;
use mailstore::front::Undeliverable;
use smtp_wire::rfc5322_date;

/// See the module.
pub(super) struct Notice<'a> {
    pub(super) host: &'a str,
    /// The transaction, as its `250` named it.
    pub(super) id: &'a str,
    pub(super) sender: &'a str,
    pub(super) recipient: &'a str,
    /// When the message was taken.
    pub(super) arrived: InternalDate,
    /// Now.
    pub(super) date: InternalDate,
    pub(super) why: Undeliverable,
}

/// The enhanced status code (RFC 3463), and the reason in words.
pub(super) fn status(why: Undeliverable) -> (&'static str, &'static str) {
    match why {
        Undeliverable::NoSuchAccount => ("5.1.1", "the account has been removed"),
        Undeliverable::Expired => ("4.4.7", "its mailbox could not be reached for five days"),
    }
}

impl Notice<'_> {
    /// The whole message; `header` is the beginning of the one that it is about.
    pub(super) fn message(&self, header: &[u8]) -> Vec<u8> {
        let Self {
            host,
            id,
            sender,
            recipient,
            ..
        } = self;
        let (code, reason) = status(self.why);
        let (date, arrived) = (rfc5322_date(self.date), rfc5322_date(self.arrived));
        let text = format!(
            "From: Mail delivery <MAILER-DAEMON@{host}>\r\n\
             To: <{sender}>\r\n\
             Subject: Your message was not delivered to {recipient}\r\n\
             Date: {date}\r\n\
             Message-ID: <notice.{id}@{host}>\r\n\
             Auto-Submitted: auto-replied\r\n\
             MIME-Version: 1.0\r\n\
             Content-Type: multipart/report; report-type=delivery-status;\r\n boundary=\"{id}\"\r\n\
             \r\n\
             --{id}\r\n\
             Content-Type: text/plain; charset=us-ascii\r\n\
             \r\n\
             Your message of {arrived}\r\n\
             to <{recipient}>\r\n\
             was taken, but it cannot be delivered: {reason}.\r\n\
             The message is not kept. Its header follows.\r\n\
             \r\n\
             --{id}\r\n\
             Content-Type: message/delivery-status\r\n\
             \r\n\
             Reporting-MTA: dns; {host}\r\n\
             Original-Envelope-Id: {id}\r\n\
             Arrival-Date: {arrived}\r\n\
             \r\n\
             Final-Recipient: rfc822; {recipient}\r\n\
             Action: failed\r\n\
             Status: {code}\r\n\
             \r\n\
             --{id}\r\n\
             Content-Type: text/rfc822-headers\r\n\
             Content-Transfer-Encoding: 8bit\r\n\
             \r\n"
        );
        let mut message = text.into_bytes();
        for line in lines_of_header(header) {
            message.extend_from_slice(line);
            message.extend_from_slice(b"\r\n");
        }
        message.extend_from_slice(format!("\r\n--{id}--\r\n").as_bytes());
        message
    }
}

/// The whole lines of a header, without their ends, up to the empty line.
fn lines_of_header(header: &[u8]) -> impl Iterator<Item = &[u8]> {
    let lines = header.split_inclusive(|byte| *byte == b'\n');
    lines
        .filter_map(|line| line.strip_suffix(b"\n"))
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .take_while(|line| !line.is_empty())
}

#[cfg(test)]
mod tests {
    use mail_message::StructureReader;

    use super::*;

    const DATE: InternalDate = InternalDate {
        utc_seconds: 1_790_000_000,
        offset_minutes: 0,
    };

    fn notice(why: Undeliverable) -> Notice<'static> {
        Notice {
            host: "mail.demo.test",
            id: "0123456789abcdef0123456789abcdef",
            sender: "ann@example.org",
            recipient: "gone@demo.test",
            arrived: DATE,
            date: DATE,
            why,
        }
    }

    #[test]
    fn a_notice_is_a_report_of_three_parts_as_rfc_3464_has_it() {
        let header = b"Subject: x\r\nX-Bare: y\nX-Last: z\r\n\r\nbody";
        let message = notice(Undeliverable::NoSuchAccount).message(header);
        let mut reader = StructureReader::new();
        reader.push(&message);
        let structure = reader.finish();
        let types = structure.parts.iter().map(|part| {
            let (media, sub) = (&part.mime.media_type, &part.mime.subtype);
            format!("{}/{}", media.escape_ascii(), sub.escape_ascii())
        });
        assert_eq!(
            types.collect::<Vec<_>>(),
            [
                "multipart/report",
                "text/plain",
                "message/delivery-status",
                "text/rfc822-headers"
            ]
        );
        let text = String::from_utf8(message).unwrap();
        assert!(text.contains("\r\nFinal-Recipient: rfc822; gone@demo.test\r\nAction: failed\r\nStatus: 5.1.1\r\n"));
        assert!(
            text.contains("\r\n\r\nSubject: x\r\nX-Bare: y\r\nX-Last: z\r\n\r\n--"),
            "{text}"
        );
        assert!(!text.contains("body") && !text.replace("\r\n", "").contains(['\r', '\n']));
    }

    #[test]
    fn a_header_that_was_cut_off_ends_with_its_last_whole_line() {
        let lines: Vec<_> = lines_of_header(b"A: b\r\nC: d").collect();
        assert_eq!(lines, [b"A: b"]);
        assert_eq!(lines_of_header(b"").count(), 0);
        assert_eq!(status(Undeliverable::Expired).0, "4.4.7");
    }
}
