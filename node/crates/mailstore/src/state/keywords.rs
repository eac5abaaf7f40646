//! Keywords of a mailbox (DESIGN M7): compared without case, first spelling kept, numbered in the order of their coming.

use mail_model::{AccountId, Keyword, MailboxId};

use crate::key;
use crate::limits::{KEYWORDS_PER_MAILBOX, KEYWORDS_PER_MESSAGE};
use crate::record::{KeywordBits, KeywordsRow};
use crate::rejection::{LimitKind, Rejection};
use crate::rows::{Failure, Rows, Work};

/// The registry of a mailbox.
pub(crate) fn keywords_row(rows: &impl Rows, account: AccountId, mailbox: MailboxId) -> Result<KeywordsRow, Failure> {
    let row = rows.row("keywords row", &key::keywords(account, mailbox))?;
    Ok(row.unwrap_or_default())
}

/// The numbers of `wanted`, registering those that are new.
pub(crate) fn keyword_bits(
    work: &mut Work<'_, '_>,
    account: AccountId,
    mailbox: MailboxId,
    wanted: &[Keyword],
) -> Result<KeywordBits, Failure> {
    if wanted.len() > KEYWORDS_PER_MESSAGE {
        return Err(Rejection::Limit(LimitKind::KeywordsOfMessage).into());
    }
    let mut bits = KeywordBits::default();
    if wanted.is_empty() {
        return Ok(bits);
    }
    let mut row = keywords_row(work, account, mailbox)?;
    let before = row.keywords.len();
    for keyword in wanted {
        // A decoded keyword was not checked again; one that is no atom must not reach a client.
        Keyword::new(keyword.as_str()).map_err(|_| Rejection::Malformed)?;
        let number = row.keywords.iter().position(|known| known == keyword);
        let number = number.unwrap_or(row.keywords.len());
        if number >= KEYWORDS_PER_MAILBOX {
            return Err(Rejection::Limit(LimitKind::KeywordsOfMailbox).into());
        }
        if number == row.keywords.len() {
            row.keywords.push(keyword.clone());
        }
        bits.insert(number);
    }
    if row.keywords.len() > before {
        work.put(key::keywords(account, mailbox), &row);
    }
    Ok(bits)
}

/// The numbers of those of `wanted` that the mailbox knows.
pub(crate) fn known_bits(
    rows: &impl Rows,
    account: AccountId,
    mailbox: MailboxId,
    wanted: &[Keyword],
) -> Result<KeywordBits, Failure> {
    let mut bits = KeywordBits::default();
    if !wanted.is_empty() {
        let row = keywords_row(rows, account, mailbox)?;
        let numbers = row
            .keywords
            .iter()
            .enumerate()
            .filter(|(_, known)| wanted.contains(known));
        numbers.for_each(|(number, _)| bits.insert(number));
    }
    Ok(bits)
}
