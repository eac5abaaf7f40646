//! Whom a recipient stands for, and who is refused.

use mailstore::directory::{AddAlias, DisableAccount, SetCatchAll, SetQuota};
use smtp_wire::Profile;

use super::*;
use crate::delivery_log::Outcome;
use crate::testing::node_with_accounts;

#[tokio::test]
async fn aliases_details_and_the_catch_all_lead_to_accounts_once() {
    let node = node_with_accounts(3).await;
    let services = &node.services;
    let (one, two) = (
        target(services, "user1@demo.test").await,
        target(services, "user2@demo.test").await,
    );
    let team = AddAlias {
        address: address("team@demo.test"),
        targets: vec![one.clone(), two],
    };
    services.directory.change(team).await.unwrap();
    let catch_all = SetCatchAll {
        domain: address("x@demo.test").domain().clone(),
        target: Some(target(services, "user3@demo.test").await),
    };
    services.directory.change(catch_all).await.unwrap();
    let mut client = greeted(services, Profile::Smtp).await;
    let recipients = [
        "team@demo.test",
        "user1@demo.test",
        "user1+x@demo.test",
        "who.ever@demo.test",
    ];
    let reply = deliver(&mut client, &recipients, "Subject: x\r\n\r\n").await;
    assert!(reply.starts_with("250 2.0.0 delivered as "), "{reply}");
    for (name, delivered_to) in [("user1", "team"), ("user2", "team"), ("user3", "who.ever")] {
        let messages = inbox(services, name).await;
        assert_eq!(messages.len(), 1, "{name}");
        assert!(
            messages[0].contains(&format!("Delivered-To: {delivered_to}@demo.test\r\n")),
            "{}",
            messages[0]
        );
    }
    // One line for each recipient and account.
    assert_eq!(logged(services, id_of(&reply)).await.len(), 5);
}

#[tokio::test]
async fn postmaster_is_taken_with_and_without_a_domain() {
    let node = node_with_accounts(1).await;
    let mut client = greeted(&node.services, Profile::Smtp).await;
    for postmaster in ["Postmaster", "postmaster@demo.test"] {
        let reply = deliver(&mut client, &[postmaster], &format!("Subject: {postmaster}\r\n\r\n")).await;
        assert!(reply.starts_with("250 "), "{postmaster}: {reply}");
    }
    assert_eq!(inbox(&node.services, "user1").await.len(), 2);
}

#[tokio::test]
async fn who_is_not_here_is_refused_for_good_and_logged() {
    let node = node_with_accounts(2).await;
    let services = &node.services;
    let Target::Account(account) = target(services, "user2@demo.test").await else {
        panic!("not an account")
    };
    services.directory.change(DisableAccount { account }).await.unwrap();
    let mut client = greeted(services, Profile::Smtp).await;
    let long = "x".repeat(100);
    let script = format!(
        "C: MAIL FROM:<ann@example.org>
         S: 250 …
         C: RCPT TO:<nobody@demo.test>
         S: 550 5.1.1 no such recipient here
         C: RCPT TO:<{long}@demo.test>
         S: 550 5.1.1 no such recipient here
         C: RCPT TO:<user2@demo.test>
         S: 550 5.2.1 the recipient takes no mail
         C: RCPT TO:<bob@elsewhere.example>
         S: 550 5.7.1 mail to other sites is not accepted here
         C: RCPT TO:<{long}@elsewhere.example>
         S: 550 5.7.1 mail to other sites is not accepted here
         C: RCPT TO:<user1@[192.0.2.1]>
         S: 550 5.7.1 mail to other sites is not accepted here
         C: DATA
         S: 503 5.5.1 no valid recipients
         C: RCPT TO:<@relay.example:user1@demo.test>
         S: 250 2.1.5 recipient ok"
    );
    client.run(&script).await;
    let records = logged(services, "ann@example.org").await;
    assert_eq!(records.len(), 6);
    let nobody = &records[0];
    let refused = Outcome::Refused {
        code: 550,
        enhanced: Some("5.1.1".to_owned()),
        text: "no such recipient here".to_owned(),
    };
    assert_eq!(
        (nobody.recipient.as_str(), &nobody.outcome),
        ("nobody@demo.test", &refused)
    );
    assert!(records.iter().all(|record| record.id == nobody.id && record.bytes == 0));
}

#[tokio::test]
async fn a_full_mailbox_is_said_at_rcpt() {
    let node = node_with_accounts(2).await;
    let services = &node.services;
    let Target::Account(account) = target(services, "user1@demo.test").await else {
        panic!("not an account")
    };
    let both = [
        target(services, "user1@demo.test").await,
        target(services, "user2@demo.test").await,
    ];
    let team = AddAlias {
        address: address("team@demo.test"),
        targets: both.to_vec(),
    };
    services.directory.change(team).await.unwrap();
    let quota_bytes = Some(2_000);
    services
        .directory
        .change(SetQuota { account, quota_bytes })
        .await
        .unwrap();
    let mut client = greeted(services, Profile::Smtp).await;
    let script = "C: MAIL FROM:<ann@example.org> SIZE=3000
        S: 250 …
        C: RCPT TO:<user1@demo.test>
        S: 552 5.2.2 the message is larger than the recipient's mailbox may be
        C: RCPT TO:<user2@demo.test>
        S: 250 …
        C: RSET
        S: 250 …";
    client.run(script).await;
    let reply = deliver(&mut client, &["user1@demo.test"], &"x".repeat(1_500)).await;
    assert!(reply.starts_with("250 "), "{reply}");
    let script = "C: MAIL FROM:<ann@example.org> SIZE=1000
        S: 250 …
        C: RCPT TO:<team@demo.test>
        S: 452 4.2.2 the recipient's mailbox is full
        C: RSET
        S: 250 …";
    client.run(script).await;
    // Without SIZE it is said once the size is known, and whoever has room has it.
    let reply = deliver(&mut client, &["user1@demo.test", "user2@demo.test"], &"y".repeat(1_000)).await;
    assert_eq!(reply, "452 4.2.2 the recipient's mailbox is full");
    assert_eq!(inbox(services, "user1").await.len(), 1);
    assert_eq!(inbox(services, "user2").await.len(), 1);
    let last: Vec<_> = logged(services, "@demo.test").await.into_iter().rev().take(2).collect();
    assert!(matches!(last[0].outcome, Outcome::Accepted { .. }), "{last:?}");
    assert!(
        matches!(last[1].outcome, Outcome::Deferred { code: 452, .. }),
        "{last:?}"
    );
}
