//! Random histories of commands, compared with a simple model of an account, ending with the check.

use std::collections::{BTreeMap, BTreeSet};

use mail_model::{FlagSet, MailboxId, SystemFlags, Uid};
use proptest::prelude::*;
use replication::piece::{PiecePlace, encode};

use crate::command::{
    AppendItem, AppendMessages, CopyMessages, Deliver, DeliverTo, EnsureAccount, Expunge, GroupCommand, MoveMessages,
    Pop3Quit, RenameMailbox, StoreFlags, StoreMode, Sweep,
};
use crate::limits::KEPT_BODY_MS;
use crate::query::{GetHotPage, GetMailbox};
use crate::record::{BodyFacts, StructureRow};
use crate::testing::{ANN, DATE, ONE, Replica, keyword, name, uid};
use crate::{BodySource, DeliveryId, DeliveryKey, IdSeed, LockId};

const KEYWORDS: [&str; 3] = ["red", "green", "blue"];
/// INBOX and two of the mailboxes that every account has.
const BOXES: [&str; 3] = ["INBOX", "Archive", "Trash"];

#[derive(Clone, Debug)]
pub(super) enum Step {
    Deliver {
        len: usize,
    },
    Append {
        to: usize,
        len: usize,
        flags: u8,
        keywords: u8,
    },
    Store {
        mailbox: usize,
        uids: u16,
        mode: u8,
        flags: u8,
        keywords: u8,
    },
    Expunge {
        mailbox: usize,
        uids: u16,
    },
    Copy {
        from: usize,
        to: usize,
        uids: u16,
    },
    Move {
        from: usize,
        to: usize,
        uids: u16,
    },
    Quit {
        uids: u16,
    },
    RenameInbox,
    Wait {
        hours: u8,
    },
}

pub(super) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let at = 0..BOXES.len();
    let step = prop_oneof![
        4 => (0_usize..40).prop_map(|len| Step::Deliver { len }),
        3 => (at.clone(), 0_usize..40, any::<u8>(), any::<u8>())
            .prop_map(|(to, len, flags, keywords)| Step::Append { to, len, flags, keywords }),
        4 => (at.clone(), any::<u16>(), 0_u8..3, any::<u8>(), any::<u8>())
            .prop_map(|(mailbox, uids, mode, flags, keywords)| Step::Store { mailbox, uids, mode, flags, keywords }),
        2 => (at.clone(), any::<u16>()).prop_map(|(mailbox, uids)| Step::Expunge { mailbox, uids }),
        2 => (at.clone(), at.clone(), any::<u16>()).prop_map(|(from, to, uids)| Step::Copy { from, to, uids }),
        2 => (at.clone(), at, any::<u16>()).prop_map(|(from, to, uids)| Step::Move { from, to, uids }),
        1 => any::<u16>().prop_map(|uids| Step::Quit { uids }),
        1 => Just(Step::RenameInbox),
        1 => (1_u8..30).prop_map(|hours| Step::Wait { hours }),
    ];
    proptest::collection::vec(step, 1..40)
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Message {
    len: usize,
    flags: SystemFlags,
    keywords: BTreeSet<&'static str>,
}

#[derive(Clone, Debug)]
struct Mailbox {
    id: MailboxId,
    next: u32,
    messages: BTreeMap<Uid, Message>,
}

impl Mailbox {
    fn add(&mut self, message: Message) {
        self.messages.insert(uid(self.next), message);
        self.next += 1;
    }

    fn take(&mut self, uids: &[Uid], wanted: impl Fn(&Message) -> bool) -> Vec<Message> {
        let there: Vec<_> = uids
            .iter()
            .filter(|uid| self.messages.get(uid).is_some_and(&wanted))
            .copied()
            .collect();
        there.iter().filter_map(|uid| self.messages.remove(uid)).collect()
    }
}

/// Runs the same steps on a replica and on a model.
struct Run {
    replica: Replica,
    boxes: Vec<Mailbox>,
    renamed: Vec<usize>,
    seed: u8,
}

fn chosen(bits: u16) -> Vec<Uid> {
    (0..16)
        .filter(|bit| bits & (1 << bit) != 0)
        .map(|bit| uid(bit + 1))
        .collect()
}

fn words(bits: u8) -> BTreeSet<&'static str> {
    (0..3)
        .filter(|bit| bits & (1 << bit) != 0)
        .map(|bit| KEYWORDS[bit])
        .collect()
}

