//! Transcripts, one for each command, and for what the machine answers by itself.

mod harness;

use harness::{selected_transcript, transcript};

#[test]
fn capability_changes_with_the_log_in() {
    transcript(
        "C: a CAPABILITY
         S: * CAPABILITY IMAP4rev1 LITERAL+ SASL-IR ID STARTTLS AUTH=PLAIN AUTH=LOGIN
         S: a OK done
         C: b LOGIN ann secret
         S: b OK logged in
         C: c capability
         S: * CAPABILITY IMAP4rev1 LITERAL+ SASL-IR ID IDLE NAMESPACE UIDPLUS MULTIAPPEND UNSELECT MOVE CHILDREN SPECIAL-USE
         S: c OK done",
    );
}

#[test]
fn noop_and_logout_are_legal_at_once() {
    transcript(
        "C: a NOOP
         S: a OK done
         C: b LOGOUT
         S: * BYE bye
         S: b OK done
         S! closed
         C: c NOOP
         S: c BAD this command is not allowed in this state",
    );
}

#[test]
fn login_waits_for_its_literals() {
    transcript(
        "C: a LOGIN {3}
         S: + go on
         C: ann {6}
         S: + go on
         C: secret
         S: a OK logged in",
    );
}

#[test]
fn login_with_literal_plus_waits_for_nothing() {
    transcript(
        "C= a LOGIN {3+}\\r\\nann {6+}\\r\\nsecret\\r\\n
         S: a OK logged in",
    );
}

#[test]
fn a_wrong_password_leaves_the_session_as_it_was() {
    transcript(
        "C: a LOGIN ann wrong
         S: a NO [AUTHENTICATIONFAILED] wrong name or password
         C: b LIST \"\" *
         S: b BAD this command is not allowed in this state",
    );
}

#[test]
fn authenticate_plain_with_and_without_initial_response() {
    transcript(
        "C: a AUTHENTICATE PLAIN
         S: +\u{20}
         C: AGFubgB3cm9uZw==
         S: a NO [AUTHENTICATIONFAILED] wrong name or password
         C: b AUTHENTICATE PLAIN AGFubgBzZWNyZXQ=
         S: b OK logged in
         C: c AUTHENTICATE PLAIN AGFubgBzZWNyZXQ=
         S: c BAD this command is not allowed in this state",
    );
}

#[test]
fn authenticate_login_asks_twice() {
    transcript(
        "C: a AUTHENTICATE LOGIN
         S: + VXNlcm5hbWU6
         C: YW5u
         S: + UGFzc3dvcmQ6
         C: c2VjcmV0
         S: a OK logged in",
    );
}

#[test]
fn an_exchange_can_be_cancelled_and_bad_base64_ends_it() {
    transcript(
        "C: a AUTHENTICATE LOGIN
         S: + VXNlcm5hbWU6
         C: *
         S: a BAD cancelled
         C: b AUTHENTICATE PLAIN
         S: +\u{20}
         C: this is not base64
         S: b BAD the response is not base64
         C: c NOOP
         S: c OK done",
    );
}

#[test]
fn what_was_pipelined_behind_starttls_is_dropped() {
    transcript(
        "C= a STARTTLS\\r\\nb LOGIN ann secret\\r\\n
         S: a OK begin TLS
         C: c NOOP
         S: c OK done
         C: d LIST \"\" *
         S: d BAD this command is not allowed in this state",
    );
}

#[test]
fn select_and_examine_tell_about_the_mailbox() {
    transcript(
        "C: a LOGIN ann secret
         S: a OK logged in
         C: b SELECT inbox
         S: * FLAGS (\\Deleted \\Seen)
         S: * 3 EXISTS
         S: * 0 RECENT
         S: * OK [UNSEEN 1] first unseen
         S: * OK [PERMANENTFLAGS (\\Deleted \\Seen \\*)] limited
         S: * OK [UIDVALIDITY 1] they hold
         S: * OK [UIDNEXT 14] the next one
         S: b OK [READ-WRITE] selected
         C: c UNSELECT
         S: c OK done
         C: d CHECK
         S: d BAD this command is not allowed in this state
         C: e SELECT \"no*such\"
         S: e NO [NONEXISTENT] a mailbox name has no control characters, % or *",
    );
}

#[test]
fn mailboxes_are_made_renamed_subscribed_and_deleted() {
    selected_transcript(
        "C: a CREATE Entw&APw-rfe/
         S: a OK done to \"Entw?rfe\"
         C: b CREATE &AGE-
         S: b NO [CANNOT] not the canonical modified UTF-7 of its text
         C: c RENAME a \"b c\"
         S: c OK a is b c
         C: d SUBSCRIBE {3+}
         C: a b
         S: d OK done to \"a b\"
         C: e UNSUBSCRIBE a
         S: e OK done to \"a\"
         C: f DELETE a
         S: f OK done to \"a\"
         C: g DELETE
         S: g BAD expected a space at octet 9, not the end",
    );
}

