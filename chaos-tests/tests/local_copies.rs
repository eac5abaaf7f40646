//! Programs that keep a copy of an account stay in step with it while nodes are killed, between their runs and in the
//! middle of them: mbsync a Maildir, with changes on both sides, and fetchmail a maildrop, each message of it once.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::{Child, Output};
use std::thread;
use std::time::{Duration, Instant};

use chaos_tests::clients::{Errand, Fetching, Fetchmail, Mbsync, Place, Protocol, Python, Sender, address};
use chaos_tests::mail::{self, Ledger, as_smtp_carries, lf, smtp_refusal};
use chaos_tests::process::limits::{LOOK_EVERY, PATIENCE};
use chaos_tests::process::{Cluster, Shape};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

/// Decides messages, edits and nodes.
const SEED: u64 = 5;
/// What happens to the cluster in a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Nothing,
    /// Another node than the client's is down all the while.
    OtherIsDown,
    /// Another node than the client's is killed in the middle of the run.
    OtherIsKilled,
    /// The client's own node is killed in the middle of the run.
    OwnIsKilled,
    /// All nodes are killed in the middle of the run, and started again.
    AllAreKilled,
}

impl Fault {
    /// Whether it comes in the middle of a run.
    fn is_amid(self) -> bool {
        !matches!(self, Self::Nothing | Self::OtherIsDown)
    }

    /// Whether the client's own node dies.
    fn kills_own(self) -> bool {
        matches!(self, Self::OwnIsKilled | Self::AllAreKilled)
    }
}

const ROUNDS: [Fault; 8] = [
    Fault::Nothing,
    Fault::OwnIsKilled,
    Fault::OtherIsDown,
    Fault::OtherIsKilled,
    Fault::AllAreKilled,
    Fault::OwnIsKilled,
    Fault::OtherIsKilled,
    Fault::Nothing,
];

/// A cluster, and who dies in it.
struct Scene {
    cluster: Cluster,
    rng: StdRng,
    dir: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        Self {
            cluster: Cluster::start(Shape::SMALL),
            rng: StdRng::seed_from_u64(SEED),
            dir: tempfile::tempdir().expect("a directory"),
        }
    }

    fn place(&self, node: u16) -> Place {
        Place::new(&self.cluster, node, self.dir.path())
    }

    fn any_node(&mut self) -> u16 {
        self.rng.random_range(1..=3)
    }

    /// A node other than `node`.
    fn other(&mut self, node: u16) -> u16 {
        1 + (node + self.rng.random_range(0..2)) % 3
    }

    /// The node for a client's run, and the one that `fault` kills beforehand.
    fn before(&mut self, fault: Fault) -> (u16, Option<u16>) {
        let node = self.any_node();
        let down = (fault == Fault::OtherIsDown).then(|| self.other(node));
        if let Some(down) = down {
            self.cluster.kill(down);
        }
        (node, down)
    }

    /// Kills in the middle of a run at `node`; gives the nodes that are down now.
    fn amid(&mut self, fault: Fault, node: u16) -> Vec<u16> {
        let down = match fault {
            Fault::Nothing | Fault::OtherIsDown => Vec::new(),
            Fault::OtherIsKilled => vec![self.other(node)],
            Fault::OwnIsKilled => vec![node],
            Fault::AllAreKilled => self.cluster.nodes().collect(),
        };
        self.cluster.kill_all(&down);
        down
    }

    fn start(&mut self, nodes: &[u16]) {
        for node in nodes {
            self.cluster.start_node(*node);
        }
        for node in nodes {
            self.cluster.wait_until_up(*node);
        }
        self.cluster.wait_until_led();
    }

    fn ensure_sound(&self) {
        let check = self.cluster.tool(&["check"]);
        assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stdout));
    }
}

/// Looks until `is_so` or the program has ended.
fn wait_while_running(what: &str, child: &mut Child, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() && child.try_wait().expect("it is a child").is_none() {
        assert!(Instant::now() < deadline, "waited for {} s: {what}", PATIENCE.as_secs());
        thread::sleep(LOOK_EVERY / 10);
    }
}

fn signal(child: &Child, signal: Signal) {
    // It has not been waited for, so the pid is its own even if it has ended.
    kill(Pid::from_raw(child.id().try_into().expect("a pid")), signal).expect("it is there");
}

