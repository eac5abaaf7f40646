//! What holds for any octets: no panic, bounded memory, and events that do not depend on packets.

use imap_wire::limits::{APPEND_MESSAGES_MAX, AppendLimit, COMMAND_BYTES_MAX, INPUT_BYTES_MAX, LINE_BYTES_MAX};
use imap_wire::response::Code;
use imap_wire::{Command, Event, ImapServer, SessionState};
use proptest::prelude::*;

const APPEND_MAX: u64 = 1_000;

fn machine(state: SessionState) -> ImapServer {
    let mut machine = ImapServer::new(AppendLimit(APPEND_MAX));
    machine.set_state(state);
    machine
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

fn events_of(state: SessionState, packets: &[&[u8]]) -> Vec<Event> {
    let mut machine = machine(state);
    let mut events = Vec::new();
    for packet in packets {
        machine.handle_input(packet);
        drain(&mut machine, &mut events);
    }
    events
}

/// Commands of every kind, as a client may send them.
const VALID: [&str; 36] = [
    "a CAPABILITY\r\n",
    "a LOGIN {3}\r\nann {6+}\r\nsecret\r\n",
    "a LOGIN \"a\\\"nn\" secret\r\n",
    "a AUTHENTICATE PLAIN AGEAYg==\r\nAGEAYg==\r\n",
    "a AUTHENTICATE LOGIN\r\n*\r\n",
    "a SELECT INBOX\r\n",
    "a EXAMINE \"Entw&APw-rfe\"\r\n",
    "a CREATE {3+}\r\na/b\r\n",
    "a RENAME a {1}\r\nb\r\n",
    "a LIST \"\" %/*\r\n",
    "a LSUB a/ {1+}\r\n*\r\n",
    "a STATUS a (MESSAGES UNSEEN)\r\n",
    "a APPEND a (\\Seen $Junk) \"17-Jul-1996 02:44:25 -0700\" {12}\r\nSubject: x\r\n\r\n",
    "a APPEND {1+}\r\na {3+}\r\nabc\r\n",
    "a APPEND a {3+}\r\nabc (\\Seen) {1}\r\nx \"17-Jul-1996 02:44:25 -0700\" {2+}\r\n\r\n\r\n",
    "a APPEND a {3+}\r\nabc {4+}\r\nb NO () {1}\r\nx\r\nc NOOP\r\n",
    "a CHECK\r\nb CLOSE\r\n",
    "a EXPUNGE\r\n",
    "a UID EXPUNGE 1:*,7\r\n",
    "a SEARCH CHARSET UTF-8 OR (SEEN NOT DRAFT) SUBJECT {2}\r\n\u{e9}\r\n",
    "a UID SEARCH 1:5 SINCE 1-Feb-1994 LARGER 5 HEADER x \"\"\r\n",
    "a SEARCH CHARSET KOI8-R ALL\r\n",
    "a FETCH 1:* FULL\r\n",
    "a FETCH 1 (UID BODY.PEEK[1.2.HEADER.FIELDS (From {2+}\r\nTo)]<0.10> RFC822.TEXT)\r\n",
    "a UID FETCH 4294967295 BODY[]\r\n",
    "a STORE 1 +FLAGS.SILENT (\\Deleted)\r\n",
    "a UID STORE 2,3 FLAGS a b\r\n",
    "a COPY 1 b\r\n",
    "a UID MOVE * b\r\n",
    "a IDLE\r\nDONE\r\n",
    "a IDLE\r\nb NOOP\r\n",
    "a ID (\"name\" \"x\" \"os\" NIL)\r\n",
    "a NAMESPACE\r\nb UNSELECT\r\n",
    "a STARTTLS\r\n",
    "a NOOP\nb NOOP\r\n",
    "a LOGOUT\r\n",
];

fn state() -> impl Strategy<Value = SessionState> {
    prop_oneof![
        Just(SessionState::NotAuthenticated),
        Just(SessionState::Authenticated),
        Just(SessionState::Selected),
        Just(SessionState::Logout),
    ]
}

/// A few valid commands in a row, with some octets changed, dropped or put in.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let change = (
        any::<prop::sample::Index>(),
        0..3_u8,
        prop_oneof![any::<u8>(), prop::sample::select(&b" (){}*%\"\\[]<>+\r\n\x0009"[..])],
    );
    let commands = prop::collection::vec(prop::sample::select(&VALID[..]), 1..6);
    (commands, prop::collection::vec(change, 0..8)).prop_map(|(commands, changes)| {
        let mut octets = commands.concat().into_bytes();
        for (index, kind, octet) in changes {
            if octets.is_empty() {
                break;
            }
            let at = index.index(octets.len());
            match kind {
                0 => octets[at] = octet,
                1 => octets.insert(at, octet),
                _ => drop(octets.remove(at)),
            }
        }
        octets
    })
}

