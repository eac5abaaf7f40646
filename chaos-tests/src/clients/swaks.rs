//! swaks, one process for each message.

use std::fs;
use std::process::Command;

use super::{Answer, Errand, Place, Protocol, Sender, read, run, text};
use crate::mail::{as_smtp_carries, dot_stuffed};

/// swaks: SMTP with STARTTLS, and LMTP.
pub struct Swaks;

/// Its exit status when the message itself was refused.
const REFUSED: i32 = 26;

impl Sender for Swaks {
    fn name(&self) -> &'static str {
        "swaks"
    }

    fn deliver(&self, to: &Place, protocol: Protocol, errands: &[Errand]) -> Vec<Answer> {
        errands.iter().map(|errand| deliver(to, protocol, errand)).collect()
    }
}

fn deliver(to: &Place, protocol: Protocol, errand: &Errand) -> Answer {
    // Told to leave the message alone, it wants everything done: dots, and the dot that ends it.
    let mut data = dot_stuffed(&as_smtp_carries(&read(&errand.file)));
    data.push(b'.');
    let file = to.dir.join("swaks.data");
    fs::write(&file, data).expect("a file can be written");
    let mut swaks = Command::new("swaks");
    swaks
        .args([
            "--server",
            "127.0.0.1",
            "--port",
            &to.port(protocol.port()),
            "--helo",
            "swaks.example",
        ])
        .args([
            "--from",
            &errand.sender(),
            "--to",
            &errand.recipient(),
            "--timeout",
            "120",
        ])
        .args(["--no-data-fixup", "--suppress-data", "--data"])
        .arg(format!("@{}", file.display()));
    match protocol {
        Protocol::Smtp => swaks.arg("--tls"),
        Protocol::Lmtp => swaks.args(["--protocol", "LMTP"]),
    };
    let output = run(&mut swaks);
    let is_accepted = output.status.success();
    let shown = text(&output.stdout);
    assert!(
        is_accepted || output.status.code() == Some(REFUSED),
        "{swaks:?}: {}\n{shown}\n{}",
        output.status,
        text(&output.stderr)
    );
    Answer {
        id: errand.id,
        is_accepted,
        reply: reply(&shown),
    }
}

/// The last reply but the good-bye. It shows them behind an arrow of two, one more when encrypted, with stars for bad ones.
fn reply(shown: &str) -> String {
    let reply = |line: &str| {
        let (arrow, reply) = line.split_at_checked(4)?;
        matches!(arrow, "<-  " | "<~  " | "<** " | "<~* ").then(|| reply.trim().to_owned())
    };
    let mut replies = shown.lines().filter_map(reply);
    replies.rfind(|reply| !reply.starts_with("221 ")).unwrap_or_default()
}