fn said(output: &Output) -> String {
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    format!("{}\n{out}\n{err}", output.status)
}

mod maildir {
    use super::*;

    const ACCOUNT: u32 = 1;
    const MAILBOXES: [&str; 5] = ["INBOX", "Work", "Work/Deep", "With Space", "Gr&APwA3w-e"];
    const MESSAGE_BYTES_MAX: usize = 300_000;
    /// A machine that is busy may let a run end before the kill.
    const TRIES: usize = 3;
    const FLAGS: [&str; 4] = ["Answered", "Draft", "Flagged", "Seen"];

    /// One account, its copy, and what both should hold.
    struct Copy {
        scene: Scene,
        mbsync: Mbsync,
        /// Not used yet.
        fresh: Vec<Vec<u8>>,
        /// Numbers of messages by what they are.
        numbers: BTreeMap<Vec<u8>, usize>,
        /// What should be there, by number.
        expected: BTreeMap<usize, Kept>,
    }

    #[derive(Clone, Debug, PartialEq, Eq)]
    struct Kept {
        mailbox: String,
        flags: BTreeSet<String>,
    }

    /// Messages that mbsync can carry, odd ones among them.
    fn messages() -> Vec<Vec<u8>> {
        let fits = |bytes: &Vec<u8>| {
            let has_header_end = bytes.windows(4).any(|window| window == b"\r\n\r\n");
            smtp_refusal(bytes).is_none() && has_header_end && bytes.len() <= MESSAGE_BYTES_MAX
        };
        let mut messages: Vec<_> = mail::of_our_own(SEED, 150)
            .into_iter()
            .map(|message| message.bytes)
            .collect();
        messages.retain(fits);
        messages.shuffle(&mut StdRng::seed_from_u64(SEED));
        messages
    }

    /// Without the field by which mbsync finds messages again whose UID it was not told.
    fn plain(message: &[u8]) -> Vec<u8> {
        let lines = message.split_inclusive(|byte| *byte == b'\n');
        let lines: Vec<&[u8]> = lines.filter(|line| !line.starts_with(b"X-TUID: ")).collect();
        lines.concat()
    }

    impl Copy {
        fn new() -> Self {
            let scene = Scene::new();
            let mbsync = Mbsync::new(scene.dir.path(), ACCOUNT);
            let fresh = messages();
            let numbers = fresh
                .iter()
                .enumerate()
                .map(|(number, bytes)| (bytes.clone(), number))
                .collect();
            let create: Vec<Value> = MAILBOXES[1..].iter().map(|name| json!(["create", name])).collect();
            Python::edit(&scene.place(1), ACCOUNT, &create);
            Self {
                scene,
                mbsync,
                fresh,
                numbers,
                expected: BTreeMap::new(),
            }
        }

        fn some_flags(&mut self) -> BTreeSet<String> {
            let all = FLAGS.iter().filter(|_| self.scene.rng.random());
            all.map(|flag| (*flag).to_owned()).collect()
        }

        fn some_mailbox(&mut self) -> String {
            (*MAILBOXES.choose(&mut self.scene.rng).expect("some")).to_owned()
        }

        /// A new message, which is to be kept.
        fn new_message(&mut self, flags: BTreeSet<String>) -> (usize, Vec<u8>, Kept) {
            let bytes = self.fresh.pop().expect("messages enough");
            let kept = Kept {
                mailbox: self.some_mailbox(),
                flags,
            };
            let number = self.numbers[&bytes];
            self.expected.insert(number, kept.clone());
            (number, bytes, kept)
        }

        /// Numbers of messages that are there, in no order.
        fn shuffled(&mut self) -> impl Iterator<Item = usize> + use<> {
            let mut numbers: Vec<usize> = self.expected.keys().copied().collect();
            numbers.shuffle(&mut self.scene.rng);
            numbers.into_iter()
        }

        /// Changes the account at one node and the Maildir, no message on both sides.
        fn edit(&mut self) {
            let mut free = self.shuffled();
            let node = self.scene.any_node();
            self.edit_account(node, &mut free);
            self.edit_maildir(&mut free);
        }

