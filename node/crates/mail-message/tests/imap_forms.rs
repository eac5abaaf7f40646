//! ENVELOPE, BODY and BODYSTRUCTURE against what RFC 3501 shows.

mod support;

use mail_message::{append_body, append_body_structure, append_envelope};
use support::check;

fn forms(message: &str) -> (String, String, String) {
    let structure = check(message.as_bytes());
    let (mut envelope, mut body, mut full) = (Vec::new(), Vec::new(), Vec::new());
    append_envelope(structure.envelope().expect("envelope"), &mut envelope);
    append_body(&structure, &mut body);
    append_body_structure(&structure, &mut full);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (text(envelope), text(body), text(full))
}

#[test]
fn the_message_of_rfc_3501_section_8_gives_the_answer_there() {
    let header = "Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\r\nFrom: Terry Gray <gray@cac.washington.edu>\r\n\
        Subject: IMAP4rev1 WG mtg summary and minutes\r\nTo: imap@cac.washington.edu\r\n\
        cc: minutes@CNRI.Reston.VA.US, John Klensin <KLENSIN@MIT.EDU>\r\n\
        Message-Id: <B27397-0100000@cac.washington.edu>\r\nMIME-Version: 1.0\r\n\
        Content-Type: TEXT/PLAIN; CHARSET=US-ASCII\r\n\r\n";
    let body = format!("{}{}\r\n", format!("{}\r\n", "x".repeat(31)).repeat(91), "y".repeat(23));
    let (envelope, body, full) = forms(&format!("{header}{body}"));
    let from = "((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\"))";
    assert_eq!(
        envelope,
        format!(
            "(\"Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\" \"IMAP4rev1 WG mtg summary and minutes\" {from} {from} {from} \
             ((NIL NIL \"imap\" \"cac.washington.edu\")) ((NIL NIL \"minutes\" \"CNRI.Reston.VA.US\")(\"John Klensin\" \
             NIL \"KLENSIN\" \"MIT.EDU\")) NIL NIL \"<B27397-0100000@cac.washington.edu>\")"
        )
    );
    assert_eq!(
        body,
        "(\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 3028 92)"
    );
    assert_eq!(
        full,
        "(\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 3028 92 NIL NIL NIL NIL)"
    );
}

#[test]
fn the_two_part_message_of_rfc_3501_7_4_2_gives_the_answer_there() {
    let one = format!("{}{}\r\n", format!("{}\r\n", "x".repeat(48)).repeat(22), "y".repeat(50));
    let two = format!("{}{}\r\n", format!("{}\r\n", "x".repeat(60)).repeat(72), "y".repeat(88));
    let message = format!(
        "Content-Type: MULTIPART/MIXED; boundary=b\r\n\r\n--b\r\nContent-Type: TEXT/PLAIN; CHARSET=US-ASCII\r\n\r\n{one}\r\n\
         --b\r\nContent-Type: TEXT/PLAIN; CHARSET=US-ASCII; NAME=cc.diff\r\nContent-Transfer-Encoding: BASE64\r\n\
         Content-ID: <960723163407.20117h@cac.washington.edu>\r\nContent-Description: Compiler diff\r\n\r\n{two}\r\n--b--\r\n"
    );
    let (_, body, _) = forms(&message);
    assert_eq!(
        body,
        "((\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 1152 23)(\"TEXT\" \"PLAIN\" (\"CHARSET\" \
         \"US-ASCII\" \"NAME\" \"cc.diff\") \"<960723163407.20117h@cac.washington.edu>\" \"Compiler diff\" \"BASE64\" 4554 \
         73) \"MIXED\")"
    );
}

#[test]
fn a_message_inside_shows_its_envelope_body_and_lines() {
    let message = "Content-Type: message/rfc822\r\nContent-MD5: x==\r\nContent-Disposition: attachment; filename=a\r\n\
        Content-Language: en, de\r\nContent-Location: http://x/\r\n\r\nSubject: in\r\nTo: g: a@b;\r\n\r\nx\r\ny";
    let (envelope, body, full) = forms(message);
    assert_eq!(envelope, "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)");
    let inner = "(NIL \"in\" NIL NIL NIL ((NIL NIL \"g\" NIL)(NIL NIL \"a\" \"b\")(NIL NIL NIL NIL)) NIL NIL NIL NIL)";
    let text = "\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7BIT\" 4 2";
    let fields = "\"message\" \"rfc822\" NIL NIL NIL \"7BIT\" 32";
    assert_eq!(body, format!("({fields} {inner} ({text}) 5)"));
    assert_eq!(
        full,
        format!(
            "({fields} {inner} ({text} NIL NIL NIL NIL) 5 \"x==\" (\"attachment\" (\"filename\" \"a\")) (\"en\" \"de\") \
             \"http://x/\")"
        )
    );
}

#[test]
fn multipart_extension_data_follows_the_subtype() {
    let message = "Content-Type: multipart/alternative; boundary=b\r\nContent-Disposition: inline\r\n\r\n--b\r\n\
        Content-Type: image/png\r\n\r\nx\r\n--b--\r\n";
    let (_, body, full) = forms(message);
    assert_eq!(body, "((\"image\" \"png\" NIL NIL NIL \"7BIT\" 1) \"alternative\")");
    assert_eq!(
        full,
        "((\"image\" \"png\" NIL NIL NIL \"7BIT\" 1 NIL NIL NIL NIL) \"alternative\" (\"boundary\" \"b\") (\"inline\" NIL) \
         NIL NIL)"
    );
}

#[test]
fn folded_and_raw_values_go_out_unfolded_and_as_literals() {
    let (envelope, ..) = forms("Subject: gr\u{fc}n\r\n  und\tblau\r\nIn-Reply-To:\r\nFrom: \"a\\\\b\" <c@d>\r\n\r\n");
    let from = "((\"a\\\\b\" NIL \"c\" \"d\"))";
    assert_eq!(
        envelope,
        format!("(NIL {{15}}\r\ngr\u{fc}n  und\tblau {from} {from} {from} NIL NIL NIL \"\" NIL)")
    );
}
