//! The last pass: one reading of a message, for all strings at once.

use mail_message::{Field, FieldReader, Structure, TextSearch};
use mailstore::Account;
use mailstore::query::Details;

use super::super::channel::Channel;
use super::super::error::Failure;
use super::super::limits::{SEARCH_BYTES_PER_TURN, SEARCH_FIELD_BYTES_MAX};
use super::Clock;
use super::criteria::Criteria;
use super::facts::Strings;

/// Looks for the strings and fields of `criteria`. Reads no more of the message than it needs.
pub(super) async fn look(
    criteria: &Criteria,
    account: &Account,
    details: &Details,
    structure: &Structure,
    clock: &mut Clock,
    channel: &mut Channel,
) -> Result<Strings, Failure> {
    let prefix_len = details.cold.prefix.len() as u64;
    let strings: Vec<_> = criteria
        .strings
        .iter()
        .map(|(scope, text)| (*scope, text.as_str()))
        .collect();
    let names: Vec<_> = criteria.fields.iter().map(|(name, _)| name.as_str()).collect();
    let range = if strings.is_empty() {
        structure.header_range(0, prefix_len).unwrap_or_default()
    } else {
        0..u64::MAX
    };
    let mut texts = TextSearch::new(structure, prefix_len, &strings);
    let mut fields = FieldReader::new(&names, SEARCH_FIELD_BYTES_MAX);
    let (mut texts_done, mut fields_done) = (strings.is_empty(), names.is_empty());
    let mut reader = account.read(details, range);
    while !(texts_done && fields_done) {
        let Some(octets) = reader.next().await? else { break };
        for turn in octets.chunks(SEARCH_BYTES_PER_TURN) {
            texts_done = texts_done || texts.push(turn);
            fields_done = fields_done || fields.push(turn);
            tokio::task::yield_now().await;
        }
        clock.check(channel).await?;
    }
    Ok(Strings {
        texts: texts.finish(),
        fields: in_fields(criteria, &fields.finish()),
    })
}

fn in_fields(criteria: &Criteria, fields: &[Field]) -> Vec<bool> {
    let wanted = criteria.fields.iter();
    let found = wanted.map(|(name, text)| {
        let mut named = fields
            .iter()
            .filter(|field| field.name.eq_ignore_ascii_case(name.as_str().as_bytes()));
        named.any(|field| text.clone().push(&field.text()))
    });
    found.collect()
}
