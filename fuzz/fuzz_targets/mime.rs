//! Any bytes as a message: one structure however they are cut, ranges inside the message, sections that fit together,
//! forms that IMAP's grammar allows, and bounded memory. Time is bounded by libFuzzer's own limit.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mail_message::{FieldReader, SearchScope, SentDate, StructureRow, TextSearch, decode_text, fold, unfold};

// What must hold for any message, as the crate's own tests say it.
#[path = "../../node/crates/mail-message/tests/support/mod.rs"]
mod support;

fuzz_target!(|message: &[u8]| {
    let structure = support::check(message);
    // As a record it is damaged, or legal.
    if let Ok(row) = StructureRow::decode(message) {
        assert_eq!(row.structure.check(), Ok(()));
        assert_eq!(
            StructureRow::decode(&row.encode()).expect("what was written can be read"),
            row
        );
    }
    let keys = [(SearchScope::Text, "ab"), (SearchScope::Body, "x")];
    let search = |cut: usize| {
        let mut search = TextSearch::new(&structure, 0, &keys);
        message.chunks(cut).for_each(|chunk| {
            search.push(chunk);
        });
        search.finish()
    };
    assert_eq!(search(3), search(usize::MAX));
    let fields = |cut: usize| {
        let mut reader = FieldReader::new(&["from", "subject", "content-type"], 10_000);
        message.chunks(cut).for_each(|chunk| {
            reader.push(chunk);
        });
        reader.finish()
    };
    assert_eq!(fields(3), fields(usize::MAX));
    let _ = (fold(&decode_text(message)), unfold(message), SentDate::parse(message));
});
