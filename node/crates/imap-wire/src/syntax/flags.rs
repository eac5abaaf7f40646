//! Flags as arguments of STORE and APPEND (RFC 3501 2.3.2).

use mail_model::{FlagSet, Keyword, SystemFlags};

use super::cursor::Cursor;
use super::is_atom_char;
use crate::limits::KEYWORDS_MAX;
use crate::refusal::{Parse, Refusal};
use crate::response::Code;

/// `flag-list`
pub(crate) fn read_flag_list(cursor: &mut Cursor<'_>) -> Parse<FlagSet> {
    cursor.expect(b'(')?;
    if cursor.eat(b')') {
        return Ok(FlagSet::default());
    }
    let flags = read_flags(cursor)?;
    cursor.expect(b')')?;
    Ok(flags)
}

/// `flag *(SP flag)`
pub(crate) fn read_flags(cursor: &mut Cursor<'_>) -> Parse<FlagSet> {
    let mut flags = FlagSet::default();
    loop {
        read_flag(cursor, &mut flags)?;
        if !cursor.eat(b' ') {
            return Ok(flags);
        }
    }
}

fn read_flag(cursor: &mut Cursor<'_>, flags: &mut FlagSet) -> Parse<()> {
    let is_system = cursor.eat(b'\\');
    let atom = cursor.take_while("a flag", is_atom_char)?;
    let atom = String::from_utf8_lossy(atom);
    if is_system {
        let name = format!("\\{atom}");
        let flag = SystemFlags::by_name(&name).ok_or_else(|| {
            if name.eq_ignore_ascii_case("\\Recent") {
                Refusal::bad("\\Recent cannot be set by clients")
            } else {
                Refusal::bad(format!("there is no flag {name}"))
            }
        })?;
        flags.system |= flag;
        return Ok(());
    }
    let keyword = Keyword::new(&atom).map_err(|error| Refusal::no(Code::Limit, error.to_string()))?;
    flags.add_keyword(keyword);
    if flags.keywords.len() > KEYWORDS_MAX {
        return Err(Refusal::no(
            Code::Limit,
            format!("a message has at most {KEYWORDS_MAX} keywords"),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Parse<FlagSet> {
        let mut cursor = Cursor::new(text.as_bytes());
        let flags = read_flag_list(&mut cursor)?;
        cursor.end()?;
        Ok(flags)
    }

    #[test]
    fn flags_and_keywords_come_apart() {
        let flags = read("(\\seen $Junk \\Deleted $JUNK)").unwrap();
        assert_eq!(flags.system, SystemFlags::SEEN | SystemFlags::DELETED);
        assert_eq!(flags.keywords, [Keyword::new("$Junk").unwrap()]);
        assert!(read("()").unwrap().is_empty());
    }

    #[test]
    fn what_cannot_be_set_is_refused() {
        for text in [
            "(\\Recent)",
            "(\\*)",
            "(\\Nonsense)",
            "(a  b)",
            "( a)",
            "(a",
            "a",
            "(\u{e9})",
            "(\\ Seen)",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
        let many: Vec<String> = (0..=KEYWORDS_MAX).map(|n| format!("k{n}")).collect();
        assert_eq!(
            read(&format!("({})", many.join(" "))).unwrap_err().code,
            Some(Code::Limit)
        );
    }
}
