//! Rows that were stored stay readable.

mod support;

use mail_message::{RecordError, StructureRow, limits};
use support::read;

const MESSAGE: &[u8] = b"From: Ann <a@b>\r\nSubject: Re: hi\r\nDate: 1 Jan 2020 00:00:00 +0100\r\nMessage-ID: <m@x>\r\n\
    References: <r@x>\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\n\
    Content-Language: en\r\n\r\none\r\n--b\r\nContent-Type: message/rfc822\r\nContent-Disposition: inline; x=y\r\n\r\n\
    Subject: in\r\n\r\ntwo\r\n--b--\r\n";

/// The row of [`MESSAGE`] as format version 1 and parser version 1 wrote it, in hexadecimal. Never to be changed.
const VERSION_1: &str = include_str!("rows/version_1.hex");

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16).expect("hex"))
        .collect()
}

#[test]
fn a_row_of_version_1_still_reads() {
    let row = StructureRow::decode(&bytes(VERSION_1)).expect("decodes");
    assert_eq!(row.parser_version, 1);
    assert_eq!(row.structure, read(MESSAGE, 10));
}

#[test]
fn fields_that_a_later_version_adds_are_skipped() {
    let mut row = StructureRow::new(read(MESSAGE, 10)).encode();
    // The row is an array of two fields: give it a third.
    assert_eq!(row[1], 0x82);
    row[1] = 0x83;
    row.push(0x05);
    assert_eq!(
        StructureRow::decode(&row).expect("decodes").structure,
        read(MESSAGE, 10)
    );
}

#[test]
fn what_is_no_row_is_told_apart() {
    let row = StructureRow::new(read(MESSAGE, 10)).encode();
    assert!(matches!(StructureRow::decode(b""), Err(RecordError::Empty)));
    assert!(matches!(StructureRow::decode(&[9, 0x82]), Err(RecordError::Version(9))));
    assert!(matches!(
        StructureRow::decode(&row[..row.len() / 2]),
        Err(RecordError::Damaged(_))
    ));
    let long = vec![1; limits::RECORD_BYTES_MAX + 1];
    assert!(matches!(StructureRow::decode(&long), Err(RecordError::TooLong(_))));
}

#[test]
fn a_structure_that_breaks_an_invariant_is_damage() {
    let good = StructureRow::new(read(MESSAGE, 10));
    let breaks: [fn(&mut StructureRow); 9] = [
        |row| row.structure.parts.clear(),
        |row| row.structure.size -= 1,
        |row| row.structure.parts[1].parent = Some(3),
        |row| row.structure.parts[2].parent = None,
        |row| row.structure.parts[1].body_end = row.structure.parts[2].header_start + 1,
        |row| row.structure.parts[1].body_start = 0,
        |row| row.structure.parts[3].envelope = None,
        |row| row.structure.parts[0].kind = mail_message::PartKind::Text,
        |row| row.structure.parts[1].kind = mail_message::PartKind::Multipart,
    ];
    for (nth, damage) in breaks.iter().enumerate() {
        let mut row = good.clone();
        damage(&mut row);
        let read = StructureRow::decode(&row.encode());
        assert!(matches!(read, Err(RecordError::Illegal(_))), "{nth}: {read:?}");
    }
}
