//! Mail goes in and comes out through programs that were not written here: SMTP at one node, LMTP at the second, IMAP
//! APPEND at the third, and IMAP and POP3 at all of them. Every message, odd and damaged ones among them, is found once
//! and byte for byte as it was sent, or was refused with a reply that says why.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::thread;

use chaos_tests::clients::{Answer, Curl, Errand, Place, Protocol, Python, Read, Sender, Swaks, address};
use chaos_tests::mail::{self, Ledger, Message, Refusal, as_pop3_sends, as_smtp_carries, smtp_refusal};
use chaos_tests::process::{Cluster, Shape};
use tempfile::TempDir;

const ACCOUNTS: u32 = 20;
/// Decides the random messages.
const SEED: u64 = 1;
const RANDOM_MESSAGES: usize = 200;
/// Swaks reads a message line by line; a few large ones would take up its whole share.
const SWAKS_BYTES_MAX: usize = 300_000;
/// Faults that are shown.
const FAULTS_SHOWN: usize = 30;

/// Where mail goes in, and by which node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route {
    Smtp,
    Lmtp,
    Append,
}

impl Route {
    /// By turns, so that every account gets mail on every route.
    fn of(id: usize) -> Self {
        [Self::Smtp, Self::Lmtp, Self::Append][id / ACCOUNTS as usize % 3]
    }

    fn node(self) -> u16 {
        match self {
            Self::Smtp => 1,
            Self::Lmtp => 2,
            Self::Append => 3,
        }
    }
}

/// Counts up once every account has got a message on every route, so that programs take turns in all of them.
fn turn(id: usize) -> usize {
    id / (3 * ACCOUNTS as usize)
}

/// The messages, and everything that happened to them.
struct Exchange {
    /// Of the messages.
    dir: TempDir,
    /// The node of each route, with a directory of its own.
    doors: [(Place, TempDir); 3],
    messages: Vec<Message>,
    ledger: Ledger,
    /// Messages that each program has put in.
    shares: BTreeMap<&'static str, usize>,
    /// What SMTP did not take.
    refused: Vec<Errand>,
    faults: Vec<String>,
}

