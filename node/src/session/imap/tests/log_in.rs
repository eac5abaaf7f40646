//! Greeting, capabilities, log-in and good-bye.

use mail_model::Secret;
use mailstore::directory::{DisableAccount, EnableAccount, SetCredentials};

use super::harness::{Client, account};
use crate::testing::{PASSWORD, node_with_accounts};

#[tokio::test]
async fn capabilities_follow_the_log_in() {
    let node = node_with_accounts(1).await;
    let mut client = Client::connect(&node.services);
    client
        .run(
            "S: * OK [CAPABILITY IMAP4rev1 LITERAL+ SASL-IR ID AUTH=PLAIN AUTH=LOGIN] mail.demo.test Holdfast is ready
             C: a CAPABILITY
             S: * CAPABILITY IMAP4rev1 LITERAL+ SASL-IR ID AUTH=PLAIN AUTH=LOGIN
             S: a OK that is all
             C: b NOOP
             S: b OK done
             C: c SELECT INBOX
             S: c BAD …
             C: d LOGIN user1@demo.test demo
             S: d OK [CAPABILITY IMAP4rev1 LITERAL+ SASL-IR ID IDLE NAMESPACE UIDPLUS MULTIAPPEND UNSELECT MOVE CHILDREN SPECIAL-USE] logged in
             C: e LOGIN user1@demo.test demo
             S: e BAD …
             C: f ID (\"name\" \"transcript\")
             S: * ID (\"name\" \"Holdfast\" \"version\" \"…\")
             S: f OK …
             C: g NAMESPACE
             S: * NAMESPACE ((\"\" \"/\")) NIL NIL
             S: g OK …
             C: h LOGOUT
             S: * BYE see you
             S: h OK logged out
             S! closed",
        )
        .await;
}

#[tokio::test]
async fn authenticate_takes_plain_and_login_with_and_without_initial_response() {
    let node = node_with_accounts(1).await;
    // NUL user1@demo.test NUL demo
    let plain = "AHVzZXIxQGRlbW8udGVzdABkZW1v";
    let scripts = [
        format!(
            "C: a AUTHENTICATE PLAIN {plain}
             S: a OK [CAPABILITY …] logged in"
        ),
        format!(
            "C: a AUTHENTICATE plain
             S: + …
             C: {plain}
             S: a OK [CAPABILITY …] logged in"
        ),
        "C: a AUTHENTICATE LOGIN
         S: + VXNlcm5hbWU6
         C: dXNlcjFAZGVtby50ZXN0
         S: + UGFzc3dvcmQ6
         C: ZGVtbw==
         S: a OK [CAPABILITY …] logged in"
            .to_owned(),
        "C: a AUTHENTICATE LOGIN dXNlcjFAZGVtby50ZXN0
         S: + UGFzc3dvcmQ6
         C: ZGVtbw==
         S: a OK [CAPABILITY …] logged in"
            .to_owned(),
    ];
    for script in scripts {
        let mut client = Client::connect(&node.services);
        client.run("S# 1").await;
        client.run(&script).await;
        client
            .run("C: z SELECT INBOX\nS# 6\nS: z OK [READ-WRITE] selected")
            .await;
    }
}

#[tokio::test]
async fn a_failed_log_in_says_why() {
    let node = node_with_accounts(2).await;
    let mut client = Client::connect(&node.services);
    client
        .run(
            "S# 1
             C: a LOGIN user1@demo.test wrong
             S: a NO [AUTHENTICATIONFAILED] name or password is wrong
             C: b LOGIN nobody@demo.test demo
             S: b NO [AUTHENTICATIONFAILED] name or password is wrong
             C: c AUTHENTICATE CRAM-MD5
             S: c NO [CANNOT] …
             C: d AUTHENTICATE PLAIN
             S: + …
             C: *
             S: d BAD cancelled
             C: e AUTHENTICATE PLAIN !!
             S: e BAD …
             C: f AUTHENTICATE PLAIN AAA=
             S: f NO [AUTHENTICATIONFAILED] …
             C: g AUTHENTICATE PLAIN dXNlcjJAZGVtby50ZXN0AHVzZXIxQGRlbW8udGVzdABkZW1v
             S: g NO [AUTHENTICATIONFAILED] name or password is wrong
             C: h AUTHENTICATE PLAIN dXNlcjFAZGVtby50ZXN0AHVzZXIxQGRlbW8udGVzdABkZW1v
             S: h OK [CAPABILITY …] logged in",
        )
        .await;
}

#[tokio::test]
async fn a_connection_that_guesses_passwords_ends() {
    let node = node_with_accounts(1).await;
    let mut client = Client::connect(&node.services);
    client.run("S# 1").await;
    for _ in 1..super::super::limits::LOGIN_FAILURES_MAX {
        client
            .run("C: a LOGIN user1@demo.test wrong\nS: a NO [AUTHENTICATIONFAILED] …")
            .await;
    }
    client
        .run(
            "C: b LOGIN user1@demo.test wrong
             S: * BYE [AUTHENTICATIONFAILED] …
             S! closed",
        )
        .await;
}

#[tokio::test]
async fn i32_no_password_is_taken_in_clear_from_a_foreign_network() {
    let node = node_with_accounts(1).await;
    let mut client = Client::connect_from(&node.services, [192, 0, 2, 7].into());
    client
        .run(
            "S: * OK [CAPABILITY IMAP4rev1 LITERAL+ SASL-IR ID LOGINDISABLED] …
             C: a LOGIN user1@demo.test demo
             S: a NO [PRIVACYREQUIRED] …
             C: b AUTHENTICATE PLAIN
             S: b NO [PRIVACYREQUIRED] …
             C: c STARTTLS
             S: c BAD TLS cannot be started here",
        )
        .await;
}

#[tokio::test]
async fn bad_commands_are_answered_and_too_many_end_the_session() {
    let node = node_with_accounts(1).await;
    let mut client = Client::connect(&node.services);
    client
        .run(
            "S# 1
             C: a NONSENSE
             S: a BAD unknown command
             C: b LOGIN user1
             S: b BAD …
             C: ***
             S: * BAD …
             C: d
             S: d BAD …
             C: GET / HTTP/1.1
             S: * BYE too many bad commands
             S! closed",
        )
        .await;
}

#[tokio::test]
async fn a_closed_account_says_good_bye_to_its_sessions_and_a_new_password_to_those_of_the_old() {
    let node = node_with_accounts(2).await;
    let services = &node.services;
    let (mut waiting, mut idling) = (Client::logged_in(services).await, Client::selected(services).await);
    idling.run("C: a IDLE\nS: + idling").await;
    let mut other = Client::connect(services);
    let script = format!("S: * OK …\nC: a LOGIN user2@demo.test {PASSWORD}\nS: a OK …");
    other.run(&script).await;
    let account = account(&node).await.id();
    services
        .directory
        .change(DisableAccount { account })
        .await
        .expect("disables");
    let good_bye = "S: * BYE the account was closed or its password changed, log in again\nS! closed";
    waiting.run(good_bye).await;
    idling.run(good_bye).await;
    services
        .directory
        .change(EnableAccount { account })
        .await
        .expect("enables");
    let mut later = Client::selected(services).await;
    let password = Secret::new("another".to_owned());
    let credentials = services.auth.make_credentials(&password).await.expect("makes");
    let command = SetCredentials { account, credentials };
    services.directory.change(command).await.expect("changes");
    later.run(good_bye).await;
    other.run("C: b NOOP\nS: b OK done").await;
}
