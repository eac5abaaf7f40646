//! curl, one process for each message.

use std::process::{Command, Output};

use super::{Answer, Errand, PASSWORD, Place, Protocol, Sender, address, run, text};

/// curl: SMTP with STARTTLS, IMAP and POP3 over TLS.
pub struct Curl;

/// It says so when a server refuses what it was sent (CURLE_SEND_ERROR, CURLE_WEIRD_SERVER_REPLY, CURLE_UPLOAD_FAILED).
const REFUSED: [i32; 3] = [55, 8, 25];

impl Sender for Curl {
    fn name(&self) -> &'static str {
        "curl"
    }

    fn deliver(&self, to: &Place, protocol: Protocol, errands: &[Errand]) -> Vec<Answer> {
        assert_eq!(protocol, Protocol::Smtp, "curl does not speak LMTP");
        let deliver = |errand: &Errand| {
            let mut curl = curl(to);
            curl.arg("--ssl-reqd")
                .arg(format!("smtp://localhost:{}/curl.example", to.port(25)))
                .args(["--mail-from", &errand.sender(), "--mail-rcpt", &errand.recipient()])
                .arg("--upload-file")
                .arg(&errand.file);
            answer(errand, &mut curl)
        };
        errands.iter().map(deliver).collect()
    }
}

impl Curl {
    /// Puts messages into INBOX over IMAP.
    #[must_use]
    pub fn append(to: &Place, errands: &[Errand]) -> Vec<Answer> {
        let append = |errand: &Errand| {
            let mut curl = curl(to);
            curl.arg(format!("imaps://localhost:{}/INBOX", to.port(993)))
                .args(["--user", &credentials(errand.account)])
                .arg("--upload-file")
                .arg(&errand.file);
            answer(errand, &mut curl)
        };
        errands.iter().map(append).collect()
    }

    /// The message of that UID in the account's INBOX. Marks it as seen.
    ///
    /// # Panics
    /// When it cannot be read.
    #[must_use]
    pub fn read_imap(from: &Place, account: u32, uid: &str) -> Vec<u8> {
        let url = format!("imaps://localhost:{}/INBOX;UID={uid}", from.port(993));
        retrieve(curl(from).arg(url).args(["--user", &credentials(account)]))
    }

    /// The message of that number in the account's maildrop.
    ///
    /// # Panics
    /// When it cannot be read.
    #[must_use]
    pub fn read_pop3(from: &Place, account: u32, number: usize) -> Vec<u8> {
        let url = format!("pop3s://localhost:{}/{number}", from.port(995));
        retrieve(curl(from).arg(url).args(["--user", &credentials(account)]))
    }
}

fn credentials(account: u32) -> String {
    format!("{}:{PASSWORD}", address(account))
}

fn curl(at: &Place) -> Command {
    let mut curl = Command::new("curl");
    // A configuration of whoever runs the test does not count.
    curl.args([
        "--disable",
        "--silent",
        "--show-error",
        "--verbose",
        "--max-time",
        "300",
        "--cacert",
    ]);
    curl.arg(&at.ca);
    curl
}

fn retrieve(curl: &mut Command) -> Vec<u8> {
    let output = run(curl);
    assert!(
        output.status.success(),
        "{curl:?}: {}\n{}",
        output.status,
        text(&output.stderr)
    );
    output.stdout
}

fn answer(errand: &Errand, curl: &mut Command) -> Answer {
    let output = run(curl);
    let is_accepted = output.status.success();
    let is_refused = output.status.code().is_some_and(|code| REFUSED.contains(&code));
    assert!(
        is_accepted || is_refused,
        "{curl:?}: {}\n{}",
        output.status,
        text(&output.stderr)
    );
    Answer {
        id: errand.id,
        is_accepted,
        reply: reply(&output),
    }
}

/// The last reply but the good-bye.
fn reply(output: &Output) -> String {
    let shown = text(&output.stderr);
    let decides = |line: &&str| !line.starts_with("221 ") && !line.contains("LOGOUT") && !line.starts_with("* BYE");
    let mut replies = shown.lines().filter_map(|line| line.strip_prefix("< "));
    replies.rfind(decides).unwrap_or_default().trim_end().to_owned()
}