fn flag_set(system: SystemFlags, words: &BTreeSet<&'static str>) -> FlagSet {
    FlagSet {
        system,
        keywords: words.iter().map(|word| keyword(word)).collect(),
    }
}

impl Run {
    fn new() -> Self {
        let mut replica = Replica::new(ONE);
        replica
            .apply(
                EnsureAccount {
                    account: ANN,
                    quota_bytes: None,
                },
                None,
            )
            .unwrap();
        let boxes = BOXES.iter().map(|text| {
            let mailbox = name(text).into();
            let info = replica.ask(GetMailbox { account: ANN, mailbox }).unwrap().info;
            Mailbox {
                id: info.id,
                next: 1,
                messages: BTreeMap::new(),
            }
        });
        let boxes = boxes.collect();
        Self {
            replica,
            boxes,
            renamed: Vec::new(),
            seed: 0,
        }
    }

    fn source(&mut self, len: usize) -> (BodySource, bytes::Bytes, IdSeed) {
        self.seed = self.seed.wrapping_add(1);
        let plain = vec![self.seed; len];
        let record = encode(&plain, PiecePlace::Whole).unwrap().record;
        let facts = BodyFacts {
            size: len as u64,
            pop3_size: len as u64,
            root: *blake3::hash(&plain).as_bytes(),
        };
        let structure = StructureRow {
            parser_version: 1,
            bytes: vec![self.seed],
        };
        (BodySource::Inline { facts, structure }, record, IdSeed([self.seed; 16]))
    }

    fn apply<C: GroupCommand>(&mut self, command: C, blob: Option<bytes::Bytes>) -> C::Reply {
        self.replica
            .apply(command, blob)
            .expect("a history of possible commands")
    }

    fn step(&mut self, step: &Step) {
        let id = |run: &Self, at: usize| run.boxes[at].id;
        match *step {
            Step::Deliver { len } => {
                let (source, blob, seed) = self.source(len);
                let recipients = vec![DeliverTo {
                    account: ANN,
                    prefix: b"P: 1\r\n".to_vec(),
                    key: Some(DeliveryKey([self.seed; 16])),
                }];
                let (thread_keys, date) = (Vec::new(), DATE);
                let transaction = self.seed;
                self.apply(
                    Deliver {
                        spanning: None,
                        received_ms: 0,
                        seed,
                        source,
                        thread_keys,
                        date,
                        recipients,
                        delivery: DeliveryId([transaction; 16]),
                    },
                    Some(blob),
                );
                self.boxes[0].add(Message {
                    len: len + 6,
                    flags: SystemFlags::NONE,
                    keywords: BTreeSet::new(),
                });
            }
            Step::Append {
                to,
                len,
                flags,
                keywords,
            } => {
                let (flags, keywords) = (SystemFlags::from_bits(flags), words(keywords));
                let (source, blob, seed) = self.source(len);
                let item = AppendItem {
                    source,
                    flags: flag_set(flags, &keywords),
                    date: DATE,
                    thread_keys: Vec::new(),
                    pop3: None,
                };
                let command = AppendMessages {
                    account: ANN,
                    mailbox: id(self, to),
                    seed,
                    messages: vec![item],
                };
                self.apply(command, Some(blob));
                self.boxes[to].add(Message { len, flags, keywords });
            }
            Step::Store {
                mailbox,
                uids,
                mode,
                flags,
                keywords,
            } => self.store(mailbox, uids, mode, flags, keywords),
            Step::Expunge { mailbox, uids } => {
                let uids = chosen(uids);
                let command = Expunge {
                    account: ANN,
                    mailbox: id(self, mailbox),
                    uids: uids.iter().copied().collect(),
                };
                self.apply(command, None);
                self.boxes[mailbox].take(&uids, |message| message.flags.contains(SystemFlags::DELETED));
            }
            Step::Copy { from, to, uids } => {
                let uids = chosen(uids);
                let (from_id, to_id) = (id(self, from), id(self, to));
                let set = uids.iter().copied().collect();
                self.apply(
                    CopyMessages {
                        account: ANN,
                        from: from_id,
                        uids: set,
                        to: to_id,
                    },
                    None,
                );
                let copies: Vec<_> = uids
                    .iter()
                    .filter_map(|uid| self.boxes[from].messages.get(uid).cloned())
                    .collect();
                copies.into_iter().for_each(|copy| self.boxes[to].add(copy));
            }
            Step::Move { from, to, uids } => {
                let uids = chosen(uids);
                let (from_id, to_id) = (id(self, from), id(self, to));
                let set = uids.iter().copied().collect();
                self.apply(
                    MoveMessages {
                        account: ANN,
                        from: from_id,
                        uids: set,
                        to: to_id,
                    },
                    None,
                );
                let moved = self.boxes[from].take(&uids, |_| true);
                moved.into_iter().for_each(|message| self.boxes[to].add(message));
            }
            Step::Quit { uids } => {
                let uids = chosen(uids);
                let mailbox = id(self, 0);
                let inbox = self
                    .replica
                    .ask(GetMailbox {
                        account: ANN,
                        mailbox: mailbox.into(),
                    })
                    .unwrap()
                    .info;
                let command = Pop3Quit {
                    account: ANN,
                    mailbox,
                    uid_validity: inbox.uid_validity,
                    uids: uids.iter().copied().collect(),
                    holder: LockId([1; 16]),
                };
                self.apply(command, None);
                self.boxes[0].take(&uids, |_| true);
            }
            Step::RenameInbox => self.rename_inbox(),
            Step::Wait { hours } => {
                self.replica.now_ms += u64::from(hours) * KEPT_BODY_MS / 24;
                self.apply(Sweep, None);
            }
        }
    }

