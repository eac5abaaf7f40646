//! Runs transcripts of `C:` and `S:` lines against the machine, with a session of three messages behind it.
//!
//! - `C: text` sends a line with CRLF; `C= text` sends octets without it, `\r`, `\n` and `\0` written so.
//! - `S: text` expects the next reply line; all that is sent has to be expected before the next `C`.
//! - `S! closed` expects that the connection was closed after the lines before.
//!
//! The session is small, but it answers with what the commands say, through the writers that the real one uses.

mod session;

use session::Session;

/// Runs `script`; panics where client and server disagree.
pub(crate) fn transcript(script: &str) {
    run(Session::new(), script);
}

/// The same with somebody logged in and the mailbox selected.
pub(crate) fn selected_transcript(script: &str) {
    run(Session::selected(), script);
}

fn run(mut session: Session, script: &str) {
    for (at, line) in script.lines().enumerate() {
        let line = line.trim_start();
        let place = || format!("line {} of the transcript: {line}", at + 1);
        if line.is_empty() {
            continue;
        }
        let (kind, text) = line.split_at(2);
        let text = text.strip_prefix(' ').unwrap_or(text);
        match kind {
            "C:" | "C=" => {
                assert_eq!(session.next_line(), None, "unexpected before {}", place());
                let end = if kind == "C:" { "\r\n" } else { "" };
                session.send(format!("{}{end}", unescape(text)).as_bytes());
            }
            "S:" => assert_eq!(session.next_line().as_deref(), Some(text), "at {}", place()),
            "S!" => assert!(session.is_closed(), "still open at {}", place()),
            _ => panic!("what is {}", place()),
        }
    }
    assert_eq!(session.next_line(), None, "unexpected at the end");
}

fn unescape(text: &str) -> String {
    text.replace("\\r", "\r").replace("\\n", "\n").replace("\\0", "\0")
}
