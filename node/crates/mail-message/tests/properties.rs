//! Any bytes have one structure, however they are cut, and everything said of it holds.

mod support;

use mail_message::{
    Field, FieldReader, RecordError, SearchScope, SentDate, StructureRow, TextSearch, decode_text, fold, limits, unfold,
};
use proptest::prelude::*;
use support::{check, read};

/// What messages are made of, and what breaks them.
fn fragment() -> impl Strategy<Value = Vec<u8>> {
    let known = prop::sample::select(vec![
        "\r\n",
        "\n",
        "\r",
        "\r\n\r\n",
        "\n\n",
        " ",
        "--",
        "\r\n--a",
        "\r\n--b",
        "\n--a\n",
        "\r\n--a--\r\n",
        "\r\n--b--\r\n",
        "Content-Type: multipart/mixed; boundary=a\r\n",
        "Content-Type: multipart/digest; boundary=\"b\"\n",
        "Content-Type: message/rfc822\r\n",
        "Content-Type: text/plain; charset=utf-8; name*0*=utf-8''%41\r\n",
        "Content-Disposition: attachment; filename=\"x\\\"",
        "Content-Transfer-Encoding: base64\r\n",
        "Subject: =?utf-8?q?=C3=A4?= x\r\n",
        "From: \"A\" <a@b>, g: c@d;\r\n",
        "References: <a@b> <c@d>\r\n",
        "Date: 1 Jan 2020 00:00 +0000\r\n",
    ]);
    prop_oneof![
        4 => known.prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..12),
    ]
}

fn message() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(fragment(), 0..40).prop_map(|fragments| fragments.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn whatever_is_fed_the_structure_is_legal_and_one(message in message()) {
        check(&message);
    }

    #[test]
    fn search_finds_the_same_however_the_message_is_cut(message in message(), cut in 1_usize..20, key in "[a-dx]{1,2}") {
        let structure = read(&message, message.len());
        let keys = [(SearchScope::Text, key.as_str()), (SearchScope::Body, key.as_str())];
        let run = |cut: usize| {
            let mut search = TextSearch::new(&structure, 0, &keys);
            message.chunks(cut).for_each(|chunk| { search.push(chunk); });
            search.finish()
        };
        prop_assert_eq!(run(cut), run(usize::MAX));
    }

    #[test]
    fn fields_are_the_same_however_the_header_is_cut(message in message(), cut in 1_usize..20) {
        let run = |cut: usize| -> Vec<Field> {
            let mut reader = FieldReader::new(&["from", "subject", "content-type"], 10_000);
            message.chunks(cut).for_each(|chunk| { reader.push(chunk); });
            reader.finish()
        };
        prop_assert_eq!(run(cut), run(usize::MAX));
    }

    #[test]
    fn no_value_is_too_odd_to_be_read(value in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = (fold(&decode_text(&value)), unfold(&value), SentDate::parse(&value));
    }

    #[test]
    fn a_damaged_row_is_an_error_or_a_legal_structure(message in message(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = StructureRow::new(read(&message, 100)).encode();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        match StructureRow::decode(&bytes) {
            Ok(row) => prop_assert_eq!(row.structure.check(), Ok(())),
            Err(RecordError::Version(version)) => prop_assert_eq!((at, version), (0, byte)),
            Err(_) => prop_assert!(at > 0),
        }
        prop_assert!(bytes.len() <= limits::RECORD_BYTES_MAX);
    }
}