    fn store(&mut self, mailbox: usize, uids: u16, mode: u8, flags: u8, keywords: u8) {
        let (uids, flags, keywords) = (chosen(uids), SystemFlags::from_bits(flags), words(keywords));
        let mode = [StoreMode::Add, StoreMode::Remove, StoreMode::Replace][usize::from(mode)];
        let command = StoreFlags {
            account: ANN,
            mailbox: self.boxes[mailbox].id,
            uids: uids.iter().copied().collect(),
            mode,
            flags: flag_set(flags, &keywords),
        };
        self.apply(command, None);
        for uid in uids {
            let Some(message) = self.boxes[mailbox].messages.get_mut(&uid) else {
                continue;
            };
            match mode {
                StoreMode::Add => {
                    message.flags |= flags;
                    message.keywords.extend(&keywords);
                }
                StoreMode::Remove => {
                    message.flags = message.flags.without(flags);
                    message.keywords.retain(|word| !keywords.contains(word));
                }
                StoreMode::Replace => (message.flags, message.keywords) = (flags, keywords.clone()),
            }
        }
    }

    fn rename_inbox(&mut self) {
        let to = format!("old {}", self.renamed.len());
        self.apply(
            RenameMailbox {
                account: ANN,
                from: name("INBOX"),
                to: name(&to),
            },
            None,
        );
        let mailbox = name(&to).into();
        let info = self.replica.ask(GetMailbox { account: ANN, mailbox }).unwrap().info;
        let mut renamed = Mailbox {
            id: info.id,
            next: 1,
            messages: BTreeMap::new(),
        };
        for message in std::mem::take(&mut self.boxes[0].messages).into_values() {
            renamed.add(message);
        }
        self.renamed.push(self.boxes.len());
        self.boxes.push(renamed);
    }

    fn compare(&self) {
        for model in &self.boxes {
            let mailbox = model.id.into();
            let selected = self.replica.ask(GetMailbox { account: ANN, mailbox }).unwrap();
            let query = GetHotPage {
                account: ANN,
                mailbox: model.id,
                from: 0,
                to: u32::MAX,
            };
            let page = self.replica.ask(query).unwrap();
            let found: BTreeMap<_, _> = page
                .messages()
                .map(|message| {
                    let (uid, hot) = message.unwrap();
                    let word = |number: usize| selected.keywords[number].as_str();
                    let known = |text: &str| KEYWORDS.iter().find(|word| **word == text).copied();
                    let keywords = hot.keywords.iter().filter_map(|number| known(word(number))).collect();
                    (
                        uid,
                        Message {
                            len: hot.size as usize,
                            flags: hot.flags,
                            keywords,
                        },
                    )
                })
                .collect();
            assert_eq!(found, model.messages, "mailbox {}", selected.info.name);
            assert_eq!(selected.info.uid_next, u64::from(model.next));
        }
        self.replica.check(&[ANN]);
    }
}

pub(super) fn run(steps: &[Step]) -> Replica {
    let mut run = Run::new();
    steps.iter().for_each(|step| run.step(step));
    run.replica
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn an_account_is_what_its_history_says(steps in steps()) {
        let mut run = Run::new();
        for step in &steps {
            run.step(step);
        }
        run.compare();
    }
}