#[test]
fn every_valid_command_is_understood_in_some_state() {
    for octets in VALID {
        let states = [SessionState::NotAuthenticated, SessionState::Selected];
        let is_refused = |event: &Event| matches!(event, Event::Fatal { .. } | Event::Rejected(_));
        let understood = states
            .iter()
            .any(|state| !events_of(*state, &[octets.as_bytes()]).iter().any(is_refused));
        let is_meant_to_fail = ["KOI8-R", "IDLE\r\nb", "NOOP\nb", "LOGIN\r\n*"]
            .iter()
            .any(|mark| octets.contains(mark));
        assert_eq!(understood, !is_meant_to_fail, "{octets:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn no_octets_make_it_panic(octets in prop::collection::vec(any::<u8>(), 0..400), state in state()) {
        events_of(state, &[&octets]);
    }

    #[test]
    fn commands_with_damage_do_not_make_it_panic_and_end_in_the_same_events_however_cut(
        octets in mutated(),
        state in state(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        // Where a NUL ends a message, the octets before it in its packet are not handed on.
        prop_assume!(!octets.contains(&0));
        let whole = events_of(state, &[&octets]);
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(octets.len() + 1)).collect();
        cuts.extend([0, octets.len()]);
        cuts.sort_unstable();
        let packets: Vec<&[u8]> = cuts.windows(2).map(|pair| &octets[pair[0]..pair[1]]).collect();
        prop_assert_eq!(&events_of(state, &packets), &whole);
        let single: Vec<&[u8]> = octets.chunks(1).collect();
        prop_assert_eq!(&events_of(state, &single), &whole);
    }

    #[test]
    fn a_message_comes_as_it_was_sent(message in prop::collection::vec(1..=255_u8, 1..1_000), packet in 1..500_usize) {
        let mut octets = format!("a APPEND INBOX {{{}+}}\r\n", message.len()).into_bytes();
        octets.extend_from_slice(&message);
        octets.extend_from_slice(b"\r\nb NOOP\r\n");
        let packets: Vec<&[u8]> = octets.chunks(packet).collect();
        let events = events_of(SessionState::Authenticated, &packets);
        prop_assert_eq!(events.len(), 4);
        prop_assert!(matches!(&events[1], Event::AppendChunk(chunk) if chunk[..] == message[..]));
        let is_end = matches!(&events[2], Event::AppendEnd { tag } if tag.as_str() == "a");
        prop_assert!(is_end);
        prop_assert!(matches!(&events[3], Event::Command(tagged) if tagged.command == Command::Noop));
    }
}

proptest! {
    #[test]
    fn messages_of_one_command_come_as_they_were_sent(
        messages in prop::collection::vec(prop::collection::vec(1..=255_u8, 1..200), 1..8),
        packet in 1..500_usize,
    ) {
        let mut octets = b"a APPEND INBOX".to_vec();
        for message in &messages {
            octets.extend_from_slice(format!(" (\\Seen) {{{}+}}\r\n", message.len()).as_bytes());
            octets.extend_from_slice(message);
        }
        octets.extend_from_slice(b"\r\nb NOOP\r\n");
        let packets: Vec<&[u8]> = octets.chunks(packet).collect();
        let events = events_of(SessionState::Authenticated, &packets);
        let came: Vec<_> = events
            .iter()
            .filter_map(|event| match event {
                Event::AppendChunk(chunk) => Some(chunk.to_vec()),
                _ => None,
            })
            .collect();
        prop_assert_eq!(&came, &messages);
        let announced = |event: &&Event| matches!(event, Event::AppendNext { .. });
        prop_assert_eq!(events.iter().filter(announced).count(), messages.len() - 1);
        prop_assert_eq!(events.len(), 2 * messages.len() + 2);
    }
}

#[test]
fn a_line_of_ten_megabytes_ends_the_connection_with_little_memory() {
    let mut machine = machine(SessionState::Selected);
    let mut events = Vec::new();
    let mut taken = 0;
    for _ in 0..10_000 {
        if !machine.wants_input() {
            break;
        }
        machine.handle_input(&[b'x'; 1_000]);
        taken += 1_000;
        drain(&mut machine, &mut events);
    }
    assert!(taken <= LINE_BYTES_MAX + 2_000, "{taken}");
    assert!(matches!(events[..], [Event::Fatal { .. }]));
}

#[test]
fn a_command_of_many_literals_is_bounded() {
    let mut octets = b"a SEARCH".to_vec();
    while octets.len() <= 2 * COMMAND_BYTES_MAX {
        octets.extend_from_slice(b" TEXT {10000+}\r\n");
        octets.extend_from_slice(&[b'x'; 10_000]);
    }
    let events = events_of(SessionState::Selected, &octets.chunks(1_000).collect::<Vec<_>>());
    assert!(matches!(events[..], [Event::Fatal { .. }]), "{events:?}");
}

#[test]
fn pipelined_commands_wait_and_hold_the_client_back() {
    let mut machine = machine(SessionState::Selected);
    while machine.wants_input() {
        machine.handle_input(b"a NOOP\r\n");
    }
    let mut commands = 0;
    while machine.poll().is_some() {
        commands += 1;
    }
    assert!(machine.wants_input());
    assert_eq!(commands, INPUT_BYTES_MAX.div_ceil(b"a NOOP\r\n".len()));
}

#[test]
fn a_session_that_waits_for_a_decision_gives_nothing_else() {
    let mut machine = machine(SessionState::Selected);
    machine.handle_input(b"a APPEND INBOX {3+}\r\nabc\r\nb NOOP\r\n");
    assert!(matches!(machine.poll(), Some(Event::Append(_))));
    assert_eq!(machine.poll(), None);
    machine.refuse_append();
    assert!(matches!(machine.poll(), Some(Event::Command(_))));
}

#[test]
fn no_password_shows_in_a_trace() {
    let mut machine = machine(SessionState::NotAuthenticated);
    machine
        .handle_input(b"a LOGIN ann hunter2\r\nb AUTHENTICATE PLAIN AGFubgBodW50ZXIy\r\nc LOGIN ann {7+}\r\nhunter2");
    let mut seen = format!("{machine:?}");
    while let Some(event) = machine.poll() {
        seen += &format!("{event:?}{machine:?}");
    }
    assert!(
        !seen.contains("hunter2") && !seen.contains("AGFubgBodW50ZXIy") && seen.contains("Login"),
        "{seen}"
    );
}

#[test]
fn the_messages_of_one_command_are_counted() {
    let command = |messages: usize| format!("a APPEND INBOX{}\r\nb NOOP\r\n", " {1+}\r\nx".repeat(messages));
    let events_of = |messages| events_of(SessionState::Selected, &[command(messages).as_bytes()]);
    let all = events_of(APPEND_MESSAGES_MAX);
    assert!(matches!(
        all[all.len() - 2..],
        [Event::AppendEnd { .. }, Event::Command(_)]
    ));
    let more = events_of(APPEND_MESSAGES_MAX + 2);
    let [.., Event::Rejected(rejected), Event::Command(_)] = &more[..] else {
        panic!("{more:?}")
    };
    assert_eq!(rejected.refusal.code, Some(Code::Limit));
    assert_eq!(rejected.tag.as_ref().map(imap_wire::Tag::as_str), Some("a"));
}
