//! The session behind the transcripts: three equal messages with UIDs 11 to 13, and a handful of mailbox names.

use bytes::{BufMut as _, BytesMut};
use imap_wire::command::{
    CopyCommand, Fetch, FetchItem, ListCommand, ListTarget, Search, SearchKey, SectionItem, SectionText, Store,
    StoreAction,
};
use imap_wire::limits::AppendLimit;
use imap_wire::response::{self, Capabilities, Code, FetchReply, ListAttribute, Status};
use imap_wire::{AppendMessage, Command, Event, ImapServer, Numbering, SequenceSet, SessionState, Tag, Tagged};
use mail_model::{
    FlagSet, InternalDate, LoginExchange, LoginStep, MailboxName, SeqNum, SpecialUse, SystemFlags, Uid, UidValidity,
    read_plain,
};

const HEADER: &str = "Subject: x\r\n\r\n";
const TEXT: &str = "hello\r\n";
const NAMES: [&str; 4] = ["INBOX", "Sent", "Sent/2024", "Entw\u{fc}rfe"];
/// Largest message that the session takes by APPEND.
const APPEND_MAX: u64 = 1_000;
/// Messages of one APPEND, after which its quota is used up.
const APPEND_MESSAGES: usize = 3;

pub(super) struct Session {
    machine: ImapServer,
    out: BytesMut,
    flags: Vec<FlagSet>,
    /// Messages of the APPEND under way.
    appended: Vec<Vec<u8>>,
    login: Option<(Tag, LoginExchange)>,
    plain: Option<Tag>,
    closed: bool,
}

impl Session {
    pub(super) fn new() -> Self {
        Self {
            machine: ImapServer::new(AppendLimit(APPEND_MAX)),
            out: BytesMut::new(),
            flags: vec![
                FlagSet::default(),
                SystemFlags::SEEN.into(),
                SystemFlags::FLAGGED.into(),
            ],
            appended: Vec::new(),
            login: None,
            plain: None,
            closed: false,
        }
    }

    pub(super) fn selected() -> Self {
        let mut session = Self::new();
        session.machine.set_state(SessionState::Selected);
        session
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// The next line that was sent to the client, without CRLF.
    pub(super) fn next_line(&mut self) -> Option<String> {
        let end = self.out.windows(2).position(|pair| pair == b"\r\n")?;
        let line = self.out.split_to(end + 2);
        Some(String::from_utf8_lossy(&line[..end]).into_owned())
    }

    pub(super) fn send(&mut self, octets: &[u8]) {
        self.machine.handle_input(octets);
        while let Some(event) = self.machine.poll() {
            self.on_event(event);
        }
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Command(Tagged { tag, command }) => self.on_command(tag, command),
            Event::Continue => response::write_continuation(&mut self.out, "go on"),
            Event::Append(append) if append.mailbox.as_str() == "Nowhere" => {
                self.machine.refuse_append();
                self.end(
                    &append.tag,
                    Status::No,
                    Some(&Code::TryCreate),
                    "there is no such mailbox",
                );
            }
            Event::Append(append) => {
                self.appended.clear();
                self.accept(append.mailbox.as_str(), append.message);
            }
            Event::AppendNext { tag, .. } if self.appended.len() == APPEND_MESSAGES => {
                self.machine.refuse_append();
                self.end(&tag, Status::No, Some(&Code::OverQuota), "that is enough");
            }
            Event::AppendNext { message, .. } => self.accept("the same", message),
            Event::AppendChunk(chunk) => {
                let message = self.appended.last_mut().expect("a message was accepted");
                message.extend_from_slice(&chunk);
            }
            Event::AppendEnd { tag } => {
                let uids: Vec<Uid> = (14..).zip(&self.appended).map(|(number, _)| uid(number)).collect();
                let sizes: Vec<String> = self.appended.iter().map(|message| message.len().to_string()).collect();
                let text = format!("appended {} octets", sizes.join(" and "));
                let code = Code::AppendUid(UidValidity::MIN, &uids);
                self.end(&tag, Status::Ok, Some(&code), &text);
            }
            Event::Rejected(rejected) => {
                (self.login, self.plain) = (None, None);
                response::write_rejected(&mut self.out, &rejected);
            }
            Event::AuthLine(line) => self.on_auth_line(line.expose()),
            Event::IdleDone { tag } => self.end(&tag, Status::Ok, None, "no longer idle"),
            Event::Fatal { text } => {
                response::write_bye(&mut self.out, None, text);
                self.closed = true;
            }
        }
    }