#[test]
fn list_and_lsub_match_names() {
    selected_transcript(
        "C: a LIST \"\" %
         S: * LIST (\\HasNoChildren) \"/\" INBOX
         S: * LIST (\\HasChildren \\Sent) \"/\" Sent
         S: * LIST (\\HasNoChildren) \"/\" Entw&APw-rfe
         S: a OK done
         C: b LIST Sent/ *
         S: * LIST (\\HasNoChildren) \"/\" Sent/2024
         S: b OK done
         C: c LSUB \"\" Entw&APw-*
         S: * LSUB (\\HasNoChildren) \"/\" Entw&APw-rfe
         S: c OK done
         C: d LIST \"\" \"\"
         S: * LIST (\\Noselect) \"/\" \"\"
         S: d OK done
         C: e LIST \"\" {5}
         S: + go on
         C: inbox
         S: * LIST (\\HasNoChildren) \"/\" INBOX
         S: e OK done",
    );
}

#[test]
fn status_answers_what_was_asked() {
    selected_transcript(
        "C: a STATUS Sent (UIDNEXT MESSAGES)
         S: * STATUS Sent (UIDNEXT 1 MESSAGES 2)
         S: a OK done
         C: b STATUS Sent (SIZE)
         S: b BAD expected MESSAGES, RECENT, UIDNEXT, UIDVALIDITY or UNSEEN at octet 16, not 'S'",
    );
}