        fn edit_account(&mut self, node: u16, free: &mut impl Iterator<Item = usize>) {
            let place = self.scene.place(node);
            let uids: BTreeMap<usize, String> = Python::read_imap(&place, &[ACCOUNT])
                .into_iter()
                .map(|message| (self.numbers[&plain(&message.bytes)], message.id))
                .collect();
            let mut edits = Vec::new();
            for number in free.take(4) {
                let flags = self.some_flags();
                let kept = self.expected.get_mut(&number).expect("it is there");
                edits.push(json!(["store", kept.mailbox, uids[&number], "FLAGS", listed(&flags)]));
                kept.flags = flags;
            }
            for number in free.take(2) {
                let kept = self.expected.remove(&number).expect("it is there");
                edits.push(json!(["expunge", kept.mailbox, uids[&number]]));
            }
            for _ in 0..8 {
                let flags = self.some_flags();
                let (number, bytes, kept) = self.new_message(flags);
                let file = self.scene.dir.path().join(number.to_string());
                fs::write(&file, bytes).expect("a file can be written");
                edits.push(json!(["append", kept.mailbox, listed(&kept.flags), file]));
            }
            Python::edit(&place, ACCOUNT, &edits);
        }

        fn edit_maildir(&mut self, free: &mut impl Iterator<Item = usize>) {
            let messages = self.mbsync.messages();
            let local = |number: usize| {
                let is_it = |bytes: &[u8]| self.numbers[&plain(bytes)] == number;
                messages
                    .iter()
                    .find(|message| is_it(&message.bytes))
                    .expect("it is there")
            };
            let changed: Vec<_> = free.take(4).map(|number| (number, local(number))).collect();
            let removed: Vec<_> = free.take(2).map(|number| (number, local(number))).collect();
            for (number, message) in changed {
                let flags = self.some_flags();
                message.flag(&flags);
                self.expected.get_mut(&number).expect("it is there").flags = flags;
            }
            for (number, message) in removed {
                message.remove();
                self.expected.remove(&number);
            }
            for _ in 0..5 {
                let (number, bytes, kept) = self.new_message(BTreeSet::new());
                self.mbsync
                    .add(&kept.mailbox, &format!("{number}.local.example"), &bytes);
            }
        }

        /// A run at a node, with a fault; the next one, if the first fails, has to mend what that left. Gives whether the
        /// fault came before the end of the run.
        fn synchronize(&mut self, fault: Fault) -> bool {
            let (node, down) = self.scene.before(fault);
            let before = self.mbsync.messages().len();
            let mut run = self.mbsync.start(&self.scene.place(node));
            let mut down: Vec<u16> = down.into_iter().collect();
            let mut is_hit = true;
            if fault.is_amid() {
                let mbsync = &self.mbsync;
                wait_while_running("mbsync gets a message", &mut run, || mbsync.messages().len() > before);
                signal(&run, Signal::SIGSTOP);
                is_hit = run.try_wait().expect("it is a child").is_none();
                down = self.scene.amid(fault, node);
                signal(&run, Signal::SIGCONT);
            }
            let run = run.wait_with_output().expect("it is a child");
            if down.len() > 1 {
                self.scene.start(&std::mem::take(&mut down));
            }
            if fault.kills_own() && !run.status.success() {
                let other = self.scene.other(node);
                let next = self.mbsync.run(&self.scene.place(other));
                assert!(next.status.success(), "{fault:?}, the next run: {}", said(&next));
            } else {
                assert!(run.status.success(), "{fault:?}: {}", said(&run));
                is_hit &= !fault.kills_own();
            }
            self.ensure_in_step(&format!("{fault:?}, mbsync at n{node}, down {down:?}"));
            self.scene.start(&down);
            is_hit
        }

        fn ensure_in_step(&mut self, when: &str) {
            let expected: BTreeSet<String> = self
                .expected
                .iter()
                .map(|(number, kept)| line(&kept.mailbox, &kept.flags, *number))
                .collect();
            let local = self.mbsync.messages();
            let local = local
                .iter()
                .map(|message| (&message.mailbox, &message.flags, &message.bytes));
            self.ensure_equal(&format!("{when}: the Maildir"), &expected, local);
            let node = (1..=3)
                .find(|node| self.scene.cluster.is_running(*node))
                .expect("one runs");
            let account = Python::read_imap(&self.scene.place(node), &[ACCOUNT]);
            let account = account
                .iter()
                .map(|message| (&message.mailbox, &message.flags, &message.bytes));
            self.ensure_equal(&format!("{when}: the account"), &expected, account);
        }