    fn accept(&mut self, mailbox: &str, message: AppendMessage) {
        let (flags, date) = (message.flags.unwrap_or_default(), message.date.unwrap_or_default());
        let text = format!("to {mailbox} {:?} {}", flags.system, date.utc_seconds);
        response::write_untagged(&mut self.out, Status::Ok, None, &text);
        self.appended.push(Vec::new());
        self.machine.accept_append();
    }

    fn end(&mut self, tag: &Tag, status: Status, code: Option<&Code<'_>>, text: &str) {
        response::write_tagged(&mut self.out, tag, status, code, text);
    }

    fn on_auth_line(&mut self, octets: &[u8]) {
        if let Some(tag) = self.plain.take() {
            let is_right = read_plain(octets).is_ok_and(|read| read.password.expose() == "secret");
            return self.logged_in(&tag, is_right);
        }
        let Some((tag, mut exchange)) = self.login.take() else {
            panic!("nobody is authenticating")
        };
        match exchange.answer(octets) {
            Ok(LoginStep::Challenge) => {
                response::write_challenge(&mut self.out, exchange.challenge().as_bytes());
                self.machine.expect_auth_line(tag.clone());
                self.login = Some((tag, exchange));
            }
            Ok(LoginStep::Done(read)) => self.logged_in(&tag, read.password.expose() == "secret"),
            Err(error) => self.end(&tag, Status::Bad, None, &error.to_string()),
        }
    }

    fn logged_in(&mut self, tag: &Tag, is_right: bool) {
        if !is_right {
            return self.end(
                tag,
                Status::No,
                Some(&Code::AuthenticationFailed),
                "wrong name or password",
            );
        }
        self.machine.set_state(SessionState::Authenticated);
        self.end(tag, Status::Ok, None, "logged in");
    }

    fn on_command(&mut self, tag: Tag, command: Command) {
        match command {
            Command::Authenticate(authenticate) => {
                return self.on_authenticate(tag, &authenticate.mechanism, authenticate.initial);
            }
            Command::Login(login) => return self.logged_in(&tag, login.password.expose() == "secret"),
            Command::Select(_) | Command::Examine(_) => return self.on_select(&tag, &command),
            Command::Copy(copy) => return self.on_copy(&tag, &copy),
            Command::Move(copy) => {
                response::write_expunge(&mut self.out, SeqNum::MIN);
                return self.on_copy(&tag, &copy);
            }
            Command::Idle => {
                response::write_continuation(&mut self.out, "idling");
                return self.machine.begin_idle(tag);
            }
            Command::StartTls => {
                self.end(&tag, Status::Ok, None, "begin TLS");
                return self.machine.reset_after_starttls();
            }
            Command::Logout => {
                response::write_bye(&mut self.out, None, "bye");
                self.machine.set_state(SessionState::Logout);
                self.closed = true;
            }
            Command::Close | Command::Unselect => self.machine.set_state(SessionState::Authenticated),
            Command::Capability => {
                let authenticated = self.machine.state().is_authenticated();
                let capabilities = Capabilities {
                    authenticated,
                    starttls: true,
                    passwords: true,
                };
                response::write_capability(&mut self.out, &capabilities);
            }
            Command::List(list) => self.on_list(&list, response::write_list),
            Command::Lsub(list) => self.on_list(&list, response::write_lsub),
            Command::Status(status) => {
                let items: Vec<_> = status
                    .items
                    .iter()
                    .zip(1..)
                    .map(|(item, number)| (*item, number))
                    .collect();
                response::write_status(&mut self.out, &status.mailbox, &items);
            }
            Command::Search(search) => self.on_search(&search),
            Command::Fetch(fetch) => self.on_fetch(&fetch),
            Command::Store(store) => self.on_store(&store),
            Command::Namespace => response::write_namespace(&mut self.out),
            Command::Id(pairs) => response::write_id(&mut self.out, &[("fields", &pairs.0.len().to_string())]),
            Command::Expunge => response::write_expunge(&mut self.out, SeqNum::MIN),
            Command::UidExpunge(set) => {
                for number in self.numbers(Numbering::Uid, &set) {
                    response::write_expunge(&mut self.out, seq(number));
                }
            }
            Command::Create(name) | Command::Delete(name) | Command::Subscribe(name) | Command::Unsubscribe(name) => {
                return self.end(&tag, Status::Ok, None, &format!("done to {:?}", name.as_str()));
            }
            Command::Rename(rename) => {
                return self.end(&tag, Status::Ok, None, &format!("{} is {}", rename.from, rename.to));
            }
            Command::Noop | Command::Check => {}
        }
        self.end(&tag, Status::Ok, None, "done");
    }

