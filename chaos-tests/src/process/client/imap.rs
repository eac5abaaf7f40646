//! IMAP4rev1 (RFC 3501), as far as tests need it: literals whole, data items found by their names.

use super::{Trouble, Wire};

/// A session that has logged in.
pub struct Imap {
    wire: Wire,
    tag: u32,
    /// Data that nobody has asked for, since it was last looked at.
    news: Vec<Response>,
}

/// A mailbox that was selected (RFC 3501 section 6.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Selected {
    /// Messages in it.
    pub exists: u32,
    /// See RFC 3501 section 2.3.1.1.
    pub uid_validity: u32,
    /// See RFC 3501 section 2.3.1.1.
    pub uid_next: u32,
}

/// Where a message was put (RFC 4315 section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Of the mailbox.
    pub uid_validity: u32,
    /// Of the message there.
    pub uid: u32,
}

/// What FETCH says of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// Its unique id.
    pub uid: u32,
    /// Its flags, sorted.
    pub flags: Vec<String>,
    /// The section.
    pub octets: Vec<u8>,
}

/// A response with its literals taken out; their sizes still stand in the text.
#[derive(Clone, Debug)]
struct Response {
    text: String,
    literals: Vec<Vec<u8>>,
}

impl Imap {
    /// Logs in.
    ///
    /// # Errors
    /// When the server is not there, or does not let us in.
    pub fn log_in(port: u16, user: &str, password: &str) -> Result<Self, Trouble> {
        let mut session = Self {
            wire: Wire::connect(port)?,
            tag: 0,
            news: Vec::new(),
        };
        let greeting = session.response()?.text;
        if !greeting.starts_with("* OK") {
            return Err(Trouble::Nonsense(greeting));
        }
        session.command(&format!("LOGIN {user} {password}"))?;
        Ok(session)
    }

    /// One response with all its literals.
    fn response(&mut self) -> Result<Response, Trouble> {
        let mut response = Response {
            text: String::new(),
            literals: Vec::new(),
        };
        loop {
            let line = self.wire.line()?;
            response.text.push_str(&line);
            let size = line.strip_suffix('}').and_then(|line| line.rsplit_once('{'));
            let Some(size) = size.and_then(|(_, size)| size.parse().ok()) else {
                break;
            };
            response.literals.push(self.wire.octets(size)?);
        }
        match response.text.strip_prefix("* BYE") {
            Some(_) => Err(Trouble::Bye(response.text)),
            None => Ok(response),
        }
    }

    fn next_tag(&mut self) -> String {
        self.tag += 1;
        format!("t{}", self.tag)
    }

    /// Sends a command; its untagged data, and the words of its `OK`.
    fn command(&mut self, command: &str) -> Result<(Vec<Response>, String), Trouble> {
        let tag = self.next_tag();
        self.wire.send(format!("{tag} {command}\r\n").as_bytes())?;
        self.ended(&tag)
    }

    fn ended(&mut self, tag: &str) -> Result<(Vec<Response>, String), Trouble> {
        let mut data = Vec::new();
        loop {
            let response = self.response()?;
            if response.text.starts_with("* ") {
                data.push(response);
                continue;
            }
            let Some(rest) = response.text.strip_prefix(tag).and_then(|rest| rest.strip_prefix(' ')) else {
                return Err(Trouble::Nonsense(response.text));
            };
            return match rest.strip_prefix("OK ") {
                Some(words) => Ok((data, words.to_owned())),
                None => Err(Trouble::Refused(rest.to_owned())),
            };
        }
    }

    /// Does nothing.
    ///
    /// # Errors
    /// As of each command.
    pub fn noop(&mut self) -> Result<(), Trouble> {
        self.command("NOOP").map(drop)
    }

    /// Opens a mailbox.
    ///
    /// # Errors
    /// As of each command.
    pub fn select(&mut self, mailbox: &str) -> Result<Selected, Trouble> {
        let (data, _) = self.command(&format!("SELECT {mailbox}"))?;
        let find = |what: &dyn Fn(&str) -> Option<u32>| data.iter().find_map(|response| what(&response.text));
        let code = |name: &str| find(&|text| number_after(text, name));
        let selected = || {
            Some(Selected {
                exists: find(&exists)?,
                uid_validity: code("[UIDVALIDITY ")?,
                uid_next: code("[UIDNEXT ")?,
            })
        };
        selected().ok_or_else(|| Trouble::Nonsense(format!("SELECT: {data:?}")))
    }

    /// Appends a message, with a literal that waits for the server's consent or with one that does not (RFC 7888).
    ///
    /// # Errors
    /// As of each command.
    pub fn append(&mut self, mailbox: &str, flags: &str, message: &[u8], waits: bool) -> Result<Appended, Trouble> {
        let tag = self.next_tag();
        let plus = if waits { "" } else { "+" };
        let size = message.len();
        self.wire
            .send(format!("{tag} APPEND {mailbox} ({flags}) {{{size}{plus}}}\r\n").as_bytes())?;
        if waits {
            loop {
                let response = self.response()?;
                match response.text.as_bytes() {
                    [b'+', ..] => break,
                    [b'*', ..] => {}
                    _ => return Err(Trouble::Refused(response.text)),
                }
            }
        }
        self.wire.send(message)?;
        self.wire.send(b"\r\n")?;
        let (_, words) = self.ended(&tag)?;
        put(&words, "[APPENDUID ").ok_or(Trouble::Nonsense(words))
    }

