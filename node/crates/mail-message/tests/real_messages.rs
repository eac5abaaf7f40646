//! Messages of other programs, where a collection of them stands beside the workspace; and mail-parser as a second
//! opinion on the types of parts.

mod support;

use std::path::{Path, PathBuf};

use mail_message::{PartKind, SearchScope, Structure, TextSearch};
use mail_parser::{Message, MessageParser, MimeHeaders, PartType};
use support::check;

fn messages(dir: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            messages(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "eml") {
            found.push(path);
        }
    }
}

/// Types of all parts in order, as mail-parser sees them. A part to which it gives no type is text.
fn other_types(message: &Message<'_>, index: usize, out: &mut Vec<String>) {
    let Some(part) = message.parts.get(index) else { return };
    let name = part
        .content_type()
        .map(|read| format!("{}/{}", read.c_type, read.c_subtype.as_deref().unwrap_or("")));
    match &part.body {
        PartType::Multipart(children) => {
            out.push(name.unwrap_or_default());
            for child in children {
                other_types(message, *child as usize, out);
            }
        }
        PartType::Message(inner) => {
            out.push("message/rfc822".to_owned());
            other_types(inner, 0, out);
        }
        // A multipart without parts is text here, since IMAP cannot show one.
        _ => out.push(
            name.filter(|name| !name.starts_with("multipart/"))
                .unwrap_or_else(|| "text/plain".to_owned()),
        ),
    }
}

fn own_types(structure: &Structure) -> Vec<String> {
    let name = |raw: &[u8]| String::from_utf8_lossy(raw).into_owned();
    structure
        .parts
        .iter()
        .map(|part| format!("{}/{}", name(&part.mime.media_type), name(&part.mime.subtype)))
        .collect()
}

fn agrees(bytes: &[u8], structure: &Structure) -> bool {
    // It panics on some damaged messages: then it has no opinion.
    let parsed = std::panic::catch_unwind(|| MessageParser::default().parse(bytes));
    let Ok(Some(message)) = parsed else {
        return false;
    };
    let mut other = Vec::new();
    other_types(&message, 0, &mut other);
    let lower = |types: Vec<String>| -> Vec<String> { types.iter().map(|name| name.to_lowercase()).collect() };
    lower(other) == lower(own_types(structure))
}

#[test]
fn real_messages_are_read_like_any_others() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../shared/corpus");
    let mut paths = Vec::new();
    messages(&root, &mut paths);
    paths.sort();
    let mut agreed = 0;
    for path in &paths {
        let bytes = std::fs::read(path).expect("read message");
        let structure = check(&bytes);
        search_everything(&structure, &bytes);
        agreed += usize::from(agrees(&bytes, &structure));
    }
    // Where they differ, the message is damaged, or mail-parser looks into what is encoded.
    assert!(agreed * 100 >= paths.len() * 95, "{agreed} of {} agree", paths.len());
}

fn search_everything(structure: &Structure, bytes: &[u8]) {
    let keys = [
        (SearchScope::Text, "e"),
        (SearchScope::Body, "no such text in any of them"),
    ];
    let run = |cut: usize| {
        let mut search = TextSearch::new(structure, 0, &keys);
        bytes.chunks(cut).for_each(|chunk| {
            search.push(chunk);
        });
        search.finish()
    };
    assert_eq!(run(13), run(100_000));
}

#[test]
fn a_second_reader_sees_the_same_parts() {
    let messages = [
        "Subject: x\r\n\r\nbody\r\n",
        "Content-Type: text/html\r\n\r\n<p>\r\n",
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\none\r\n--b\r\n\
         Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA\r\n--b--\r\n",
        "Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\nContent-Type: multipart/alternative; boundary=i\r\n\r\n\
         --i\r\nContent-Type: text/plain\r\n\r\n1\r\n--i\r\nContent-Type: text/html\r\n\r\n2\r\n--i--\r\n--o\r\n\
         Content-Type: message/rfc822\r\n\r\nSubject: in\r\nContent-Type: text/plain\r\n\r\n3\r\n--o--\r\n",
        "Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\nSubject: 1\r\n\r\none\r\n--b--\r\n",
    ];
    for message in messages {
        let structure = check(message.as_bytes());
        assert!(agrees(message.as_bytes(), &structure), "{message}");
        assert!(
            structure
                .parts
                .iter()
                .all(|part| part.kind != PartKind::Multipart || part.body_lines > 0)
        );
    }
}
