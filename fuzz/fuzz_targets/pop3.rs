//! Any bytes as a POP3 client's side of a connection, and as a message that it retrieves: no panic, and what is said and
//! deleted does not depend on how the bytes were cut.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pop3_wire::{Config, PasswordPolicy, Tls};

// A machine with a maildrop behind it, as the crate's own transcripts use it.
#[path = "../../node/crates/pop3-wire/tests/wire/harness.rs"]
#[allow(dead_code, reason = "the transcripts use all of it")]
mod harness;

use harness::{Session, config};

fuzz_target!(|input: &[u8]| {
    let [kind, cut, split, bytes @ ..] = input else { return };
    let (message, bytes) = bytes.split_at(usize::from(*split).min(bytes.len()));
    let config = Config {
        // Bytes in clear behind a STLS that is accepted are dropped, and how many those are is up to the packets.
        tls: if kind & 1 == 0 { Tls::Absent } else { Tls::Active },
        passwords: if kind & 2 == 0 {
            PasswordPolicy::Offered
        } else {
            PasswordPolicy::AfterTls
        },
        ..config()
    };
    let logged_in: &[u8] = if kind & 4 == 0 {
        b"USER ann\r\nPASS demo\r\n"
    } else {
        b""
    };
    let bytes = [logged_in, bytes].concat();
    let packets = run(&config, message, &bytes, usize::from(*cut).max(1));
    assert_eq!(packets, run(&config, message, &bytes, 1));
});

/// Everything that shows outside of one connection.
fn run(config: &Config, message: &[u8], bytes: &[u8], cut: usize) -> impl PartialEq + std::fmt::Debug + use<> {
    let mut session = Session::new(config.clone(), &[message, b"Subject: b\r\n\r\n.\r\n"]);
    let mut said = Vec::new();
    for packet in bytes.chunks(cut) {
        if !session.server.wants_input() {
            break;
        }
        said.extend(session.send(packet));
    }
    (said, session.committed, session.closed, session.has_quit)
}
