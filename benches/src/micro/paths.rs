//! The hot paths: what a node does for each message or command, cut where one part hands over to the next.

use std::hint::black_box;
use std::time::Instant;

use anyhow::{Context, ensure};
use bytes::{Bytes, BytesMut};
use imap_wire::limits::AppendLimit;
use imap_wire::response::FetchReply;
use imap_wire::{Event as ImapEvent, ImapServer, SessionState};
use mail_message::{StructureReader, StructureRow, append_envelope};
use mail_model::{FlagSet, GroupId, LogIndex, ReplicaId, SeqNum, SystemFlags, Uid};
use shelf::piece::{self, PiecePlace};
use shelf::{LogEntry, MemDisk, Shelf};
use smtp_wire::{AuthPolicy, Config, Event, Profile, Server, Tls, replies};

use super::store;
use crate::limits::{BLOB_BYTES, HEAD_BYTES, MESSAGE_BYTES};
use crate::message::Stock;

/// One of them.
pub(super) struct Path {
    pub(super) name: &'static str,
    pub(super) what: &'static str,
    /// Runs that are counted: enough for the start of the program to matter little.
    pub(super) times: usize,
    pub(super) run: fn(usize) -> anyhow::Result<()>,
}

pub(super) const PATHS: &[Path] = &[
    Path {
        name: "imap-parse-fetch",
        what: "a UID FETCH command with six items becomes an event",
        times: 1_000,
        run: imap_parse_fetch,
    },
    Path {
        name: "imap-write-fetch",
        what: "a FETCH reply with flags, UID, size and envelope",
        times: 1_000,
        run: imap_write_fetch,
    },
    Path {
        name: "mime-structure",
        what: "a message of 4 kB in three parts becomes its stored structure",
        times: 200,
        run: mime_structure,
    },
    Path {
        name: "lmtp-message",
        what: "the LMTP machine, from LHLO to the reply to 4 kB",
        times: 200,
        run: lmtp_message,
    },
    Path {
        name: "piece-encode",
        what: "a body of 4 kB is hashed and compressed",
        times: 200,
        run: piece_encode,
    },
    Path {
        name: "piece-decode",
        what: "it is decompressed and checked",
        times: 200,
        run: piece_decode,
    },
    Path {
        name: "shelf-append",
        what: "an entry of 512 + 4,096 bytes, of 64 that share a sync, on a shelf in memory",
        times: 1_024,
        run: shelf_append,
    },
    Path {
        name: "store-deliver",
        what: "a delivery of 4 kB, from its octets to the applied command, on a shelf in memory",
        times: 200,
        run: store::deliver,
    },
    Path {
        name: "store-select",
        what: "a mailbox of 200 messages is opened",
        times: 50,
        run: store::open,
    },
    Path {
        name: "store-structures",
        what: "envelopes and structures of 200 messages are read from the store",
        times: 50,
        run: store::read_structures,
    },
];

/// A message in parts, of the size of a small one.
fn message_in_parts() -> Vec<u8> {
    let (mut text, mut message) = (Vec::new(), Vec::new());
    Stock::new(MESSAGE_BYTES[0] / 2).write(1, &mut text);
    message.extend_from_slice(
        b"From: Ann Example <ann@sender.test>\r\nTo: Bob <bob@demo.test>, \"C. D.\" <carl@demo.test>\r\n\
          Cc: =?utf-8?q?J=C3=BCrgen?= <j@demo.test>\r\nSubject: =?utf-8?b?R3LDvMOfZQ==?= from the garden\r\n\
          Date: Wed, 25 Nov 2026 09:00:00 +0000\r\nMessage-ID: <1.micro@sender.test>\r\n\
          In-Reply-To: <0.micro@sender.test>\r\nReferences: <9.micro@sender.test> <0.micro@sender.test>\r\n\
          MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"x1\"\r\n\r\n\
          --x1\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nWith the letters.\r\n\
          --x1\r\nContent-Type: application/pdf; name=\"a.pdf\"\r\nContent-Disposition: attachment;\r\n filename=\"a.pdf\"\r\n\
          Content-Transfer-Encoding: base64\r\n\r\n",
    );
    message.extend_from_slice(&text[text.len() / 2..]);
    message.extend_from_slice(b"--x1\r\nContent-Type: message/rfc822\r\n\r\n");
    message.extend_from_slice(&text);
    message.extend_from_slice(b"--x1--\r\n");
    message
}