impl Exchange {
    fn new(cluster: &Cluster) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let mut messages = mail::of_our_own(SEED, RANDOM_MESSAGES);
        messages.extend(mail::corpus());
        for (id, message) in messages.iter().enumerate() {
            fs::write(dir.path().join(id.to_string()), &message.bytes).expect("a file can be written");
        }
        let door = |route: Route| {
            let dir = tempfile::tempdir().expect("a directory");
            (Place::new(cluster, route.node(), dir.path()), dir)
        };
        Self {
            dir,
            doors: [Route::Smtp, Route::Lmtp, Route::Append].map(door),
            messages,
            ledger: Ledger::default(),
            shares: BTreeMap::new(),
            refused: Vec::new(),
            faults: Vec::new(),
        }
    }

    fn errand(&self, id: usize) -> Errand {
        Errand {
            id,
            account: 1 + u32::try_from(id).expect("few messages") % ACCOUNTS,
            file: self.dir.path().join(id.to_string()),
        }
    }

    fn errands(&self, route: Route) -> impl Iterator<Item = Errand> {
        let ids = (0..self.messages.len()).filter(move |id| Route::of(*id) == route);
        ids.map(|id| self.errand(id))
    }

    fn door(&self, route: Route) -> &Place {
        &self.doors[usize::from(route.node()) - 1].0
    }

    /// Sends everything, on the three routes at once.
    fn send(&mut self) {
        let (smtp, lmtp, append) = thread::scope(|scope| {
            let this = &*self;
            let smtp = scope.spawn(move || this.deliver(Route::Smtp));
            let lmtp = scope.spawn(move || this.deliver(Route::Lmtp));
            let append = scope.spawn(move || this.append());
            let wait = |thread: thread::ScopedJoinHandle<'_, _>| thread.join().expect("the clients run");
            (wait(smtp), wait(lmtp), append.join().expect("the clients run"))
        });
        for (program, answer) in smtp.into_iter().chain(lmtp) {
            self.was_delivered(program, &answer);
        }
        for (program, answer) in append {
            self.was_appended(program, &answer);
        }
    }

    fn deliver(&self, route: Route) -> Vec<(&'static str, Answer)> {
        let (protocol, programs): (_, [&dyn Sender; 10]) = match route {
            Route::Smtp => (
                Protocol::Smtp,
                [
                    &Python, &Curl, &Python, &Curl, &Python, &Swaks, &Python, &Curl, &Python, &Python,
                ],
            ),
            _ => (
                Protocol::Lmtp,
                [
                    &Python, &Python, &Swaks, &Python, &Python, &Python, &Python, &Swaks, &Python, &Python,
                ],
            ),
        };
        let mut shares: BTreeMap<&str, (&dyn Sender, Vec<Errand>)> = BTreeMap::new();
        for errand in self.errands(route) {
            let program = match programs[turn(errand.id) % programs.len()] {
                program if self.suits(program, &errand) => program,
                _ => &Python,
            };
            let share = shares.entry(program.name()).or_insert((program, Vec::new()));
            share.1.push(errand);
        }
        let sent = shares.into_values().flat_map(|(program, errands)| {
            let answers = program.deliver(self.door(route), protocol, &errands);
            assert_eq!(
                answers.len(),
                errands.len(),
                "{} has an answer for each message",
                program.name()
            );
            answers.into_iter().map(move |answer| (program.name(), answer))
        });
        sent.collect()
    }

    /// Whether a program can send a message at all, in reasonable time.
    fn suits(&self, program: &dyn Sender, errand: &Errand) -> bool {
        let size = self.messages[errand.id].bytes.len();
        match program.name() {
            "swaks" => size < SWAKS_BYTES_MAX,
            // It uploads no empty files.
            "curl" => size > 0,
            _ => true,
        }
    }

    fn append(&self) -> Vec<(&'static str, Answer)> {
        let door = self.door(Route::Append);
        let errands = self.errands(Route::Append);
        let (by_curl, by_python): (Vec<_>, Vec<_>) =
            errands.partition(|errand| turn(errand.id).is_multiple_of(4) && self.suits(&Curl, errand));
        let answers = Curl::append(door, &by_curl).into_iter().map(|answer| ("curl", answer));
        answers
            .chain(
                Python::append(door, &by_python)
                    .into_iter()
                    .map(|answer| ("imaplib", answer)),
            )
            .collect()
    }

    /// What SMTP and LMTP did not take goes by APPEND.
    fn append_refused(&mut self) {
        let refused = std::mem::take(&mut self.refused);
        for answer in Python::append(self.door(Route::Append), &refused) {
            self.was_appended("imaplib", &answer);
        }
    }

    fn was_delivered(&mut self, program: &'static str, answer: &Answer) {
        let errand = self.errand(answer.id);
        let message = &self.messages[answer.id];
        let how = format!("{:?} ({program}, {:?})", message.name, Route::of(answer.id));
        match smtp_refusal(&message.bytes) {
            None if answer.is_accepted && answer.reply.starts_with("250 2.0.0 delivered as ") => {
                let bytes = as_smtp_carries(&message.bytes);
                self.ledger
                    .delivered(errand.sender(), address(errand.account), how, bytes);
                *self.shares.entry(program).or_default() += 1;
            }
            Some(refusal) if !answer.is_accepted && says(&answer.reply, refusal) => self.refused.push(errand),
            wanted => self
                .faults
                .push(format!("{how}: wanted {wanted:?}, got {:?}", answer.reply)),
        }
    }

    fn was_appended(&mut self, program: &'static str, answer: &Answer) {
        let errand = self.errand(answer.id);
        let message = &self.messages[answer.id];
        let how = format!("{:?} ({program}, APPEND)", message.name);
        let refusal = match message.bytes.as_slice() {
            [] => Some("[CANNOT]"),
            bytes if bytes.contains(&0) => Some("a message has no NUL"),
            _ => None,
        };
        match refusal {
            None if answer.is_accepted && answer.reply.contains("[APPENDUID ") => {
                self.ledger
                    .appended(address(errand.account), how, message.bytes.clone());
                *self.shares.entry(program).or_default() += 1;
            }
            Some(text) if !answer.is_accepted && answer.reply.contains(text) => {}
            wanted => self
                .faults
                .push(format!("{how}: refusal {wanted:?}, got {:?}", answer.reply)),
        }
    }

    /// Holds what was read against the ledger.
    fn compare(&mut self, by: &str, read: &[Read], form: fn(&[u8]) -> Vec<u8>) {
        for user in (1..=ACCOUNTS).map(address) {
            let found: Vec<_> = read.iter().filter(|message| message.user == user).collect();
            for message in found
                .iter()
                .filter(|message| message.size != message.bytes.len() as u64)
            {
                let Read { id, size, bytes, .. } = message;
                let fault = format!("{by}: {user} {id}: told to have {size} octets, has {}", bytes.len());
                self.faults.push(fault);
            }
            let bytes: Vec<Vec<u8>> = found.into_iter().map(|message| message.bytes.clone()).collect();
            let faults = self.ledger.faults(&user, &bytes, form);
            self.faults
                .extend(faults.into_iter().map(|fault| format!("{by}: {user}: {fault}")));
        }
    }

    fn ensure_sound(&self) {
        let shown = self.faults.len().min(FAULTS_SHOWN);
        let (count, faults) = (self.faults.len(), self.faults[..shown].join("\n  "));
        assert!(self.faults.is_empty(), "{count} faults:\n  {faults}");
    }
}