    fn on_authenticate(&mut self, tag: Tag, mechanism: &str, initial: Option<imap_wire::AuthResponse>) {
        let challenge = match mechanism {
            "PLAIN" => {
                self.plain = Some(tag.clone());
                ""
            }
            "LOGIN" => {
                let exchange = LoginExchange::new();
                let challenge = exchange.challenge();
                self.login = Some((tag.clone(), exchange));
                challenge
            }
            _ => return self.end(&tag, Status::No, Some(&Code::Cannot), "unknown mechanism"),
        };
        match initial {
            Some(initial) => self.on_auth_line(initial.expose()),
            None => {
                response::write_challenge(&mut self.out, challenge.as_bytes());
                self.machine.expect_auth_line(tag);
            }
        }
    }

    fn on_select(&mut self, tag: &Tag, command: &Command) {
        self.machine.set_state(SessionState::Selected);
        let flags = FlagSet::from(SystemFlags::SEEN | SystemFlags::DELETED);
        let out = &mut self.out;
        response::write_flags(out, &flags);
        response::write_exists(out, 3);
        response::write_recent(out, 0);
        response::write_untagged(out, Status::Ok, Some(&Code::Unseen(seq(1))), "first unseen");
        let code = Code::PermanentFlags {
            flags: &flags,
            more: true,
        };
        response::write_untagged(out, Status::Ok, Some(&code), "limited");
        response::write_untagged(out, Status::Ok, Some(&Code::UidValidity(UidValidity::MIN)), "they hold");
        response::write_untagged(out, Status::Ok, Some(&Code::UidNext(uid(14))), "the next one");
        let mode = if matches!(command, Command::Select(_)) {
            Code::ReadWrite
        } else {
            Code::ReadOnly
        };
        self.end(tag, Status::Ok, Some(&mode), "selected");
    }

    fn on_list(&mut self, list: &ListCommand, write: fn(&mut BytesMut, &[ListAttribute], &MailboxName)) {
        let ListTarget::Matching(pattern) = &list.target else {
            return response::write_separator(&mut self.out);
        };
        for name in NAMES.into_iter().filter(|name| pattern.matches(name)) {
            let has_children = NAMES.iter().any(|other| other.starts_with(&format!("{name}/")));
            let mut attributes = vec![if has_children {
                ListAttribute::HasChildren
            } else {
                ListAttribute::HasNoChildren
            }];
            attributes.extend(SpecialUse::by_attribute(&format!("\\{name}")).map(ListAttribute::SpecialUse));
            write(&mut self.out, &attributes, &MailboxName::new(name).unwrap());
        }
    }

    /// The sequence numbers of a set.
    fn numbers(&self, numbering: Numbering, set: &SequenceSet) -> Vec<u32> {
        match numbering {
            Numbering::Sequence => (1..=3).filter(|number| set.resolve(3).contains(*number)).collect(),
            Numbering::Uid => (1..=3)
                .filter(|number| set.resolve(13).contains(*number + 10))
                .collect(),
        }
    }