fn imap_parse_fetch(times: usize) -> anyhow::Result<()> {
    let mut machine = ImapServer::new(AppendLimit(1 << 20));
    machine.set_state(SessionState::Selected);
    for _ in 0..times {
        machine.handle_input(
            b"a17 UID FETCH 1:100,205,300:* (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE \
              BODY.PEEK[HEADER.FIELDS (DATE FROM TO CC SUBJECT REFERENCES)])\r\n",
        );
        let event = black_box(machine.poll());
        ensure!(matches!(event, Some(ImapEvent::Command(_))), "not a command: {event:?}");
    }
    Ok(())
}

fn imap_write_fetch(times: usize) -> anyhow::Result<()> {
    let mut reader = StructureReader::new();
    reader.push(&message_in_parts());
    let structure = reader.finish();
    let mut envelope = Vec::new();
    append_envelope(structure.envelope().context("an envelope")?, &mut envelope);
    let flags = FlagSet {
        system: SystemFlags::SEEN | SystemFlags::ANSWERED,
        keywords: Vec::new(),
    };
    let mut out = BytesMut::with_capacity(1 << 20);
    for number in 1..=u32::try_from(times)? {
        out.clear();
        let mut reply = FetchReply::begin(&mut out, SeqNum::new(number).context("a number")?);
        reply.flags(&mut out, &flags, false);
        reply.uid(&mut out, Uid::new(number).context("a UID")?);
        reply.size(&mut out, 4_096);
        reply.envelope(&mut out, &envelope);
        reply.finish(&mut out);
        black_box(&out);
    }
    Ok(())
}

fn mime_structure(times: usize) -> anyhow::Result<()> {
    let message = message_in_parts();
    for _ in 0..times {
        let mut reader = StructureReader::new();
        reader.push(black_box(&message));
        let row = StructureRow::new(reader.finish()).encode();
        ensure!(!black_box(row).is_empty(), "nothing was encoded");
    }
    Ok(())
}

fn lmtp_message(times: usize) -> anyhow::Result<()> {
    let config = Config {
        profile: Profile::Lmtp,
        host: "mail.demo.test".to_owned(),
        message_bytes_max: 1 << 26,
        tls: Tls::Absent,
        auth: AuthPolicy::Hidden,
    };
    let mut message = Vec::new();
    Stock::new(MESSAGE_BYTES[0]).write(1, &mut message);
    message.extend_from_slice(b".\r\n");
    let commands = b"LHLO x.test\r\nMAIL FROM:<ann@sender.test> SIZE=4096\r\nRCPT TO:<user1@demo.test>\r\nDATA\r\n";
    let (now, taken) = (Instant::now(), replies::delivered("1"));
    for _ in 0..times {
        let mut machine = Server::new(config.clone(), now);
        let mut octets = 0;
        for input in [&commands[..], &message] {
            ensure!(machine.receive(input, now) == input.len(), "the machine takes no more");
            while let Some(event) = machine.next_event() {
                match event {
                    Event::Mail(_) | Event::Rcpt(_) | Event::DataStart => machine.accept()?,
                    Event::Chunk(chunk) => octets += black_box(chunk).len(),
                    Event::DataEnd(_) => drop(machine.conclude(&taken)?),
                    _ => {}
                }
            }
            black_box(machine.take_output());
        }
        ensure!(octets == MESSAGE_BYTES[0], "{octets} octets came out");
    }
    Ok(())
}

fn piece_encode(times: usize) -> anyhow::Result<()> {
    let mut message = Vec::new();
    Stock::new(MESSAGE_BYTES[0]).write(1, &mut message);
    for _ in 0..times {
        black_box(piece::encode(black_box(&message), PiecePlace::Whole)?);
    }
    Ok(())
}

fn piece_decode(times: usize) -> anyhow::Result<()> {
    let mut message = Vec::new();
    Stock::new(MESSAGE_BYTES[0]).write(1, &mut message);
    let record = piece::encode(&message, PiecePlace::Whole)?.record;
    for _ in 0..times {
        black_box(piece::decode(black_box(&record))?);
    }
    Ok(())
}

fn shelf_append(times: usize) -> anyhow::Result<()> {
    let shelf = Shelf::simulated(MemDisk::new("micro").open())?;
    let store = shelf.create_replica(ReplicaId(1), GroupId(1))?;
    let (head, blob) = (Bytes::from(vec![7; HEAD_BYTES]), Bytes::from(vec![9; BLOB_BYTES]));
    for index in 1..=times as u64 {
        let entry = LogEntry::new(LogIndex(index), head.clone(), Some(blob.clone()));
        store.append(vec![entry], Box::new(|outcome| drop(black_box(outcome))));
        if index % 64 == 0 {
            shelf.pump();
        }
    }
    Ok(())
}