#[test]
fn append_streams_after_the_continuation() {
    selected_transcript(
        "C: a APPEND Sent (\\Seen) \" 1-Jan-1970 00:00:10 +0000\" {5}
         S: * OK to Sent {\"\\\\Seen\"} 10
         S: + go on
         C= he
         C= llo
         C= \\r\\n
         S: a OK [APPENDUID 1 14] appended 5 octets
         C= b APPEND {4+}\\r\\nSent {3+}\\r\\nabc\\r\\nc NOOP\\r\\n
         S: * OK to Sent {} 0
         S: b OK [APPENDUID 1 14] appended 3 octets
         S: c OK done",
    );
}

#[test]
fn a_refused_append_never_becomes_commands() {
    selected_transcript(
        "C: a APPEND Nowhere {5}
         S: a NO [TRYCREATE] there is no such mailbox
         C: b NOOP
         S: b OK done
         C= c APPEND Nowhere {9+}\\r\\nx LOGOUT\\n\\r\\nd NOOP\\r\\n
         S: c NO [TRYCREATE] there is no such mailbox
         S: d OK done
         C= e APPEND Sent (\\Recent) {10+}\\r\\nx LOGOUT\\r\\n\\r\\nf NOOP\\r\\n
         S: e BAD \\Recent cannot be set by clients
         S: f OK done
         C: g APPEND \"a*\" {10}
         S: g NO [CANNOT] a mailbox name has no control characters, % or *",
    );
}

#[test]
fn an_append_over_the_limit_is_refused_before_it_is_sent() {
    selected_transcript(
        "C: a APPEND Sent {1001}
         S: a NO [TOOBIG] the message is too large
         C: b APPEND Sent {99999999999999999999999}
         S: b NO [TOOBIG] the message is too large
         C: c APPEND Sent {0}
         S: c NO [CANNOT] there is no message of no octets
         C: d APPEND Sent {20000+}
         S: * BYE the literal is too large
         S! closed",
    );
}

#[test]
fn an_append_is_only_whole_with_its_line() {
    selected_transcript(
        "C: a APPEND Sent {3}
         S: * OK to Sent {} 0
         S: + go on
         C: abcdef
         S: a BAD APPEND ends after its last message
         C: b APPEND Sent {4}
         S: * OK to Sent {} 0
         S: + go on
         C: a\\0bc
         S: b BAD a message has no NUL
         C= c APPEND Sent {3+}\\r\\nabcd {8+}\\r\\nx LOGOUT\\r\\nd NOOP\\r\\n
         S: * OK to Sent {} 0
         S: c BAD expected a space at octet 1, not 'd'
         S: d OK done
         C: e APPEND Sent
         S: e BAD APPEND ends in a mailbox and the literal of a message
         C: f APPEND Sent \"hello\"
         S: f BAD APPEND ends in a mailbox and the literal of a message",
    );
}

#[test]
fn one_append_brings_several_messages() {
    selected_transcript(
        "C: a APPEND Sent (\\Seen) {5}
         S: * OK to Sent {\"\\\\Seen\"} 0
         S: + go on
         C= hello
         C:  (\\Draft) \" 1-Jan-1970 00:00:10 +0000\" {3}
         S: * OK to the same {\"\\\\Draft\"} 10
         S: + go on
         C= abc
         C:  {4}
         S: * OK to the same {} 0
         S: + go on
         C: abcd
         S: a OK [APPENDUID 1 14:16] appended 5 and 3 and 4 octets
         C= b APPEND Sent {1+}\\r\\nx () {2+}\\r\\n\\r\\n\\r\\nc NOOP\\r\\n
         S: * OK to Sent {} 0
         S: * OK to the same {} 0
         S: b OK [APPENDUID 1 14:15] appended 1 and 2 octets
         S: c OK done",
    );
}

#[test]
fn a_message_that_is_refused_after_others_gets_no_instead_of_a_continuation() {
    selected_transcript(
        "C: a APPEND Sent {3}
         S: * OK to Sent {} 0
         S: + go on
         C: abc {1001}
         S: a NO [TOOBIG] the message is too large
         C: b APPEND Sent {3}
         S: * OK to Sent {} 0
         S: + go on
         C: abc (\\Recent) {3}
         S: b BAD \\Recent cannot be set by clients
         C: c APPEND Sent {3}
         S: * OK to Sent {} 0
         S: + go on
         C: abc \"31-Feb-1999 00:00:00 +0000\" {3}
         S: c BAD there is no such day
         C: d APPEND Sent {3}
         S: * OK to Sent {} 0
         S: + go on
         C: abc {0}
         S: d NO [CANNOT] there is no message of no octets
         C: e APPEND Sent {3}
         S: * OK to Sent {} 0
         S: + go on
         C= abc {3}\\n
         S: e BAD a line ends in CR and LF
         C: f APPEND Sent {3}
         S: * OK to Sent {} 0
         S: + go on
         C: abc ~{3}
         S: f BAD expected the literal of the message at octet 2, not '~'
         C: g NOOP
         S: g OK done",
    );
}

#[test]
fn what_follows_a_refused_message_of_several_never_becomes_commands() {
    selected_transcript(
        "C= a APPEND Sent {1+}\\r\\n1 {1+}\\r\\n2 {1+}\\r\\n3 {10+}\\r\\nx LOGOUT\\r\\n {10+}\\r\\ny LOGOUT\\r\\n\\r\\nb NOOP\\r\\n
         S: * OK to Sent {} 0
         S: * OK to the same {} 0
         S: * OK to the same {} 0
         S: a NO [OVERQUOTA] that is enough
         S: b OK done
         C= c APPEND Sent {1+}\\r\\n1 {12+}\\r\\n\\0x LOGOUT\\r\\n\\r {10+}\\r\\ny LOGOUT\\r\\n\\r\\nd NOOP\\r\\n
         S: * OK to Sent {} 0
         S: * OK to the same {} 0
         S: c BAD a message has no NUL
         S: d OK done
         C= e APPEND Sent {1+}\\r\\n1 {0+}\\r\\n\\r\\nf NOOP\\r\\n
         S: * OK to Sent {} 0
         S: e NO [CANNOT] there is no message of no octets
         S: f OK done
         C= g APPEND Sent {1+}\\r\\n1 {20000+}\\r\\n
         S: * OK to Sent {} 0
         S: * BYE the literal is too large
         S! closed",
    );
}

#[test]
fn append_before_log_in_is_refused_without_reading_it() {
    transcript(
        "C: a APPEND INBOX {10}
         S: a BAD this command is not allowed in this state
         C: b APPEND INBOX {100000+}
         S: * BYE the literal is too large
         S! closed",
    );
}

#[test]
fn search_finds_in_both_numberings() {
    selected_transcript(
        "C: a SEARCH UNSEEN
         S: * SEARCH 1 3
         S: a OK done
         C: b UID SEARCH CHARSET UTF-8 OR SEEN (FLAGGED 2:*)
         S: * SEARCH 12 13
         S: b OK done
         C: c SEARCH NOT TEXT {5}
         S: + go on
         C: hello
         S: * SEARCH
         S: c OK done
         C: d SEARCH CHARSET KOI8-R TEXT x
         S: d NO [BADCHARSET (US-ASCII UTF-8)] search strings are US-ASCII or UTF-8
         C: e SEARCH UID *
         S: * SEARCH 3
         S: e OK done",
    );
}

#[test]
fn fetch_answers_items_and_octets() {
    selected_transcript(
        "C: a FETCH 1 FAST
         S: * 1 FETCH (FLAGS () INTERNALDATE \" 1-Jan-1970 00:00:00 +0000\" RFC822.SIZE 21)
         S: a OK done
         C: b UID FETCH 12:* (FLAGS)
         S: * 2 FETCH (UID 12 FLAGS (\\Seen))
         S: * 3 FETCH (UID 13 FLAGS (\\Flagged))
         S: b OK done
         C: c FETCH 3 (UID BODY.PEEK[TEXT]<1.3> BODY[1])
         S: * 3 FETCH (UID 13 BODY[TEXT]<1> {3}
         S: ell BODY[1] NIL)
         S: c OK done
         C: d FETCH 1 RFC822.HEADER
         S: * 1 FETCH (RFC822.HEADER {14}
         S: Subject: x
         S:
         S: )
         S: d OK done",
    );
}

#[test]
fn store_changes_flags() {
    selected_transcript(
        "C: a STORE 1:2 +FLAGS (\\Deleted)
         S: * 1 FETCH (FLAGS (\\Deleted))
         S: * 2 FETCH (FLAGS (\\Deleted \\Seen))
         S: a OK done
         C: b UID STORE 12 -FLAGS.SILENT \\Deleted
         S: b OK done
         C: c STORE 2 FLAGS ($Junk)
         S: * 2 FETCH (FLAGS ($Junk))
         S: c OK done
         C: d STORE 2 FLAGS (\\Recent)
         S: d BAD \\Recent cannot be set by clients",
    );
}

#[test]
fn copy_and_move_name_the_new_uids() {
    selected_transcript(
        "C: a COPY 1,3 Sent
         S: a OK [COPYUID 1 11,13 1:2] in Sent
         C: b UID MOVE 11 Sent
         S: * 1 EXPUNGE
         S: b OK [COPYUID 1 11 1] in Sent",
    );
}

#[test]
fn expunge_close_and_check_are_for_a_selected_mailbox() {
    selected_transcript(
        "C: a EXPUNGE
         S: * 1 EXPUNGE
         S: a OK done
         C: b UID EXPUNGE 12
         S: * 2 EXPUNGE
         S: b OK done
         C: c CHECK
         S: c OK done
         C: d CLOSE
         S: d OK done
         C: e EXPUNGE
         S: e BAD this command is not allowed in this state",
    );
}

#[test]
fn idle_ends_in_done_and_in_nothing_else() {
    selected_transcript(
        "C: a IDLE
         S: + idling
         C: done
         S: a OK no longer idle
         C: b IDLE
         S: + idling
         C: c NOOP
         S: b BAD IDLE ends in DONE
         C= d IDLE\\r\\nDONE\\r\\ne NOOP\\r\\n
         S: + idling
         S: d OK no longer idle
         S: e OK done",
    );
}

#[test]
fn namespace_and_id_are_answered() {
    selected_transcript(
        "C: a NAMESPACE
         S: * NAMESPACE ((\"\" \"/\")) NIL NIL
         S: a OK done
         C: b ID (\"name\" \"x\" \"version\" NIL)
         S: * ID (\"fields\" \"2\")
         S: b OK done
         C: c ID NIL
         S: * ID (\"fields\" \"0\")
         S: c OK done",
    );
}

#[test]
fn what_cannot_be_read_is_answered_under_its_tag_if_it_has_one() {
    selected_transcript(
        "C: a
         S: a BAD expected a space at octet 2, not the end
         C:
         S: * BAD expected a tag at octet 1, not the end
         C: + NOOP
         S: * BAD this is no tag
         C: b FROBNICATE
         S: b BAD unknown command
         C: c UID NOOP
         S: c BAD unknown command after UID
         C: d NOOP x
         S: d BAD expected the end of the command at octet 7, not ' '
         C= e NOOP\\n
         S: e BAD a line ends in CR and LF
         C: f NOOP
         S: f OK done",
    );
}

#[test]
fn a_collected_literal_over_the_limit_is_refused_or_ends_the_connection() {
    transcript(
        "C: a LOGIN {100000}
         S: a BAD the literal is too large
         C: b NOOP
         S: b OK done
         C: c LOGIN {100000+}
         S: * BYE the literal is too large
         S! closed",
    );
}

#[test]
fn another_protocol_is_sent_away() {
    transcript(
        "C: GET / HTTP/1.1
         S: GET BAD unknown command
         C: Host: example.org
         S: Host: BAD unknown command
         C: Accept: x
         S: Accept: BAD unknown command
         C: Accept: y
         S: Accept: BAD unknown command
         C:
         S: * BYE too many bad commands
         S! closed",
    );
}
