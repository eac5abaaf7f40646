//! What a trace says about acknowledgements over SMTP and LMTP.

use std::path::PathBuf;

use super::Call;

/// The end of a message's data, and the reply to it.
#[derive(Clone, Debug)]
pub struct Acknowledgement<'a> {
    /// The read that brought the dot on a line of its own.
    pub end_of_data: &'a Call,
    /// The write that carried the reply.
    pub reply: &'a Call,
}

/// Every end of data that was read at a port, in order, with the next reply on its connection.
#[must_use]
pub fn acknowledgements(calls: &[Call], port: u16) -> Vec<Acknowledgement<'_>> {
    let at_port = || calls.iter().filter(move |call| call.is_at_port(port));
    let ends = at_port().filter(|call| call.is_read() && call.arguments.contains(r#"\r\n.\r\n""#));
    let reply = |end_of_data: &Call| {
        let is_reply = |call: &&Call| {
            call.is_write() && call.target == end_of_data.target && call.began_us >= end_of_data.ended_us
        };
        calls.iter().find(is_reply)
    };
    let pairs = ends.map(|end_of_data| (end_of_data, reply(end_of_data)));
    pairs
        .filter_map(|(end_of_data, reply)| {
            Some(Acknowledgement {
                end_of_data,
                reply: reply?,
            })
        })
        .collect()
}

/// Those of `shelves` that had the message durably when the reply went out: `marker`, which is in the message alone, was
/// written to the shelf's write-ahead log after the end of data, and a sync of that log began after this write and had
/// ended before the reply.
#[must_use]
pub fn shelves_with<'a>(
    calls: &[Call],
    acknowledgement: &Acknowledgement<'_>,
    marker: &str,
    shelves: &'a [PathBuf],
) -> Vec<&'a PathBuf> {
    let (from, until) = (acknowledgement.end_of_data.ended_us, acknowledgement.reply.began_us);
    let between = || {
        calls
            .iter()
            .filter(move |call| call.began_us >= from && call.ended_us <= until)
    };
    let has = |shelf: &&PathBuf| {
        let writes =
            between().filter(|call| call.is_write() && call.is_on_log_of(shelf) && call.arguments.contains(marker));
        writes.into_iter().any(|write| {
            between().any(|call| call.is_sync() && call.target == write.target && call.began_us >= write.ended_us)
        })
    };
    shelves.iter().filter(has).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARKER: &str = "marker-1";

    fn calls(lines: &[&str]) -> Vec<Call> {
        let parse = |line: &&str| Call::parse(line).unwrap_or_else(|| panic!("{line}"));
        let mut calls: Vec<Call> = lines.iter().map(parse).collect();
        calls.sort_by_key(|call| call.began_us);
        calls
    }

    fn shelves(lines: &[&str]) -> usize {
        let end = r#"1.000100 recvfrom(5<TCP:[127.0.0.1:25->127.0.0.1:9]>, "marker-1\r\n.\r\n", 1024, 0, NULL, NULL) = 9 <0.000010>"#;
        let reply = r#"1.000900 sendto(5<TCP:[127.0.0.1:25->127.0.0.1:9]>, "250 2.0.0 ok\r\n", 14, 0, NULL, 0) = 14 <0.000010>"#;
        let calls = calls(&[&[end, reply], lines].concat());
        let all = acknowledgements(&calls, 25);
        assert_eq!(all.len(), 1);
        let dirs = ["/d/n1/shelf1", "/d/n2/shelf1"].map(PathBuf::from);
        shelves_with(&calls, &all[0], MARKER, &dirs).len()
    }

    #[test]
    fn a_write_and_its_sync_between_data_and_reply_count() {
        let found = shelves(&[
            r#"1.000200 write(3</d/n1/shelf1/db/1.log>, "x marker-1 x", 12) = 12 <0.000010>"#,
            "1.000300 fdatasync(3</d/n1/shelf1/db/1.log>) = 0 <0.000100>",
            r#"1.000250 pwrite64(3</d/n2/shelf1/db/7.log>, "marker-1", 8, 0) = 8 <0.000010>"#,
            "1.000300 fsync(3</d/n2/shelf1/db/7.log>) = 0 <0.000600>",
        ]);
        assert_eq!(found, 2);
    }

    #[test]
    fn what_does_not_make_this_message_durable_in_time_does_not_count() {
        let write = r#"1.000200 write(3</d/n1/shelf1/db/1.log>, "marker-1", 8) = 8 <0.000010>"#;
        for (what, lines) in [
            ("no sync", vec![write]),
            (
                "the sync ends after the reply",
                vec![write, "1.000300 fdatasync(3</d/n1/shelf1/db/1.log>) = 0 <0.000601>"],
            ),
            (
                "the sync begins before the write has ended",
                vec![write, "1.000209 fdatasync(3</d/n1/shelf1/db/1.log>) = 0 <0.000001>"],
            ),
            (
                "the sync fails",
                vec![
                    write,
                    "1.000300 fdatasync(3</d/n1/shelf1/db/1.log>) = -1 EIO (Input/output error) <0.000001>",
                ],
            ),
            (
                "another log is synced",
                vec![write, "1.000300 fdatasync(4</d/n1/shelf1/db/2.log>) = 0 <0.000001>"],
            ),
            (
                "another message is synced",
                vec![
                    r#"1.000200 write(3</d/n1/shelf1/db/1.log>, "marker-2", 8) = 8 <0.000010>"#,
                    "1.000300 fdatasync(3</d/n1/shelf1/db/1.log>) = 0 <0.000001>",
                ],
            ),
            (
                "a table is synced",
                vec![
                    r#"1.000200 write(3</d/n1/shelf1/db/1.sst>, "marker-1", 8) = 8 <0.000010>"#,
                    "1.000300 fdatasync(3</d/n1/shelf1/db/1.sst>) = 0 <0.000001>",
                ],
            ),
        ] {
            assert_eq!(shelves(&lines), 0, "{what}");
        }
    }
}
