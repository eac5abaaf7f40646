//! No message, however large or hostile, takes more memory or a larger row than the limits say.

mod support;

use mail_message::{PartKind, Structure, StructureReader, StructureRow, append_body_structure, limits};

/// Feeds `message`, watches what the reader holds, and gives the structure, which must be legal and fit its row.
fn bounded<'a>(chunks: impl Iterator<Item = &'a [u8]>) -> Structure {
    let mut reader = StructureReader::new();
    let mut most = 0;
    for chunk in chunks {
        reader.push(chunk);
        most = most.max(reader.state_bytes());
    }
    assert!(most <= limits::STATE_BYTES_MAX, "{most} bytes held");
    let structure = reader.finish();
    assert_eq!(structure.check(), Ok(()));
    let row = StructureRow::new(structure.clone());
    let bytes = row.encode();
    assert!(bytes.len() <= limits::RECORD_BYTES_MAX, "row of {} bytes", bytes.len());
    assert_eq!(StructureRow::decode(&bytes).expect("decodes"), row);
    let mut form = Vec::new();
    append_body_structure(&structure, &mut form);
    assert!(!form.is_empty());
    structure
}

fn repeat<'a>(start: &'a [u8], piece: &'a [u8], times: usize) -> impl Iterator<Item = &'a [u8]> {
    std::iter::once(start).chain(std::iter::repeat_n(piece, times))
}

#[test]
fn a_body_of_50_mb_is_not_held() {
    let line = [b'x'; 998];
    let lines = [&line[..], b"\r\n"].concat().repeat(50);
    let structure = bounded(repeat(b"Subject: x\r\n\r\n", &lines, 1_000));
    assert_eq!(structure.parts[0].body_lines, 50_000);
    assert_eq!(structure.size, 50_000_014);
}

#[test]
fn a_line_of_50_mb_is_not_held() {
    for start in [
        &b"\r\n"[..],
        b"\r\n--",
        b"",
        b"Subject: ",
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b",
    ] {
        bounded(repeat(start, &[b'x'; 50_000], 1_000));
        bounded(repeat(start, &[b' '; 50_000], 1_000));
    }
}

#[test]
fn a_header_of_50_mb_is_not_held() {
    for field in [
        "X-Filler: 0123456789012345678901234567890\r\n",
        "To: a@b.example, \"C\" <d@e.example>, g: h@i;\r\n",
        "References: <0123456789@example.org>\r\n",
        "Subject: x\r\n",
        "Content-Type: text/plain; a=b\r\n",
        "Content-Language: de, en\r\n",
        " folded, more@x\r\n",
    ] {
        let fields = field.repeat(1_000);
        let times = 50_000_000 / fields.len();
        for start in ["", "To: a@b\r\n", "Content-Type: a/b\r\n", "References: <a@b>\r\n"] {
            let structure = bounded(repeat(start.as_bytes(), fields.as_bytes(), times.min(200)));
            assert_eq!(structure.parts[0].body_end, structure.size);
        }
        bounded(repeat(b"", fields.as_bytes(), times));
    }
}

#[test]
fn a_thousand_levels_end_in_text() {
    let messages = "Content-Type: message/rfc822\r\n\r\n".repeat(1_000);
    let structure = bounded(std::iter::once(messages.as_bytes()));
    assert_eq!(structure.parts.len(), limits::NEST_MAX);
    let deepest = structure.parts.last().expect("part");
    assert_eq!((deepest.kind, deepest.body_end), (PartKind::Text, structure.size));

    let multiparts: String = (0..1_000)
        .map(|level| format!("Content-Type: multipart/mixed; boundary=\"b{level}\"\r\n\r\n--b{level}\r\n"))
        .collect();
    let structure = bounded(std::iter::once(multiparts.as_bytes()));
    assert_eq!(structure.parts.len(), limits::NEST_MAX);
    assert_eq!(structure.parts.last().map(|part| part.kind), Some(PartKind::Text));
}

#[test]
fn of_ten_thousand_parts_the_last_legal_one_takes_the_rest() {
    let start = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n";
    for part in [
        "--b\r\n\r\nx\r\n",
        "--b\r\nContent-Type: message/rfc822\r\n\r\nTo: a@b\r\n\r\nx\r\n",
        "--b\r\n",
    ] {
        let structure = bounded(repeat(start, part.as_bytes(), 10_000));
        assert_eq!(structure.parts.len(), limits::PARTS_MAX);
        assert_eq!(structure.parts.last().map(|part| part.body_end), Some(structure.size));
    }
}

#[test]
fn parts_with_every_field_filled_stay_within_the_row() {
    let params: String = (0..100)
        .map(|nth| format!("; p{nth}=\"{}\"", "v".repeat(100)))
        .collect();
    let part = format!(
        "--b\r\nContent-Type: application/x{params}\r\nContent-Disposition: attachment{params}\r\n\
         Content-ID: <{0}>\r\nContent-Description: {0}\r\nContent-Location: {0}\r\nContent-MD5: {0}\r\n\
         Content-Language: a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s\r\nContent-Transfer-Encoding: binary\r\n\r\nx\r\n",
        "z".repeat(300)
    );
    let start = "Content-Type: multipart/mixed; boundary=b\r\n\r\n".to_owned();
    let structure = bounded(repeat(start.as_bytes(), part.as_bytes(), 2_000));
    assert_eq!(structure.parts.len(), limits::PARTS_MAX);

    let message = format!(
        "--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: {}\r\nFrom: {}\r\n\r\nx\r\n",
        "s".repeat(1_000),
        "\"n\" <a@b.example>,".repeat(100)
    );
    bounded(repeat(start.as_bytes(), message.as_bytes(), 2_000));
}

#[test]
fn a_boundary_beyond_its_bound_makes_text() {
    for (len, parts) in [(limits::BOUNDARY_BYTES_MAX, 2), (limits::BOUNDARY_BYTES_MAX + 1, 1)] {
        let boundary = "b".repeat(len);
        let message = format!("Content-Type: multipart/mixed; boundary={boundary}\r\n\r\n--{boundary}\r\n\r\nx");
        assert_eq!(support::check(message.as_bytes()).parts.len(), parts);
    }
}
