//! What the tests of this crate share: reading, and what must hold for the structure of any bytes at all.
#![allow(dead_code, reason = "each test file uses its own part of it")]

use mail_message::{
    PartKind, Section, SectionBytes, SectionText, Structure, StructureReader, StructureRow, append_body,
    append_body_structure, append_envelope, limits,
};

/// The structure of `message`, fed in pieces of `cut` bytes.
pub(crate) fn read(message: &[u8], cut: usize) -> Structure {
    let mut reader = StructureReader::new();
    for chunk in message.chunks(cut.max(1)) {
        reader.push(chunk);
        assert!(
            reader.state_bytes() <= limits::STATE_BYTES_MAX,
            "{} bytes",
            reader.state_bytes()
        );
    }
    reader.finish()
}

/// The tree in short: `multipart/mixed(text/plain message/rfc822(text/plain))`.
pub(crate) fn outline(structure: &Structure) -> String {
    fn part(structure: &Structure, index: usize) -> String {
        let mime = &structure.parts[index].mime;
        let name = [&*mime.media_type, b"/", &*mime.subtype].concat();
        let name = String::from_utf8_lossy(&name).to_lowercase();
        let inside: Vec<String> = structure.children(index).map(|child| part(structure, child)).collect();
        if inside.is_empty() {
            name
        } else {
            format!("{name}({})", inside.join(" "))
        }
    }
    part(structure, 0)
}

/// The bytes of a section; `None` where there is no such part.
pub(crate) fn section(
    structure: &Structure,
    message: &[u8],
    prefix_len: u64,
    path: &[u32],
    text: SectionText,
) -> Option<Vec<u8>> {
    let at = |range: std::ops::Range<u64>| &message[range.start as usize..range.end as usize];
    Some(
        match structure.section(
            &Section {
                path: path.to_vec(),
                text,
            },
            prefix_len,
        )? {
            SectionBytes::Range(range) => at(range).to_vec(),
            SectionBytes::Filtered { header, mut filter } => {
                let mut out = Vec::new();
                let mut sink = |bytes: &[u8]| out.extend_from_slice(bytes);
                at(header).chunks(7).for_each(|chunk| filter.push(chunk, &mut sink));
                filter.finish(&mut sink);
                out
            }
        },
    )
}

/// Every path that names a part, with the index of the part.
pub(crate) fn paths(structure: &Structure) -> Vec<(Vec<u32>, usize)> {
    let mut found = Vec::new();
    let mut open = vec![Vec::new()];
    while let Some(path) = open.pop() {
        for number in 1.. {
            let inner = [path.as_slice(), &[number]].concat();
            let Some(Some(index)) = structure.part_at(&inner) else {
                break;
            };
            found.push((inner.clone(), index));
            if matches!(structure.parts[index].kind, PartKind::Multipart | PartKind::Message) {
                open.push(inner);
            }
        }
    }
    found
}

/// What must hold for any message.
pub(crate) fn check(message: &[u8]) -> Structure {
    let structure = read(message, message.len());
    assert_eq!(structure.check(), Ok(()));
    assert_eq!(structure.size, message.len() as u64);
    for cut in [1, 2, 3, 5, 61, 4096] {
        assert_eq!(read(message, cut), structure, "in pieces of {cut}");
    }
    let row = StructureRow::new(structure.clone());
    let bytes = row.encode();
    assert!(bytes.len() <= limits::RECORD_BYTES_MAX);
    assert_eq!(StructureRow::decode(&bytes).expect("decodes"), row);
    check_sections(&structure, message);
    check_forms(&structure);
    structure
}

fn check_sections(structure: &Structure, message: &[u8]) {
    let prefix: &[u8] = b"Return-Path: <>\r\nReceived: from here\r\n";
    let whole = [prefix, message].concat();
    let len = prefix.len() as u64;
    let get = |path: &[u32], text| section(structure, &whole, len, path, text);
    let joined = |path: &[u32]| Some([get(path, SectionText::Header)?, get(path, SectionText::Text)?].concat());
    assert_eq!(get(&[], SectionText::Whole).as_deref(), Some(&*whole));
    assert_eq!(joined(&[]).as_deref(), Some(&*whole), "header and text are the message");
    let none = SectionText::HeaderFieldsNot(Vec::new());
    assert_eq!(
        get(&[], none),
        get(&[], SectionText::Header),
        "a filter without names lets everything through"
    );
    // With the prefix read as part of the message, everything stands where the ranges say.
    let together = read(&whole, 1_000);
    assert_eq!(together.parts.len(), structure.parts.len());
    for index in 0..structure.parts.len() {
        assert_eq!(
            structure.header_range(index, len),
            together.header_range(index, 0),
            "part {index}"
        );
        assert_eq!(
            structure.body_range(index, len),
            together.body_range(index, 0),
            "part {index}"
        );
    }
    for (path, index) in paths(structure) {
        let body = get(&path, SectionText::Whole).expect("body");
        assert!(get(&path, SectionText::Mime).is_some());
        if structure.parts[index].kind == PartKind::Message {
            assert_eq!(joined(&path).as_deref(), Some(&*body), "{path:?}");
        } else {
            assert_eq!(get(&path, SectionText::Header), None);
            let lf = body.iter().filter(|byte| **byte == b'\n').count() as u64;
            let rest = u64::from(body.last().is_some_and(|byte| *byte != b'\n'));
            assert_eq!(structure.parts[index].body_lines, lf + rest, "{path:?}");
        }
    }
}

fn check_forms(structure: &Structure) {
    let mut out = Vec::new();
    append_body(structure, &mut out);
    assert_balanced(&out);
    out.clear();
    append_body_structure(structure, &mut out);
    assert_balanced(&out);
    out.clear();
    append_envelope(structure.envelope().expect("the message has an envelope"), &mut out);
    assert_balanced(&out);
}

/// One parenthesized list, by the lexical rules of RFC 3501 alone.
fn assert_balanced(form: &[u8]) {
    let mut depth = 0;
    let mut at = 0;
    while at < form.len() {
        match form[at] {
            b'(' => depth += 1,
            b')' => depth -= 1,
            b'"' => {
                at += 1;
                while form[at] != b'"' {
                    assert!(form[at].is_ascii() && !matches!(form[at], 0 | b'\r' | b'\n'));
                    at += if form[at] == b'\\' { 2 } else { 1 };
                }
            }
            b'{' => {
                let end = at
                    + form[at..]
                        .iter()
                        .position(|byte| *byte == b'}')
                        .expect("end of a literal's length");
                let len: usize = std::str::from_utf8(&form[at + 1..end])
                    .expect("digits")
                    .parse()
                    .expect("length");
                assert_eq!(&form[end + 1..end + 3], b"\r\n");
                assert!(!form[end + 3..end + 3 + len].contains(&0));
                at = end + 2 + len;
            }
            byte => assert!(b" NIL0123456789".contains(&byte), "{}", form.escape_ascii()),
        }
        at += 1;
        assert!(depth > 0 || at == form.len(), "{}", form.escape_ascii());
    }
    assert_eq!(depth, 0);
}