        fn ensure_equal<'a>(
            &self,
            what: &str,
            expected: &BTreeSet<String>,
            found: impl Iterator<Item = (&'a String, &'a BTreeSet<String>, &'a Vec<u8>)>,
        ) {
            let mut seen = BTreeSet::new();
            for (mailbox, flags, bytes) in found {
                let Some(number) = self.numbers.get(&plain(bytes)) else {
                    panic!(
                        "{what} has in {mailbox} what nobody put there: {:?}",
                        String::from_utf8_lossy(bytes)
                    );
                };
                let line = line(mailbox, flags, *number);
                assert!(seen.insert(line.clone()), "{what} has twice: {line}");
            }
            let more: Vec<_> = seen.difference(expected).collect();
            let fewer: Vec<_> = expected.difference(&seen).collect();
            assert!(
                more.is_empty() && fewer.is_empty(),
                "{what} has {more:#?} and lacks {fewer:#?}"
            );
        }
    }

    fn line(mailbox: &str, flags: &BTreeSet<String>, number: usize) -> String {
        format!("message {number} in {mailbox} with {flags:?}")
    }

    /// Flags as IMAP lists them.
    fn listed(flags: &BTreeSet<String>) -> String {
        let flags: Vec<String> = flags.iter().map(|flag| format!("\\{flag}")).collect();
        format!("({})", flags.join(" "))
    }

    #[test]
    fn mbsync_and_an_account_stay_in_step_over_kills() {
        let mut copy = Copy::new();
        let first = copy.mbsync.run(&copy.scene.place(1));
        assert!(first.status.success(), "{}", said(&first));
        for fault in ROUNDS {
            let is_hit = (0..TRIES).any(|_| {
                copy.edit();
                copy.synchronize(fault)
            });
            assert!(is_hit, "{fault:?}: {TRIES} runs were over before it");
        }
        let last = copy.mbsync.run(&copy.scene.place(2));
        assert!(last.status.success(), "{}", said(&last));
        copy.ensure_in_step("at the end");
        assert!(copy.expected.len() > 60, "{}", copy.expected.len());
        copy.scene.ensure_sound();
    }
}

mod maildrop {
    use super::*;

    /// Each with the account of its number.
    const FETCHING: [(u32, Fetching); 2] = [(1, Fetching::Keeping), (2, Fetching::Deleting)];
    const MESSAGES_PER_ROUND: usize = 6;
    /// Of fetchmail: there was mail, there was none, and the maildrop is in use.
    const GOT: i32 = 0;
    const NONE: i32 = 1;
    const LOCKED: i32 = 9;

    /// A message like any other. It is not what fetchmail makes of odd ones that is to be seen here: it refuses fields
    /// without a colon, and breaks long lines.
    fn letter(scene: &mut Scene, number: usize) -> Vec<u8> {
        let mut letter = format!(
            "From: Ann <ann@example.org>\r\nTo: Bob <bob@demo.test>\r\nSubject: letter {number}\r\n\
             Date: Mon, 2 Nov 2026 09:30:00 +0100\r\nMessage-ID: <{number}@letter.example>\r\n\r\n"
        );
        for _ in 0..scene.rng.random_range(0..2_000) {
            let line = [
                "",
                ".",
                "..",
                ".two",
                "From the first line on,",
                "Grüße,",
                "words upon words upon words upon words",
            ];
            letter.push_str(line.choose(&mut scene.rng).expect("some"));
            letter.push_str("\r\n");
        }
        letter.into_bytes()
    }

    /// What fetchmail writes of a message.
    fn fetched(message: &[u8]) -> Vec<u8> {
        mail::crlf(&lf(message))
    }

