//! Any octets as an IMAP client's side of a connection: no panic, bounded input, and events that do not depend on how the
//! octets were cut into packets.
#![no_main]

use imap_wire::limits::{AppendLimit, INPUT_BYTES_MAX};
use imap_wire::{Command, Event, ImapServer, SessionState};
use libfuzzer_sys::fuzz_target;

const APPEND_MAX: u64 = 1_000;

fuzz_target!(|input: &[u8]| {
    let [state, cut, octets @ ..] = input else { return };
    let state = match state % 4 {
        0 => SessionState::NotAuthenticated,
        1 => SessionState::Authenticated,
        2 => SessionState::Selected,
        _ => SessionState::Logout,
    };
    let packets = events_of(state, octets.chunks(usize::from(*cut).max(1)));
    // Where a NUL ends a message, the octets before it in its packet are not handed on.
    if !octets.contains(&0) {
        let single = events_of(state, octets.chunks(1));
        assert_eq!(packets, single);
    }
});

fn events_of<'o>(state: SessionState, packets: impl Iterator<Item = &'o [u8]>) -> Vec<Event> {
    let mut machine = ImapServer::new(AppendLimit(APPEND_MAX));
    machine.set_state(state);
    let mut events = Vec::new();
    for packet in packets {
        if !machine.wants_input() {
            break;
        }
        machine.handle_input(packet);
        drain(&mut machine, &mut events);
    }
    events
}

/// Takes all events that there are; chunks of a message are joined, every message is accepted.
fn drain(machine: &mut ImapServer, events: &mut Vec<Event>) {
    while let Some(event) = machine.poll() {
        match &event {
            Event::Append(_) | Event::AppendNext { .. } => machine.accept_append(),
            Event::Command(tagged) if tagged.command == Command::Idle => machine.begin_idle(tagged.tag.clone()),
            Event::Command(tagged) if matches!(tagged.command, Command::Authenticate(_)) => {
                machine.expect_auth_line(tagged.tag.clone());
            }
            Event::AppendChunk(chunk) => assert!(chunk.len() <= INPUT_BYTES_MAX),
            _ => {}
        }
        match (events.last_mut(), event) {
            (Some(Event::AppendChunk(before)), Event::AppendChunk(chunk)) => {
                *before = [before.as_ref(), chunk.as_ref()].concat().into();
            }
            (_, event) => events.push(event),
        }
    }
}
