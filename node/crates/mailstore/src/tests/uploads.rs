//! Uploads: large messages on their way in, and what becomes of those that never arrive.

use std::time::Duration;

use mail_model::SystemFlags;

use crate::front::{ErrorClass, Freshness, NewMessage, Sweeper};
use crate::limits::UPLOAD_IDLE_MS;
use crate::testing::{ANN, Cluster, DATE, Fault, ONE, TWO, flags, name, noise};

async fn append(cluster: &Cluster, body: crate::front::Body) -> Result<(), crate::StoreError> {
    let ann = cluster.mailstore().account(ANN, ONE);
    let inbox = ann.mailbox(name("INBOX"), Freshness::Latest).await.unwrap().info.id;
    let new = NewMessage {
        body,
        flags: flags(SystemFlags::NONE, &[]),
        date: DATE,
        pop3: None,
    };
    ann.append(inbox, new).await.map(drop)
}

fn blobs(cluster: &Cluster) -> usize {
    cluster.replica(ONE, |replica| replica.live_blobs().len())
}

#[tokio::test]
async fn an_upload_that_nobody_finishes_is_swept_after_an_idle_hour_of_log_time() {
    let (cluster, _) = Cluster::with_account(ANN).await;
    let sweeper = Sweeper::new(cluster.mailstore().clone());
    let mut writer = cluster.mailstore().body_writer([ONE]);
    for _ in 0..4 {
        writer.push(&noise(300_000)).await.unwrap();
        // Pieces are on their way by themselves: let them arrive before time goes on.
        for _ in 0..8 {
            tokio::task::yield_now().await;
        }
        cluster.pass(ONE, Duration::from_millis(UPLOAD_IDLE_MS / 2 + 1));
        sweeper.sweep(ONE, cluster.now_ms(ONE)).await.unwrap();
    }
    drop(writer);
    assert_ne!(blobs(&cluster), 0, "it still grew");
    cluster.check(ONE, &[ANN]);
    cluster.pass(ONE, Duration::from_millis(UPLOAD_IDLE_MS));
    sweeper.sweep(ONE, cluster.now_ms(ONE)).await.unwrap();
    assert_eq!(blobs(&cluster), 0);
    let left = cluster.replica(ONE, |replica| {
        (0x09..=0x0E).map(|table| replica.count_rows(table)).sum::<usize>()
    });
    assert_eq!(left, 0);
    cluster.check(ONE, &[ANN]);
}

#[tokio::test]
async fn a_swept_upload_is_a_temporary_failure_and_no_message() {
    let (cluster, ann) = Cluster::with_account(ANN).await;
    let body = cluster.body(&[ONE], &noise(600_000)).await;
    cluster.pass(ONE, Duration::from_millis(UPLOAD_IDLE_MS));
    Sweeper::new(cluster.mailstore().clone())
        .sweep(ONE, cluster.now_ms(ONE))
        .await
        .unwrap();
    assert_eq!(append(&cluster, body).await.unwrap_err().class(), ErrorClass::Temporary);
    assert_eq!(ann.quota(Freshness::Latest).await.unwrap().messages, 0);
    cluster.check(ONE, &[ANN]);
}

#[tokio::test]
async fn an_aborted_upload_leaves_nothing() {
    let (cluster, _) = Cluster::with_account(ANN).await;
    let mut writer = cluster.mailstore().body_writer([ONE]);
    writer.push(&noise(700_000)).await.unwrap();
    writer.abort().await;
    let body = cluster.body(&[ONE], &noise(600_000)).await;
    body.discard().await;
    assert_eq!(blobs(&cluster), 0);
    cluster.check(ONE, &[ANN]);
}

#[tokio::test]
async fn a_group_that_cannot_take_a_piece_fails_for_itself() {
    let cluster = Cluster::new(&[ONE, TWO]);
    cluster.mailstore().account(ANN, ONE).ensure(None).await.unwrap();
    cluster.plan(TWO, [None, Some(Fault::NotDone)]);
    let body = cluster.body(&[ONE, TWO], &noise(600_000)).await;
    append(&cluster, body).await.unwrap();
    let body = cluster.body(&[ONE, TWO], &noise(600_000)).await;
    assert!(body.source(TWO).is_ok());
    cluster.plan(ONE, [Some(Fault::NotDone)]);
    let mut writer = cluster.mailstore().body_writer([ONE]);
    let pushed = writer.push(&noise(600_000)).await;
    let outcome = match pushed {
        Ok(()) => writer.finish().await.map(drop),
        Err(error) => Err(error),
    };
    assert_eq!(outcome.unwrap_err().class(), ErrorClass::Temporary);
    body.discard().await;
    cluster.replica(TWO, |replica| {
        assert_eq!(replica.live_blobs().len(), 2, "those of the writer that failed")
    });
}

#[tokio::test]
async fn a_message_over_the_limit_is_refused_while_it_arrives() {
    let (cluster, _) = Cluster::with_account(ANN).await;
    let mut writer = cluster.mailstore().body_writer([]);
    let chunk = noise(16 << 20);
    let mut outcome = Ok(());
    for _ in 0..=16 {
        outcome = writer.push(&chunk).await;
        if outcome.is_err() {
            break;
        }
    }
    assert_eq!(outcome.unwrap_err().class(), ErrorClass::User);
    cluster.check(ONE, &[ANN]);
}

#[tokio::test]
async fn pieces_may_come_in_any_order_and_each_once() {
    use crate::command::UploadPiece;
    use crate::rejection::Rejection;
    use replication::piece::PieceCutter;
    let (cluster, _) = Cluster::with_account(ANN).await;
    let mut cutter = PieceCutter::default();
    let mut pieces = cutter.push(&noise(600_000)).unwrap();
    pieces.push(cutter.finish().unwrap());
    let upload = crate::UploadId([5; 16]);
    cluster.replica(ONE, |replica| {
        for number in [2, 0, 1] {
            let piece = &pieces[number as usize];
            let summary = piece.summary;
            let command = UploadPiece {
                upload,
                number,
                plain_len: summary.plain_len,
                value: summary.value,
            };
            replica.apply(command.clone(), Some(piece.record.clone())).unwrap();
            let again = replica.apply(command.clone(), Some(piece.record.clone()));
            assert_eq!(again, Err(Rejection::Malformed));
            assert_eq!(replica.apply(command, None), Err(Rejection::Malformed));
        }
        assert_eq!(replica.live_blobs().len(), 3);
    });
    cluster.check(ONE, &[ANN]);
}