    /// Delivers the next messages to both accounts.
    fn deliver(scene: &mut Scene, ledger: &mut Ledger, first: usize) {
        let messages: Vec<_> = (first..first + MESSAGES_PER_ROUND)
            .map(|number| letter(scene, number))
            .collect();
        let node = scene.any_node();
        let place = scene.place(node);
        for (account, _) in FETCHING {
            let errand = |(at, bytes): (usize, &Vec<u8>)| {
                let id = 2 * (first + at) + account as usize;
                let file = scene.dir.path().join(id.to_string());
                fs::write(&file, bytes).expect("a file can be written");
                Errand { id, account, file }
            };
            let errands: Vec<Errand> = messages.iter().enumerate().map(errand).collect();
            for (answer, (errand, bytes)) in Python
                .deliver(&place, Protocol::Lmtp, &errands)
                .iter()
                .zip(errands.iter().zip(&messages))
            {
                assert!(answer.is_accepted, "{}", answer.reply);
                let name = format!("message {}", errand.id);
                ledger.delivered(errand.sender(), address(account), name, as_smtp_carries(bytes));
            }
        }
    }

    /// Runs at one node that a fault hits in the middle, and then others that mend what that left.
    fn fetch(scene: &mut Scene, fetching: &[Fetchmail], fault: Fault) {
        let (node, down) = scene.before(fault);
        let mut down: Vec<u16> = down.into_iter().collect();
        if fault.is_amid() {
            let start = |fetchmail: &Fetchmail| {
                let count = fetchmail.count() + MESSAGES_PER_ROUND / 2;
                fetchmail.hold_after(count);
                let mut run = fetchmail.start(&scene.place(node));
                wait_while_running("fetchmail is in the middle", &mut run, || fetchmail.count() >= count);
                run
            };
            let runs: Vec<Child> = fetching.iter().map(start).collect();
            down = scene.amid(fault, node);
            fetching.iter().for_each(Fetchmail::go_on);
            for run in runs {
                let run = run.wait_with_output().expect("it is a child");
                assert_eq!(run.status.success(), !fault.kills_own(), "{fault:?}: {}", said(&run));
            }
            if down.len() > 1 {
                scene.start(&std::mem::take(&mut down));
            }
        }
        let node = (1..=3).find(|node| !down.contains(node)).expect("one runs");
        for fetchmail in fetching {
            settle(fetchmail, &scene.place(node), fault);
        }
        scene.start(&down);
    }

    /// Runs until there is nothing more to be had. A node that died has held the maildrop's lock.
    fn settle(fetchmail: &Fetchmail, place: &Place, fault: Fault) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let run = fetchmail.run(place);
            match run.status.code() {
                Some(NONE) => return,
                Some(GOT | LOCKED) => {}
                _ => panic!("{fault:?}: {}", said(&run)),
            }
            assert!(Instant::now() < deadline, "{fault:?}: {}", said(&run));
            thread::sleep(Duration::from_millis(500));
        }
    }

    fn ensure_fetched(ledger: &Ledger, fetchmail: &Fetchmail, account: u32, when: &str) {
        let faults = ledger.faults(&address(account), &fetchmail.messages(), fetched);
        assert!(faults.is_empty(), "{when}: {}", faults.join("\n  "));
    }

    #[test]
    fn fetchmail_gets_each_message_once_over_kills() {
        let mut scene = Scene::new();
        let mut ledger = Ledger::default();
        let fetching = FETCHING.map(|(account, fetching)| {
            let dir = scene.dir.path().join(format!("fetched{account}"));
            Fetchmail::new(&dir, account, fetching)
        });
        for (round, fault) in ROUNDS.into_iter().enumerate() {
            deliver(&mut scene, &mut ledger, round * MESSAGES_PER_ROUND);
            fetch(&mut scene, &fetching, fault);
            for ((account, _), fetchmail) in FETCHING.iter().zip(&fetching) {
                ensure_fetched(
                    &ledger,
                    fetchmail,
                    *account,
                    &format!("round {round}, {fault:?}, account {account}"),
                );
            }
        }
        let left = Python::read_pop3(&scene.place(3), &[1, 2]);
        let of = |account: u32| left.iter().filter(|message| message.user == address(account)).count();
        assert_eq!((of(1), of(2)), (ROUNDS.len() * MESSAGES_PER_ROUND, 0));
        scene.ensure_sound();
    }
}