fn says(reply: &str, refusal: Refusal) -> bool {
    let (code, enhanced, text) = refusal.reply();
    reply.starts_with(&format!("{code} {enhanced} ")) && reply.contains(text)
}

/// UIDs of each user, in the order in which messages were told.
fn uids(read: &[Read]) -> BTreeMap<&str, Vec<u32>> {
    let mut uids: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
    for message in read {
        uids.entry(&message.user)
            .or_default()
            .push(message.id.parse().expect("a UID"));
    }
    uids
}

#[test]
fn every_message_is_found_once_and_as_it_was_sent() {
    let cluster = Cluster::start(Shape {
        groups: 6,
        accounts: ACCOUNTS,
        ..Shape::SMALL
    });
    let dir = tempfile::tempdir().expect("a directory");
    let mut exchange = Exchange::new(&cluster);
    exchange.send();
    exchange.append_refused();
    exchange.ensure_sound();
    for program in ["smtplib", "imaplib", "curl", "swaks"] {
        assert!(exchange.shares[program] >= 10, "{:?}", exchange.shares);
    }

    let accounts: Vec<u32> = (1..=ACCOUNTS).collect();
    let imap: Vec<Vec<Read>> = cluster
        .nodes()
        .map(|node| Python::read_imap(&Place::new(&cluster, node, dir.path()), &accounts))
        .collect();
    for (at, read) in imap.iter().enumerate() {
        exchange.compare(&format!("IMAP at n{}", at + 1), read, <[u8]>::to_vec);
        for (user, uids) in uids(read) {
            assert!(uids.is_sorted_by(|one, next| one < next), "{user}: {uids:?}");
        }
        assert!(*read == imap[0], "n{} tells other messages or UIDs than n1", at + 1);
    }
    for node in cluster.nodes() {
        let read = Python::read_pop3(&Place::new(&cluster, node, dir.path()), &accounts);
        exchange.compare(&format!("POP3 at n{node}"), &read, as_pop3_sends);
        let unique: BTreeSet<_> = read.iter().map(|message| (&message.user, &message.id)).collect();
        assert_eq!(unique.len(), read.len(), "unique ids at n{node}");
    }
    read_with_curl(&cluster, &imap[0], dir.path());
    exchange.ensure_sound();
    eprintln!("messages that each program put in: {:?}", exchange.shares);

    let check = cluster.tool(&["check"]);
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stdout));
}

