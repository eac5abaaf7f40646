//! What LMTP has of its own (RFC 2033).

use smtp_wire::Profile;

use super::*;
use crate::testing::node_with_accounts;

#[tokio::test]
async fn every_accepted_recipient_has_a_reply_of_its_own() {
    let node = node_with_accounts(2).await;
    let mut client = connect_from(&node.services, Profile::Lmtp, Peer::Local, None);
    let script = "S: 220 mail.demo.test LMTP ready
        C: EHLO client.example
        S: 500 this port wants LHLO
        C: LHLO client.example
        S: 250-mail.demo.test greets client.example
        S: 250-PIPELINING
        S: 250-SIZE 67108864
        S: 250-8BITMIME
        S: 250-CHUNKING
        S: 250 ENHANCEDSTATUSCODES
        C: MAIL FROM:<ann@example.org>
        S: 250 …
        C: RCPT TO:<user1@demo.test>
        S: 250 …
        C: RCPT TO:<nobody@demo.test>
        S: 550 5.1.1 …
        C: RCPT TO:<user2@demo.test>
        S: 250 …
        C: RCPT TO:<user1@demo.test>
        S: 250 …
        C: DATA
        S: 354 …
        C: Subject: x
        C:
        C: .
        S: 250 2.0.0 delivered as …
        S: 250 2.0.0 delivered as …
        S: 250 2.0.0 delivered as …
        C: QUIT
        S: 221 …
        S!";
    client.run(script).await;
    for name in ["user1", "user2"] {
        let messages = inbox(&node.services, name).await;
        assert_eq!(messages.len(), 1, "{name}");
        assert!(messages[0].contains("with LMTP"), "{}", messages[0]);
        assert!(
            !messages[0].contains("unknown ["),
            "a unix socket has no address: {}",
            messages[0]
        );
    }
    let records = logged(&node.services, "user1@demo.test").await;
    assert_eq!((records.len(), records[0].peer.as_str()), (2, "local"));
}
