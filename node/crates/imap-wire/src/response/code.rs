//! Response codes, which programs read (RFC 3501 7.1, RFC 4315, RFC 4469, RFC 5530, RFC 7162).

use bytes::{BufMut as _, BytesMut};
use mail_model::{FlagSet, SeqNum, Uid, UidValidity};

use super::capability::{Capabilities, put_capabilities};
use super::{put, put_flag_list, put_number};

/// What stands in brackets before the text of a status reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Code<'a> {
    /// The text must be shown to the user.
    Alert,
    /// The charset is none of ours; ours are named.
    BadCharset,
    /// What the server can do.
    Capability(Capabilities),
    /// A message could not be parsed.
    Parse,
    /// Flags that can be changed; `more` says that new keywords can be made.
    PermanentFlags {
        /// Known flags.
        flags: &'a FlagSet,
        /// Whether `\*` is among them.
        more: bool,
    },
    /// The mailbox is open for reading.
    ReadOnly,
    /// The mailbox is open for changes.
    ReadWrite,
    /// The mailbox is not there; CREATE would help.
    TryCreate,
    /// The next UID to be given.
    UidNext(Uid),
    /// Says whether UIDs still hold.
    UidValidity(UidValidity),
    /// The first message without `\Seen`.
    Unseen(SeqNum),
    /// The UIDs of appended messages (RFC 4315).
    AppendUid(UidValidity, &'a [Uid]),
    /// The UIDs of copied messages and of their copies, in the same order (RFC 4315).
    CopyUid(UidValidity, &'a [Uid], &'a [Uid]),
    /// The message or part is larger than allowed (RFC 4469).
    TooBig,
    /// A part of the service is not there at the moment.
    Unavailable,
    /// Log-in failed.
    AuthenticationFailed,
    /// Logged in, but not as whom.
    AuthorizationFailed,
    /// The credentials are too old.
    Expired,
    /// Only over an encrypted connection.
    PrivacyRequired,
    /// The administrator has to help.
    ContactAdmin,
    /// Not permitted to this user.
    NoPerm,
    /// Somebody else has it.
    InUse,
    /// Some of the messages are gone.
    ExpungeIssued,
    /// Stored data is damaged.
    Corruption,
    /// The server is at fault.
    ServerBug,
    /// The client is at fault.
    ClientBug,
    /// It can never be done.
    Cannot,
    /// Over a limit.
    Limit,
    /// Over the quota.
    OverQuota,
    /// It is there already.
    AlreadyExists,
    /// It is not there.
    NonExistent,
    /// The mailbox that was selected before is closed (RFC 7162).
    Closed,
    /// A mailbox with children cannot be deleted (RFC 5530 leaves that to CANNOT; RFC 9051 7.1 names it).
    HasChildren,
}