/// A sample of one account, through a third program that reads.
fn read_with_curl(cluster: &Cluster, read: &[Read], dir: &Path) {
    const ACCOUNT: u32 = 7;
    let messages: Vec<_> = read.iter().filter(|message| message.user == address(ACCOUNT)).collect();
    for (at, message) in messages.iter().enumerate().step_by(5) {
        let found = Curl::read_imap(&Place::new(cluster, 2, dir), ACCOUNT, &message.id);
        assert!(
            found == message.bytes,
            "UID {}: curl reads other octets over IMAP than imaplib",
            message.id
        );
        let found = Curl::read_pop3(&Place::new(cluster, 3, dir), ACCOUNT, at + 1);
        assert!(
            found == as_pop3_sends(&message.bytes),
            "curl reads other octets over POP3 of UID {}",
            message.id
        );
    }
}

#[test]
fn messages_appended_together_are_there_together_or_not_at_all() {
    let cluster = Cluster::start(Shape {
        groups: 2,
        accounts: 1,
        ..Shape::SMALL
    });
    let dir = tempfile::tempdir().expect("a directory");
    let file = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        fs::write(&path, bytes).expect("a file can be written");
        path
    };
    let messages: Vec<Vec<u8>> = [40, 700_000, 300, 5_000, 260_000]
        .into_iter()
        .zip(b'a'..)
        .map(|(len, letter)| [b"Subject: x\r\n\r\n".as_slice(), &vec![letter; len]].concat())
        .collect();
    let good: Vec<_> = (0..)
        .zip(&messages)
        .map(|(at, bytes)| file(&format!("good{at}"), bytes))
        .collect();
    let (empty, nul) = (file("empty", b""), file("nul", b"Subject: x\r\n\r\n\0"));
    let with = |last: &Path| [&good[..3], &[last.to_owned()]].concat();
    let answers = Python::append_together(
        &Place::new(&cluster, 2, dir.path()),
        1,
        &[with(&empty), with(&nul), good.clone(), vec![good[0].clone()]],
    );
    let replies: Vec<&str> = answers.iter().map(|(reply, _)| reply.as_str()).collect();
    assert!(replies[0].starts_with("NO [CANNOT] "), "{replies:?}");
    assert!(replies[1].starts_with("BAD "), "{replies:?}");
    assert!(
        replies[2].starts_with("OK [APPENDUID ") && replies[2].contains(" 1:5] "),
        "{replies:?}"
    );
    assert!(
        replies[3].starts_with("OK [APPENDUID ") && replies[3].contains(" 6] "),
        "{replies:?}"
    );
    // The cancelled message is never asked for.
    let asked: Vec<usize> = answers.iter().map(|(_, asked)| *asked).collect();
    assert_eq!(asked, [3, 4, 5, 1]);

    let mut wanted = messages;
    wanted.push(wanted[0].clone());
    for node in cluster.nodes() {
        let read = Python::read_imap(&Place::new(&cluster, node, dir.path()), &[1]);
        let found: Vec<&Vec<u8>> = read.iter().map(|message| &message.bytes).collect();
        assert!(found.iter().copied().eq(&wanted), "n{node}: {} messages", found.len());
        let flags: Vec<Vec<&str>> = read
            .iter()
            .map(|message| message.flags.iter().map(String::as_str).collect())
            .collect();
        assert_eq!(
            flags,
            [["Seen"], ["Draft"], ["Draft"], ["Draft"], ["Draft"], ["Seen"]],
            "n{node}"
        );
    }
    let check = cluster.tool(&["check"]);
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stdout));
}
