//! Any bytes as a client's side of an SMTP, submission or LMTP connection: no panic, and what is said, delivered and
//! refused does not depend on how the bytes were cut.
#![no_main]

use libfuzzer_sys::fuzz_target;
use smtp_wire::{AuthPolicy, Config, Profile, Tls};

// A machine with a session that answers it, as the crate's own transcripts use it.
#[path = "../../node/crates/smtp-wire/tests/wire/harness.rs"]
#[allow(dead_code, reason = "the transcripts use all of it")]
mod harness;

use harness::Session;

fuzz_target!(|input: &[u8]| {
    let [kind, cut, bytes @ ..] = input else { return };
    let config = Config {
        profile: [Profile::Smtp, Profile::Submission, Profile::Lmtp][usize::from(kind % 3)],
        host: "n1.demo.test".to_owned(),
        message_bytes_max: 300,
        // Bytes in clear behind a STARTTLS that is accepted are dropped, and how many those are is up to the packets.
        tls: if kind & 64 == 0 { Tls::Absent } else { Tls::Active },
        auth: if kind & 128 == 0 {
            AuthPolicy::Offered
        } else {
            AuthPolicy::Hidden
        },
    };
    let packets = run(&config, bytes, usize::from(*cut).max(1));
    assert_eq!(packets, run(&config, bytes, 1));
});

/// Everything that shows outside of one connection.
fn run(config: &Config, bytes: &[u8], cut: usize) -> impl PartialEq + std::fmt::Debug + use<> {
    let mut session = Session::new(config.clone());
    let mut said = String::new();
    for packet in bytes.chunks(cut) {
        if !session.server.wants_input() {
            break;
        }
        said += &session.send(packet);
    }
    let Session {
        delivered,
        faults,
        log_ins,
        closed,
        has_quit,
        ..
    } = session;
    (said, delivered, faults, log_ins, closed, has_quit)
}
