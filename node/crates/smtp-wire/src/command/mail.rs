//! MAIL (RFC 5321 4.1.1.2) with SIZE (RFC 1870), BODY (RFC 6152) and AUTH (RFC 4954 5).

use super::{BadCommand, Command, after_prefix, number, parameters};
use crate::mailbox::ReversePath;
use crate::path::{BadPath, Path, read_path};

/// What a client says its message is made of (RFC 6152 3). Both are kept as they come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BodyType {
    /// Nothing over 127.
    #[default]
    SevenBit,
    /// Any bytes in lines.
    EightBitMime,
}

/// The beginning of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailRequest {
    /// Where notices go.
    pub reverse_path: ReversePath,
    /// The size that the client declares, in octets; an estimate (RFC 1870 6.1).
    pub declared_bytes: Option<u64>,
    /// As declared.
    pub body: BodyType,
}

pub(super) fn read(argument: &[u8]) -> Result<Command, BadCommand> {
    let path = after_prefix(argument, b"FROM:").ok_or(BadCommand::Usage("MAIL FROM:<address>"))?;
    let (path, rest) = read_path(path).map_err(BadCommand::Sender)?;
    let reverse_path = match path {
        Path::Null => ReversePath::Null,
        Path::Mailbox(mailbox) => ReversePath::Mailbox(mailbox),
        Path::Postmaster => return Err(BadCommand::Sender(BadPath::Syntax)),
    };
    let mut request = MailRequest {
        reverse_path,
        declared_bytes: None,
        body: BodyType::SevenBit,
    };
    for (key, value) in parameters(rest).ok_or(BadCommand::Sender(BadPath::Syntax))? {
        match (key.as_slice(), value) {
            (b"SIZE", Some(value)) => {
                request.declared_bytes = Some(number(value).ok_or(BadCommand::ParameterValue)?);
            }
            (b"BODY", Some(value)) => request.body = body_type(value)?,
            // Says on whose word the message was submitted elsewhere. Nothing here trusts it.
            (b"AUTH", Some(value)) if !value.is_empty() => {}
            (b"SIZE" | b"BODY" | b"AUTH", _) => return Err(BadCommand::ParameterValue),
            (b"SMTPUTF8", None) => return Err(BadCommand::Sender(BadPath::EightBit)),
            _ => return Err(BadCommand::UnknownParameter),
        }
    }
    Ok(Command::Mail(request))
}

fn body_type(value: &[u8]) -> Result<BodyType, BadCommand> {
    match value.to_ascii_uppercase().as_slice() {
        b"7BIT" => Ok(BodyType::SevenBit),
        b"8BITMIME" => Ok(BodyType::EightBitMime),
        b"BINARYMIME" => Err(BadCommand::BinaryBody),
        _ => Err(BadCommand::ParameterValue),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<MailRequest, BadCommand> {
        match Command::read(text.as_bytes())? {
            Command::Mail(request) => Ok(request),
            other => panic!("{other:?} is no MAIL"),
        }
    }

    #[test]
    fn a_sender_is_read_with_its_parameters() {
        let request = read("mail from: <Ann@example.org> size=12 body=8bitmime AUTH=<>").unwrap();
        assert_eq!(request.reverse_path.to_string(), "<Ann@example.org>");
        assert_eq!(request.declared_bytes, Some(12));
        assert_eq!(request.body, BodyType::EightBitMime);
        assert_eq!(read("MAIL FROM:<>").unwrap().reverse_path, ReversePath::Null);
    }

    #[test]
    fn each_fault_has_its_own_answer() {
        for (text, expected) in [
            ("MAIL", BadCommand::Usage("MAIL FROM:<address>")),
            ("MAIL <a@b>", BadCommand::Usage("MAIL FROM:<address>")),
            ("MAIL FROM:a@b", BadCommand::Sender(BadPath::Syntax)),
            ("MAIL FROM:<a@b>SIZE=1", BadCommand::Sender(BadPath::Syntax)),
            ("MAIL FROM:<postmaster>", BadCommand::Sender(BadPath::Syntax)),
            ("MAIL FROM:<\u{e4}@b>", BadCommand::Sender(BadPath::EightBit)),
            ("MAIL FROM:<a@b> SMTPUTF8", BadCommand::Sender(BadPath::EightBit)),
            ("MAIL FROM:<a@b> SIZE=+1", BadCommand::ParameterValue),
            ("MAIL FROM:<a@b> SIZE", BadCommand::ParameterValue),
            ("MAIL FROM:<a@b> SIZE=99999999999999999999", BadCommand::ParameterValue),
            ("MAIL FROM:<a@b> BODY=9BIT", BadCommand::ParameterValue),
            ("MAIL FROM:<a@b> BODY=BINARYMIME", BadCommand::BinaryBody),
            ("MAIL FROM:<a@b> RET=FULL", BadCommand::UnknownParameter),
        ] {
            assert_eq!(read(text), Err(expected), "{text}");
        }
    }
}
