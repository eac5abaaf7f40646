//! The language in which tests are written: replicas of a mail group on memory shelves, a cluster of such groups behind
//! a [`GroupClient`], and messages.

mod cluster;
mod replica;

pub(crate) use cluster::{Cluster, Fault};
pub(crate) use replica::Replica;

use mail_model::{AccountId, FlagSet, GroupId, InternalDate, Keyword, MailboxName, SystemFlags, Uid};

use crate::front::Body;

pub(crate) const ONE: GroupId = GroupId(1);
pub(crate) const TWO: GroupId = GroupId(2);
pub(crate) const ANN: AccountId = AccountId(11);
pub(crate) const BOB: AccountId = AccountId(12);

pub(crate) const DATE: InternalDate = InternalDate {
    utc_seconds: 1_790_000_000,
    offset_minutes: 120,
};

pub(crate) fn name(text: &str) -> MailboxName {
    MailboxName::new(text).expect("a legal name")
}

pub(crate) fn uid(number: u32) -> Uid {
    Uid::new(number).expect("not zero")
}

pub(crate) fn uids(numbers: &[u32]) -> Vec<Uid> {
    numbers.iter().map(|number| uid(*number)).collect()
}

pub(crate) fn keyword(text: &str) -> Keyword {
    Keyword::new(text).expect("an atom")
}

pub(crate) fn flags(system: SystemFlags, keywords: &[&str]) -> FlagSet {
    let keywords = keywords.iter().map(|text| keyword(text)).collect();
    FlagSet { system, keywords }
}

/// A small message with its own Message-ID and subject.
pub(crate) fn message(number: u64) -> Vec<u8> {
    format!(
        "Message-ID: <{number}@test.example>\r\nFrom: ann@test.example\r\nSubject: number {number}\r\n\r\nhello {number}\r\n"
    )
    .into_bytes()
}

/// Bytes that do not compress away, of any length.
pub(crate) fn noise(len: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..len).map(next).collect()
}

impl Cluster {
    /// A body that has arrived for a group.
    pub(crate) async fn body(&self, groups: &[GroupId], bytes: &[u8]) -> Body {
        let mut writer = self.mailstore().body_writer(groups.iter().copied());
        for chunk in bytes.chunks(100_000) {
            writer.push(chunk).await.expect("taken");
        }
        writer.finish().await.expect("ended")
    }
}
