//! A view that begins with what an earlier one has left shows what one that reads everything does.

use std::collections::BTreeMap;
use std::time::Duration;

use mail_model::{FlagSet, SystemFlags, Uid};
use proptest::prelude::*;

use crate::command::{AppendItem, AppendMessages, StoreMode, Sweep};
use crate::front::{Account, Expunges, Freshness, MailboxView, SelectMode};
use crate::limits::{KEPT_VIEW_MESSAGES_MIN, TOMBSTONE_MS};
use crate::record::{BodyFacts, StructureRow};
use crate::testing::{ANN, Cluster, DATE, ONE, flags, name};
use crate::{BodySource, IdSeed};

const KEYWORDS: [&str; 3] = ["red", "green", "blue"];
/// Enough for a mailbox to stay large enough to be kept, whatever a history expunges.
const MESSAGES: usize = 2 * KEPT_VIEW_MESSAGES_MIN;

#[derive(Clone, Debug)]
enum Step {
    Append(usize),
    Flag {
        first: u32,
        count: u32,
        keyword: usize,
    },
    Expunge {
        first: u32,
        count: u32,
    },
    /// A new view, which stays open until the next one.
    Select {
        read_only: bool,
    },
    /// The open view is told what has happened, or what may be told.
    Sync {
        hold_back: bool,
    },
    Close,
    /// Expunges are forgotten.
    Forget,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (first, count) = (1_u32..MESSAGES as u32, 1_u32..12);
    let step = prop_oneof![
        2 => (1_usize..5).prop_map(Step::Append),
        2 => (first.clone(), count.clone(), 0..KEYWORDS.len())
            .prop_map(|(first, count, keyword)| Step::Flag { first, count, keyword }),
        2 => (first, count).prop_map(|(first, count)| Step::Expunge { first, count }),
        3 => any::<bool>().prop_map(|read_only| Step::Select { read_only }),
        2 => any::<bool>().prop_map(|hold_back| Step::Sync { hold_back }),
        1 => Just(Step::Close),
        1 => Just(Step::Forget),
    ];
    proptest::collection::vec(step, 1..25)
}

async fn fill(cluster: &Cluster, account: &Account, count: usize) {
    let mailbox = account.mailbox(name("INBOX"), Freshness::Latest).await.unwrap().info.id;
    let root = *blake3::hash(b"hi").as_bytes();
    let (size, pop3_size) = (2, 4);
    let facts = BodyFacts { size, pop3_size, root };
    let (parser_version, bytes) = (1, Vec::new());
    let structure = StructureRow { parser_version, bytes };
    let piece = replication::piece::encode(b"hi", replication::piece::PiecePlace::Whole);
    let record = piece.unwrap().record;
    cluster.replica(ONE, |replica| {
        let append = |source, count| AppendMessages {
            account: ANN,
            mailbox,
            seed: IdSeed([1; 16]),
            messages: vec![
                AppendItem {
                    source,
                    flags: FlagSet::default(),
                    date: DATE,
                    thread_keys: Vec::new(),
                    pop3: None,
                };
                count
            ],
        };
        if replica.live_blobs().is_empty() {
            let inline = BodySource::Inline { facts, structure };
            replica.apply(append(inline, 1), Some(record)).unwrap();
        }
        let body = replica.live_blobs()[0];
        replica.apply(append(BodySource::Stored { body }, count), None).unwrap();
    });
}

type Shown = BTreeMap<Uid, (SystemFlags, Vec<String>)>;

fn shown(view: &MailboxView) -> Shown {
    let keywords = |entry: &crate::front::ViewEntry| {
        let numbers = entry.keywords.iter();
        numbers.map(|number| view.keywords()[number].to_string()).collect()
    };
    let entries = view.entries().iter();
    entries
        .map(|entry| (entry.uid, (entry.flags, keywords(entry))))
        .collect()
}

/// The messages that one view shows otherwise than another.
fn differences(one: &MailboxView, other: &MailboxView) -> Vec<Uid> {
    let (one, other) = (shown(one), shown(other));
    let uids = one.keys().chain(other.keys()).copied();
    uids.filter(|uid| one.get(uid) != other.get(uid)).collect()
}

async fn run(steps: Vec<Step>) {
    let (cluster, ann) = Cluster::with_account(ANN).await;
    fill(&cluster, &ann, MESSAGES).await;
    let mailbox = ann.mailbox(name("INBOX"), Freshness::Latest).await.unwrap().info.id;
    let mut open = None;
    for step in steps {
        let range = |first: u32, count: u32| -> Vec<Uid> { (first..first + count).filter_map(Uid::new).collect() };
        match step {
            Step::Append(count) => fill(&cluster, &ann, count).await,
            Step::Flag { first, count, keyword } => {
                let change = flags(SystemFlags::SEEN, &[KEYWORDS[keyword]]);
                let uids = range(first, count);
                ann.store_flags(mailbox, &uids, StoreMode::Add, &change).await.unwrap();
            }
            Step::Expunge { first, count } => {
                let (uids, deleted) = (range(first, count), flags(SystemFlags::DELETED, &[]));
                ann.store_flags(mailbox, &uids, StoreMode::Add, &deleted).await.unwrap();
                ann.expunge(mailbox, &uids).await.unwrap();
            }
            Step::Select { read_only } => {
                let mode = if read_only {
                    SelectMode::ReadOnly
                } else {
                    SelectMode::ReadWrite
                };
                let view = ann.select(mailbox, mode).await.unwrap();
                let fresh = cluster.other_node().account(ANN, ONE);
                let fresh = fresh.select(mailbox, SelectMode::ReadOnly).await.unwrap();
                assert_eq!(differences(&view, &fresh), []);
                assert_eq!(view.known(), fresh.known());
                open = Some(view);
            }
            Step::Sync { hold_back } => {
                let Some(view) = &mut open else { continue };
                let expunges = if hold_back { Expunges::HoldBack } else { Expunges::Tell };
                view.sync(Freshness::Latest, expunges).await.unwrap();
            }
            Step::Close => open = None,
            Step::Forget => {
                cluster.pass(ONE, Duration::from_millis(2 * TOMBSTONE_MS));
                cluster.replica(ONE, |replica| replica.apply(Sweep, None).unwrap());
            }
        }
    }
    drop(open);
    let view = ann.select(mailbox, SelectMode::ReadOnly).await.unwrap();
    let fresh = cluster.other_node().account(ANN, ONE);
    let fresh = fresh.select(mailbox, SelectMode::ReadOnly).await.unwrap();
    assert_eq!(differences(&view, &fresh), []);
    cluster.check(ONE, &[ANN]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn a_view_that_begins_with_an_earlier_one_shows_the_same(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(run(steps));
    }
}

#[tokio::test]
async fn views_of_one_mailbox_share_their_messages() {
    let (cluster, ann) = Cluster::with_account(ANN).await;
    fill(&cluster, &ann, MESSAGES).await;
    let first = ann.select(name("INBOX"), SelectMode::ReadWrite).await.unwrap();
    let second = ann.select(name("INBOX"), SelectMode::ReadWrite).await.unwrap();
    assert_eq!(first.entries().as_ptr(), second.entries().as_ptr());
    assert_eq!((first.recent() as usize, second.recent()), (MESSAGES + 1, 0));
}
