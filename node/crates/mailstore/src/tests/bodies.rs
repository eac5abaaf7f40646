//! The check of a group's bodies: quiet while all is well, and not when anything is.

use mail_model::{LogIndex, MailboxId, SystemFlags};

use crate::codec;
use crate::command::StoreMode;
use crate::front::{Account, Freshness, NewMessage};
use crate::key;
use crate::query::{BodiesReport, CheckBodies};
use crate::record::BodyRow;
use crate::testing::{ANN, Cluster, DATE, ONE, Replica, flags, message, name, noise, uid, uids};

/// A cluster in which Ann has a small message and one of several pieces.
async fn with_two_messages() -> (Cluster, Account, MailboxId) {
    let (cluster, ann) = Cluster::with_account(ANN).await;
    let inbox = ann.mailbox(name("INBOX"), Freshness::Latest).await.unwrap().info.id;
    for bytes in [message(1), noise(700_000)] {
        let new = NewMessage {
            body: cluster.body(&[ONE], &bytes).await,
            flags: flags(SystemFlags::NONE, &[]),
            date: DATE,
            pop3: None,
        };
        ann.append(inbox, new).await.unwrap();
    }
    (cluster, ann, inbox)
}

fn report(replica: &Replica) -> BodiesReport {
    replica.ask(CheckBodies {}).unwrap()
}

/// The bodies, with their rows.
fn bodies(replica: &Replica) -> Vec<(LogIndex, BodyRow)> {
    let rows = replica.rows().into_iter();
    let bodies = rows.filter(|(key, _)| key.first() == key::body(LogIndex(0)).first());
    bodies
        .map(|(key, row)| (key::index_of(&key).unwrap(), codec::open("body row", &row).unwrap()))
        .collect()
}

#[tokio::test]
async fn references_of_messages_and_tombstones_are_counted_over_many_pages() {
    let (cluster, ann, inbox) = with_two_messages().await;
    let mut messages = 2_u32;
    while messages < 2_000 {
        let all: Vec<u32> = (1..=messages).collect();
        ann.copy(inbox, &uids(&all), inbox).await.unwrap();
        messages *= 2;
    }
    let deleted = flags(SystemFlags::DELETED, &[]);
    ann.store_flags(inbox, &[uid(1)], StoreMode::Add, &deleted)
        .await
        .unwrap();
    ann.expunge(inbox, &[uid(1)]).await.unwrap();
    let found = cluster.mailstore().check_bodies(ONE).await.unwrap();
    let expected = BodiesReport {
        bodies: 2,
        references: u64::from(messages),
        findings: Vec::new(),
    };
    assert_eq!(found, expected);
}

#[tokio::test]
async fn a_leaked_a_miscounted_and_a_missing_body_are_told() {
    let (cluster, _, _) = with_two_messages().await;
    cluster.replica(ONE, |replica| {
        let [(small, row), (large, _)] = bodies(replica).try_into().unwrap();
        let wrong = BodyRow {
            references: 3,
            ..row.clone()
        };
        replica.damage(key::body(small), Some(codec::seal(&wrong)));
        let told = format!("body {small} counts 3 references, there are 1");
        assert_eq!(report(replica).findings, [told]);
        replica.damage(key::body(small), Some(codec::seal(&row)));
        assert_eq!(report(replica).findings, [""; 0]);

        let leaked = LogIndex(large.0 + 100);
        replica.damage(key::body(leaked), Some(codec::seal(&row)));
        let told = format!("body {leaked} is kept, and no message needs it");
        assert_eq!(report(replica).findings, [told]);
        replica.damage(key::body(leaked), None);

        replica.damage(key::body(small), None);
        let told = format!("body {small} is not there, and 1 rows refer to it");
        assert_eq!(report(replica).findings, [told]);
    });
}

#[tokio::test]
async fn a_lost_piece_and_one_without_a_body_are_told() {
    let (cluster, _, _) = with_two_messages().await;
    cluster.replica(ONE, |replica| {
        let [_, (large, row)] = bodies(replica).try_into().unwrap();
        let piece = row.pieces[1].blob;
        let own = replica.view().get(&key::piece(piece)).unwrap().unwrap().to_vec();
        replica.damage(key::piece(piece), None);
        let told = format!("piece {piece} of a body or upload is not kept");
        assert_eq!(report(replica).findings, [told]);
        replica.damage(key::piece(piece), Some(own.clone()));
        let stray = LogIndex(large.0 + 100);
        replica.damage(key::piece(stray), Some(own));
        let told = format!("piece {stray} is kept, and belongs to no body or upload");
        assert_eq!(report(replica).findings, [told]);
    });
}
