//! POP3: lock, list, QUIT (DESIGN M9).

use std::time::Duration;

use mail_model::SystemFlags;

use crate::front::{Account, Freshness, NewMessage};
use crate::record::Pop3Identity;
use crate::rejection::Rejection;
use crate::testing::{ANN, Cluster, DATE, ONE, flags, message, name, uid};

async fn append(
    cluster: &Cluster,
    account: &Account,
    number: u64,
    pop3: Option<(&str, Option<u32>)>,
) -> Result<(), Rejection> {
    let inbox = account.mailbox(name("INBOX"), Freshness::Latest).await.unwrap().info.id;
    let body = cluster.body(&[ONE], &message(number)).await;
    let pop3 = pop3.map(|(uidl, order)| Pop3Identity {
        uidl: uidl.to_owned(),
        order,
    });
    let new = NewMessage {
        body,
        flags: flags(SystemFlags::NONE, &[]),
        date: DATE,
        pop3,
    };
    let appended = account.append(inbox, new).await;
    appended
        .map(drop)
        .map_err(|error| error.rejection().expect("a plain no"))
}

#[tokio::test]
async fn m09_one_session_has_the_maildrop_until_its_lease_runs_out() {
    let (cluster, ann) = Cluster::with_account(ANN).await;
    let first = ann.open_maildrop().await.unwrap();
    let elsewhere = cluster.other_node().account(ANN, ONE);
    let refused = elsewhere.open_maildrop().await.err().unwrap();
    assert_eq!(refused.rejection(), Some(Rejection::MaildropInUse));
    cluster.pass(ONE, Duration::from_secs(10));
    first.renew().await.unwrap();
    cluster.pass(ONE, Duration::from_secs(10));
    assert!(elsewhere.open_maildrop().await.is_err(), "renewed");
    cluster.pass(ONE, Duration::from_secs(6));
    let second = elsewhere.open_maildrop().await.unwrap();
    assert_eq!(
        first.renew().await.unwrap_err().rejection(),
        Some(Rejection::MaildropLockLost)
    );
    first.release().await.unwrap();
    second.renew().await.expect("a lost lock cannot be given back");
    second.release().await.unwrap();
    ann.open_maildrop().await.unwrap();
    cluster.check(ONE, &[ANN]);
}

#[tokio::test]
async fn m09_quit_hits_the_messages_that_the_session_showed_whatever_came_since() {
    let (cluster, ann) = Cluster::with_account(ANN).await;
    for number in 1..=3 {
        append(&cluster, &ann, number, None).await.unwrap();
    }
    let maildrop = ann.open_maildrop().await.unwrap();
    let marked = [maildrop.items()[0].uid, maildrop.items()[2].uid];
    append(&cluster, &ann, 4, None).await.unwrap();
    cluster.pass(ONE, Duration::from_secs(60));
    maildrop.quit(&marked).await.unwrap();
    let left: Vec<_> = ann
        .open_maildrop()
        .await
        .unwrap()
        .items()
        .iter()
        .map(|item| item.uid)
        .collect();
    assert_eq!(left, [uid(2), uid(4)]);
    cluster.check(ONE, &[ANN]);
}

#[tokio::test]
async fn m09_uidl_is_made_of_what_never_changes() {
    let (cluster, ann) = Cluster::with_account(ANN).await;
    for number in 1..=2 {
        append(&cluster, &ann, number, None).await.unwrap();
    }
    let listed = |maildrop: &crate::front::Maildrop| {
        maildrop
            .items()
            .iter()
            .map(|item| item.uidl.clone())
            .collect::<Vec<_>>()
    };
    let maildrop = ann.open_maildrop().await.unwrap();
    assert_eq!(listed(&maildrop), ["1.00000001", "1.00000002"]);
    maildrop.quit(&[uid(1)]).await.unwrap();
    assert_eq!(listed(&ann.open_maildrop().await.unwrap()), ["1.00000002"]);
    cluster.check(ONE, &[ANN]);
}

#[tokio::test]
async fn i01_unique_ids_survive_import_so_that_nobody_downloads_again() {
    let (cluster, ann) = Cluster::with_account(ANN).await;
    append(&cluster, &ann, 1, None).await.unwrap();
    append(&cluster, &ann, 2, Some(("old-server-7", Some(2))))
        .await
        .unwrap();
    append(&cluster, &ann, 3, Some(("old-server-3", Some(1))))
        .await
        .unwrap();
    let maildrop = ann.open_maildrop().await.unwrap();
    let listed: Vec<_> = maildrop.items().iter().map(|item| item.uidl.as_str()).collect();
    assert_eq!(listed, ["old-server-3", "old-server-7", "1.00000001"]);
    for bad in ["old-server-7", "", "with space", "1.00000009", &"x".repeat(71)] {
        assert_eq!(
            append(&cluster, &ann, 4, Some((bad, None))).await,
            Err(Rejection::BadUidl),
            "{bad:?}"
        );
    }
    maildrop.quit(&[uid(2)]).await.unwrap();
    append(&cluster, &ann, 5, Some(("old-server-7", None)))
        .await
        .expect("free again");
    cluster.check(ONE, &[ANN]);
}
