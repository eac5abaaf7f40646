//! How a command ends well: what its tagged OK says.

use imap_wire::response::{Capabilities, Code};
use mail_model::{Uid, UidValidity};
use mailstore::UidSet;
use mailstore::command::Copied;

use super::error::Failure;

/// A command's end: an acknowledgement, or why there is none.
pub(super) type Outcome = Result<Done, Failure>;

/// See the module.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) code: DoneCode,
    pub(super) text: &'static str,
}

/// A response code with what it is made of.
#[derive(Debug)]
pub(super) enum DoneCode {
    None,
    ReadOnly,
    ReadWrite,
    ExpungeIssued,
    Capability(Capabilities),
    AppendUid(UidValidity, Vec<Uid>),
    CopyUid(CopyUid),
}

/// COPYUID (RFC 4315, section 3): messages and their copies, in the same order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CopyUid {
    validity: UidValidity,
    source: Vec<Uid>,
    target: Vec<Uid>,
}

impl Done {
    /// An OK without a code.
    pub(super) const fn new(text: &'static str) -> Self {
        let code = DoneCode::None;
        Self { code, text }
    }

    /// An OK with a code.
    pub(super) const fn with(code: DoneCode, text: &'static str) -> Self {
        Self { code, text }
    }
}

impl DoneCode {
    /// As the wire has it.
    pub(super) fn code(&self) -> Option<Code<'_>> {
        Some(match self {
            Self::None => return None,
            Self::ReadOnly => Code::ReadOnly,
            Self::ReadWrite => Code::ReadWrite,
            Self::ExpungeIssued => Code::ExpungeIssued,
            Self::Capability(capabilities) => Code::Capability(*capabilities),
            Self::AppendUid(validity, uids) => Code::AppendUid(*validity, uids),
            Self::CopyUid(copy) => copy.code(),
        })
    }
}

impl CopyUid {
    /// `None` when no message was copied.
    pub(super) fn new(copied: &Copied) -> Option<Self> {
        let target = copied.target?;
        Some(Self {
            validity: copied.uid_validity,
            source: members(&copied.source),
            target: members(&UidSet::of_ranges([(target.first, target.last)])),
        })
    }

    /// Adds what a further entry copied to the same mailbox.
    pub(super) fn extend(&mut self, mut more: Self) {
        self.source.append(&mut more.source);
        self.target.append(&mut more.target);
    }

    /// As the wire has it.
    pub(super) fn code(&self) -> Code<'_> {
        Code::CopyUid(self.validity, &self.source, &self.target)
    }
}

fn members(set: &UidSet) -> Vec<Uid> {
    let numbers = set
        .ranges()
        .iter()
        .flat_map(|range| range.first.get()..=range.last.get());
    numbers.filter_map(Uid::new).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use mailstore::UidRange;

    fn uid(number: u32) -> Uid {
        Uid::new(number).unwrap()
    }

    fn copied(source: &[u32], first: u32) -> Copied {
        let last = first + u32::try_from(source.len()).unwrap() - 1;
        Copied {
            uid_validity: UidValidity::MIN,
            source: source.iter().map(|number| uid(*number)).collect(),
            target: Some(UidRange {
                first: uid(first),
                last: uid(last),
            }),
        }
    }

    #[test]
    fn copyuid_names_each_message_and_its_copy() {
        let mut code = CopyUid::new(&copied(&[3, 7, 8], 20)).unwrap();
        code.extend(CopyUid::new(&copied(&[11], 30)).unwrap());
        let uids = |numbers: &[u32]| numbers.iter().map(|number| uid(*number)).collect::<Vec<_>>();
        let (from, to) = (uids(&[3, 7, 8, 11]), uids(&[20, 21, 22, 30]));
        assert_eq!(code.code(), Code::CopyUid(UidValidity::MIN, &from, &to));
        let nothing = Copied {
            target: None,
            ..copied(&[1], 1)
        };
        assert_eq!(CopyUid::new(&nothing), None);
    }
}