    /// Fetches UID, FLAGS and a body section, such as `BODY.PEEK[]`, of messages by their UIDs.
    ///
    /// # Errors
    /// As of each command.
    pub fn fetch(&mut self, uids: &str, section: &str) -> Result<Vec<Fetched>, Trouble> {
        let (data, _) = self.command(&format!("UID FETCH {uids} (UID FLAGS {section})"))?;
        // News of flags has no literal.
        let is_asked = |response: &Response| response.text.contains(" FETCH (") && !response.literals.is_empty();
        let rows = data.into_iter().filter(is_asked);
        rows.map(Response::fetched).collect()
    }

    /// Changes flags of a message: `change` is `+FLAGS (\Seen)`, for instance.
    ///
    /// # Errors
    /// As of each command.
    pub fn store(&mut self, uid: u32, change: &str) -> Result<(), Trouble> {
        self.command(&format!("UID STORE {uid} {change}")).map(drop)
    }

    /// Moves a message (RFC 6851); says where it is then.
    ///
    /// # Errors
    /// As of each command; [`Trouble::Nonsense`] when the server moved nothing.
    pub fn move_to(&mut self, uid: u32, mailbox: &str) -> Result<Appended, Trouble> {
        let (data, words) = self.command(&format!("UID MOVE {uid} {mailbox}"))?;
        let texts = data
            .iter()
            .map(|response| response.text.as_str())
            .chain([words.as_str()]);
        let copied = texts.clone().find_map(|text| {
            let (_, code) = text.split_once("[COPYUID ")?;
            let (code, _) = code.split_once(']')?;
            let mut words = code.split(' ');
            let uid_validity = words.next()?.parse().ok()?;
            (words.next()?.parse() == Ok(uid)).then_some(())?;
            let uid = words.next()?.parse().ok()?;
            Some(Appended { uid_validity, uid })
        });
        copied.ok_or_else(|| Trouble::Nonsense(format!("UID MOVE {uid}: {:?}", texts.collect::<Vec<_>>())))
    }

    /// Removes a message (RFC 4315).
    ///
    /// # Errors
    /// As of each command.
    pub fn expunge(&mut self, uid: u32) -> Result<(), Trouble> {
        self.store(uid, "+FLAGS.SILENT (\\Deleted)")?;
        self.command(&format!("UID EXPUNGE {uid}")).map(drop)
    }

    /// Begins to idle (RFC 2177).
    ///
    /// # Errors
    /// As of each command.
    pub fn idle(&mut self) -> Result<(), Trouble> {
        let tag = self.next_tag();
        self.wire.send(format!("{tag} IDLE\r\n").as_bytes())?;
        loop {
            let response = self.response()?;
            match response.text.as_bytes() {
                [b'+', ..] => return Ok(()),
                [b'*', ..] => self.news.push(response),
                _ => return Err(Trouble::Refused(response.text)),
            }
        }
    }

    /// Waits, while it idles, until it is told that the mailbox has at least so many messages.
    ///
    /// # Errors
    /// [`Trouble::Gone`] when nothing is said for too long.
    pub fn wait_for_exists(&mut self, at_least: u32) -> Result<(), Trouble> {
        let is_told = |response: &Response| exists(&response.text).is_some_and(|exists| exists >= at_least);
        if self.news.drain(..).any(|response| is_told(&response)) {
            return Ok(());
        }
        while !is_told(&self.response()?) {}
        Ok(())
    }

    /// Ends idling.
    ///
    /// # Errors
    /// As of each command.
    pub fn done(&mut self) -> Result<(), Trouble> {
        self.news.clear();
        self.wire.send(b"DONE\r\n")?;
        let tag = format!("t{}", self.tag);
        self.ended(&tag).map(drop)
    }

    /// Takes leave.
    ///
    /// # Errors
    /// When the server does not.
    pub fn log_out(mut self) -> Result<(), Trouble> {
        match self.command("LOGOUT") {
            Err(Trouble::Bye(_)) => Ok(()),
            outcome => outcome.map(drop),
        }
    }
}

impl Response {
    fn fetched(self) -> Result<Fetched, Trouble> {
        let flags = self
            .text
            .split_once("FLAGS (")
            .and_then(|(_, rest)| rest.split_once(')'));
        let (Some(uid), Some((flags, _))) = (number_after(&self.text, "UID "), flags) else {
            return Err(Trouble::Nonsense(self.text));
        };
        let mut flags: Vec<String> = flags.split_whitespace().map(str::to_owned).collect();
        flags.sort();
        let octets = self.literals.into_iter().next().unwrap_or_default();
        Ok(Fetched { uid, flags, octets })
    }
}

/// The number that follows `name`.
fn number_after(text: &str, name: &str) -> Option<u32> {
    let (_, rest) = text.split_once(name)?;
    let digits = rest.split(|each: char| !each.is_ascii_digit()).next()?;
    digits.parse().ok()
}

fn exists(text: &str) -> Option<u32> {
    text.strip_prefix("* ")?.strip_suffix(" EXISTS")?.parse().ok()
}

/// UIDVALIDITY and one UID of a response code.
fn put(text: &str, name: &str) -> Option<Appended> {
    let (_, code) = text.split_once(name)?;
    let (code, _) = code.split_once(']')?;
    let (uid_validity, uid) = code.split_once(' ')?;
    Some(Appended {
        uid_validity: uid_validity.parse().ok()?,
        uid: uid.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_in_responses() {
        assert_eq!(number_after("* OK [UIDNEXT 7] next", "[UIDNEXT "), Some(7));
        assert_eq!(exists("* 12 EXISTS"), Some(12));
        assert_eq!(exists("* 12 EXPUNGE"), None);
        let appended = Appended {
            uid_validity: 3,
            uid: 9,
        };
        assert_eq!(put("[APPENDUID 3 9] done", "[APPENDUID "), Some(appended));
        assert_eq!(put("[APPENDUID 3 9:10] done", "[APPENDUID "), None);
    }
}