    fn holds(&self, key: &SearchKey, number: u32) -> bool {
        let flags = &self.flags[number as usize - 1];
        match key {
            SearchKey::All => true,
            SearchKey::And(keys) => keys.iter().all(|key| self.holds(key, number)),
            SearchKey::Or(one, other) => self.holds(one, number) || self.holds(other, number),
            SearchKey::Not(key) => !self.holds(key, number),
            SearchKey::Has(flag) => flags.system.contains(*flag),
            SearchKey::Lacks(flag) => !flags.system.contains(*flag),
            SearchKey::Sequence(set) => self.numbers(Numbering::Sequence, set).contains(&number),
            SearchKey::Uid(set) => self.numbers(Numbering::Uid, set).contains(&number),
            SearchKey::Text(text) => HEADER.contains(text.as_str()) || TEXT.contains(text.as_str()),
            other => panic!("not in the transcripts: {other:?}"),
        }
    }

    fn on_search(&mut self, search: &Search) {
        let found: Vec<u32> = (1..=3).filter(|number| self.holds(&search.key, *number)).collect();
        let shift = if search.numbering == Numbering::Uid { 10 } else { 0 };
        response::write_search(&mut self.out, found.into_iter().map(|number| number + shift));
    }

    fn on_fetch(&mut self, fetch: &Fetch) {
        for number in self.numbers(fetch.numbering, &fetch.set) {
            let out = &mut self.out;
            let mut reply = FetchReply::begin(out, seq(number));
            if fetch.numbering == Numbering::Uid && !fetch.items.contains(&FetchItem::Uid) {
                reply.uid(out, uid(number + 10));
            }
            for item in &fetch.items {
                match item {
                    FetchItem::Flags => reply.flags(out, &self.flags[number as usize - 1], false),
                    FetchItem::Uid => reply.uid(out, uid(number + 10)),
                    FetchItem::InternalDate => reply.internal_date(out, InternalDate::default()),
                    FetchItem::Size => reply.size(out, (HEADER.len() + TEXT.len()) as u64),
                    FetchItem::Envelope => reply.envelope(out, b"(NIL)"),
                    FetchItem::Body => reply.body(out, b"(1)"),
                    FetchItem::BodyStructure => reply.body_structure(out, b"(2)"),
                    FetchItem::Section(section) => put_section(out, &mut reply, section),
                }
            }
            reply.finish(out);
        }
    }

    fn on_store(&mut self, store: &Store) {
        for number in self.numbers(store.numbering, &store.set) {
            let flags = &mut self.flags[number as usize - 1];
            match store.action {
                StoreAction::Replace => *flags = store.flags.clone(),
                StoreAction::Add => flags.system |= store.flags.system,
                StoreAction::Remove => flags.system = flags.system.without(store.flags.system),
            }
            if !store.silent {
                let mut reply = FetchReply::begin(&mut self.out, seq(number));
                reply.flags(&mut self.out, flags, false);
                reply.finish(&mut self.out);
            }
        }
    }

    fn on_copy(&mut self, tag: &Tag, copy: &CopyCommand) {
        let from: Vec<Uid> = self
            .numbers(copy.numbering, &copy.set)
            .into_iter()
            .map(|number| uid(number + 10))
            .collect();
        let to: Vec<Uid> = (1..).zip(&from).map(|(number, _)| uid(number)).collect();
        let code = Code::CopyUid(UidValidity::MIN, &from, &to);
        self.end(tag, Status::Ok, Some(&code), &format!("in {}", copy.mailbox));
    }
}

fn put_section(out: &mut BytesMut, reply: &mut FetchReply, item: &SectionItem) {
    let whole = format!("{HEADER}{TEXT}");
    let octets = match item.section.text {
        _ if !item.section.part.is_empty() => return reply.section_nil(out, item),
        SectionText::Whole => whole.as_str(),
        SectionText::Text => TEXT,
        _ => HEADER,
    };
    let first = item
        .partial
        .map_or(0, |partial| partial.first as usize)
        .min(octets.len());
    let len = item.partial.map_or(usize::MAX, |partial| partial.len.get() as usize);
    let octets = &octets[first..first.saturating_add(len).min(octets.len())];
    reply.section(out, item, octets.len() as u64);
    out.put_slice(octets.as_bytes());
}

fn uid(number: u32) -> Uid {
    Uid::new(number).unwrap()
}

fn seq(number: u32) -> SeqNum {
    SeqNum::new(number).unwrap()
}