impl Code<'_> {
    /// The name on the wire.
    const fn name(&self) -> &'static str {
        match self {
            Self::Alert => "ALERT",
            Self::BadCharset => "BADCHARSET",
            Self::Capability(_) => "CAPABILITY",
            Self::Parse => "PARSE",
            Self::PermanentFlags { .. } => "PERMANENTFLAGS",
            Self::ReadOnly => "READ-ONLY",
            Self::ReadWrite => "READ-WRITE",
            Self::TryCreate => "TRYCREATE",
            Self::UidNext(_) => "UIDNEXT",
            Self::UidValidity(_) => "UIDVALIDITY",
            Self::Unseen(_) => "UNSEEN",
            Self::AppendUid(..) => "APPENDUID",
            Self::CopyUid(..) => "COPYUID",
            Self::TooBig => "TOOBIG",
            Self::Unavailable => "UNAVAILABLE",
            Self::AuthenticationFailed => "AUTHENTICATIONFAILED",
            Self::AuthorizationFailed => "AUTHORIZATIONFAILED",
            Self::Expired => "EXPIRED",
            Self::PrivacyRequired => "PRIVACYREQUIRED",
            Self::ContactAdmin => "CONTACTADMIN",
            Self::NoPerm => "NOPERM",
            Self::InUse => "INUSE",
            Self::ExpungeIssued => "EXPUNGEISSUED",
            Self::Corruption => "CORRUPTION",
            Self::ServerBug => "SERVERBUG",
            Self::ClientBug => "CLIENTBUG",
            Self::Cannot => "CANNOT",
            Self::Limit => "LIMIT",
            Self::OverQuota => "OVERQUOTA",
            Self::AlreadyExists => "ALREADYEXISTS",
            Self::NonExistent => "NONEXISTENT",
            Self::Closed => "CLOSED",
            Self::HasChildren => "HASCHILDREN",
        }
    }

    /// Appends the code in its brackets.
    pub(super) fn write(&self, out: &mut BytesMut) {
        put(out, format_args!("[{}", self.name()));
        match self {
            Self::BadCharset => out.put_slice(b" (US-ASCII UTF-8)"),
            Self::Capability(capabilities) => put_capabilities(out, capabilities),
            Self::PermanentFlags { flags, more } => {
                out.put_u8(b' ');
                put_flag_list(out, flags, more.then_some("\\*"));
            }
            Self::UidNext(uid) => put(out, format_args!(" {uid}")),
            Self::UidValidity(validity) => put(out, format_args!(" {validity}")),
            Self::Unseen(number) => put(out, format_args!(" {number}")),
            Self::AppendUid(validity, uids) => {
                put(out, format_args!(" {validity} "));
                write_uid_set(out, uids);
            }
            Self::CopyUid(validity, from, to) => {
                put(out, format_args!(" {validity} "));
                write_uid_set(out, from);
                out.put_u8(b' ');
                write_uid_set(out, to);
            }
            _ => {}
        }
        out.put_u8(b']');
    }
}

/// Appends `uid-set` (RFC 4315): in the order given, runs of ascending neighbors as ranges. An empty set has no form;
/// nothing is written for it, so callers leave the code out.
pub fn write_uid_set(out: &mut BytesMut, uids: &[Uid]) {
    let runs = uids.chunk_by(|one, other| one.next() == Some(*other));
    for (at, run) in runs.enumerate() {
        if at > 0 {
            out.put_u8(b',');
        }
        match run {
            [] => {}
            [one] => put_number(out, one.get()),
            [first, .., last] => put(out, format_args!("{first}:{last}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::written;
    use super::*;
    use mail_model::{Keyword, SystemFlags};

    fn uids(numbers: &[u32]) -> Vec<Uid> {
        numbers.iter().map(|number| Uid::new(*number).unwrap()).collect()
    }

    #[test]
    fn codes_with_arguments_are_written_as_their_rfcs_say() {
        let validity = UidValidity::new(38_505).unwrap();
        let (from, to) = (uids(&[304, 319, 320]), uids(&[3_956, 3_957, 3_958]));
        let mut flags = FlagSet::from(SystemFlags::DELETED | SystemFlags::SEEN);
        flags.add_keyword(Keyword::new("$Junk").unwrap());
        let cases = [
            (
                Code::CopyUid(validity, &from, &to),
                "[COPYUID 38505 304,319:320 3956:3958]",
            ),
            (Code::AppendUid(validity, &to[..1]), "[APPENDUID 38505 3956]"),
            (Code::AppendUid(validity, &to), "[APPENDUID 38505 3956:3958]"),
            (
                Code::PermanentFlags {
                    flags: &flags,
                    more: true,
                },
                "[PERMANENTFLAGS (\\Deleted \\Seen $Junk \\*)]",
            ),
            (Code::BadCharset, "[BADCHARSET (US-ASCII UTF-8)]"),
            (Code::UidNext(Uid::MAX), "[UIDNEXT 4294967295]"),
            (Code::UidValidity(validity), "[UIDVALIDITY 38505]"),
            (Code::Unseen(SeqNum::MIN), "[UNSEEN 1]"),
            (Code::TryCreate, "[TRYCREATE]"),
        ];
        for (code, expected) in cases {
            assert_eq!(written(|out| code.write(out)), expected);
        }
    }

    #[test]
    fn a_uid_set_keeps_its_order() {
        let set = |numbers: &[u32]| written(|out| write_uid_set(out, &uids(numbers)));
        assert_eq!(set(&[9, 1, 2, 3, 2, u32::MAX]), "9,1:3,2,4294967295");
        assert_eq!(set(&[]), "");
    }
}
