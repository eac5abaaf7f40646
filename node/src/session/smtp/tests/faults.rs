//! Groups that fail while others do not (DESIGN M13, P6).

use std::time::Duration;

use mail_model::GroupId;
use smtp_wire::Profile;
use smtp_wire::limits::FINAL_REPLY_TIME_MAX;

use super::*;
use crate::delivery_log::Outcome;
use crate::session::faults::{Fault, FaultyNode, faulty_node};

/// Two accounts in different groups, and the group of the second.
pub(super) async fn two_groups(node: &FaultyNode) -> GroupId {
    let one = account(&node.services, "user1").await.group();
    let two = account(&node.services, "user2").await.group();
    assert_ne!(one, two);
    two
}

const BOTH: [&str; 2] = ["user1@demo.test", "user2@demo.test"];
const MESSAGE: &str = "Message-ID: <one@example.org>\r\n\r\nx";

#[tokio::test]
async fn m13_a_message_that_one_group_does_not_take_is_queued_and_comes_once() {
    let node = faulty_node(2).await;
    let group = two_groups(&node).await;
    let worker = tokio::spawn(crate::queue::worker(&node.services).run());
    let mut client = greeted(&node.services, Profile::Smtp).await;
    let mut ids = Vec::new();
    for fault in [Fault::Refuses, Fault::LosesAnswers] {
        node.groups.set(group, Some(fault));
        let reply = deliver(&mut client, &BOTH, &format!("Subject: {fault:?}\r\n\r\nx")).await;
        assert!(reply.starts_with("250 2.0.0 queued as "), "{reply}");
        ids.push(id_of(&reply).to_owned());
    }
    assert_eq!(inbox(&node.node.services, "user1").await.len(), 2);
    node.groups.set(group, None);
    let settled = async || {
        let records = logged(&node.services, "user2@demo.test").await;
        records.iter().filter(|record| record.protocol == "queue").count()
    };
    let both_settled = async {
        while settled().await < 2 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(120), both_settled)
        .await
        .expect("the queue is worked off");
    worker.abort();
    for name in ["user1", "user2"] {
        assert_eq!(inbox(&node.node.services, name).await.len(), 2, "{name}");
    }
    let records = logged(&node.services, "user2@demo.test").await;
    for id in ids {
        let of_id: Vec<_> = records.iter().filter(|record| record.id == id).collect();
        let [taken, delivered] = of_id.as_slice() else {
            panic!("{of_id:?}");
        };
        assert!(
            matches!(
                taken.outcome,
                Outcome::Accepted {
                    queued: true,
                    uid: None,
                    ..
                }
            ),
            "{taken:?}"
        );
        assert!(
            matches!(
                delivered.outcome,
                Outcome::Accepted {
                    queued: false,
                    uid: Some(_),
                    ..
                }
            ),
            "{delivered:?}"
        );
    }
}

#[tokio::test]
async fn m13_a_message_that_no_group_takes_is_deferred() {
    let node = faulty_node(2).await;
    let two = two_groups(&node).await;
    let one = account(&node.services, "user1").await.group();
    let mut client = greeted(&node.services, Profile::Smtp).await;
    node.groups.set(one, Some(Fault::Refuses));
    node.groups.set(two, Some(Fault::LosesAnswers));
    let reply = deliver(&mut client, &BOTH, MESSAGE).await;
    assert_eq!(reply, "451 4.3.0 not stored for now, try later");
    node.groups.set(one, None);
    node.groups.set(two, None);
    let reply = deliver(&mut client, &BOTH, MESSAGE).await;
    assert!(reply.starts_with("250 2.0.0 delivered as "), "{reply}");
    for name in ["user1", "user2"] {
        assert_eq!(inbox(&node.node.services, name).await.len(), 1, "{name}");
    }
    let records = logged(&node.services, "user2@demo.test").await;
    let [first, second] = records.as_slice() else {
        panic!("{records:?}");
    };
    let (Outcome::Deferred { code: 451, .. }, Outcome::Accepted { first: at_first, .. }) =
        (&first.outcome, &second.outcome)
    else {
        panic!("{records:?}");
    };
    assert_eq!(
        at_first.as_deref(),
        Some(first.id.as_str()),
        "it was there since its answer was lost"
    );
}

#[tokio::test]
async fn lmtp_answers_each_recipient_by_its_own_group() {
    let node = faulty_node(2).await;
    let group = two_groups(&node).await;
    node.groups.set(group, Some(Fault::LosesAnswers));
    let mut client = greeted(&node.services, Profile::Lmtp).await;
    let reply = deliver(&mut client, &BOTH, MESSAGE).await;
    assert!(reply.starts_with("250 2.0.0 delivered as "), "{reply}");
    client.run("S: 451 4.3.0 not stored for now, try later").await;
    node.groups.set(group, None);
    // It is sent again to whom it was refused, and was there already.
    let second = deliver(&mut client, &BOTH[1..], MESSAGE).await;
    assert_eq!(second, format!("250 2.0.0 delivered before as {}", id_of(&reply)));
    for name in ["user1", "user2"] {
        assert_eq!(inbox(&node.node.services, name).await.len(), 1, "{name}");
    }
}

#[tokio::test]
async fn a_group_that_hangs_makes_the_reply_451_in_time() {
    let node = faulty_node(2).await;
    let group = two_groups(&node).await;
    let mut client = greeted(&node.services, Profile::Smtp).await;
    node.groups.set(group, Some(Fault::Hangs));
    let begun = tokio::time::Instant::now();
    client.run("C: MAIL FROM:<ann@example.org>\nS: 250 …").await;
    client.run("C: RCPT TO:<user2@demo.test>\nS: 250 …").await;
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "RCPT does not wait for the group"
    );
    client.run("C: DATA\nS: 354 …\nC: x").await;
    // From here on nothing waits for anything but the clock.
    tokio::time::pause();
    let begun = tokio::time::Instant::now();
    client.run("C: .\nS: 451 4.3.0 not stored for now, try later").await;
    assert!(begun.elapsed() <= FINAL_REPLY_TIME_MAX);
}
