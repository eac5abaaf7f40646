//! The same log gives the same state, however it is cut into transactions; and no bytes of a log can stop a replica.

use bytes::Bytes;
use proptest::prelude::*;

use super::histories::{run, steps};
use crate::codec;
use crate::command::{Answer, AnyCommand, CreateMailbox, EnsureAccount, StoreFlags, StoreMode};
use crate::rejection::Rejection;
use crate::testing::{ANN, ONE, Replica, flags, name};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_same_log_gives_the_same_rows_in_any_batches(steps in steps(), batch in 1_usize..9) {
        let first = run(&steps);
        let mut second = Replica::new(ONE);
        for entries in first.log.chunks(batch) {
            second.apply_entries(entries);
        }
        prop_assert_eq!(first.rows(), second.rows());
    }

    #[test]
    fn bytes_that_are_no_command_are_answered_and_change_nothing(
        mut payload in proptest::collection::vec(any::<u8>(), 0..80),
        versioned: bool,
    ) {
        if let (true, Some(first)) = (versioned, payload.first_mut()) {
            *first = codec::VERSION;
        }
        let mut replica = Replica::new(ONE);
        replica.apply(EnsureAccount { account: ANN, quota_bytes: None }, None).unwrap();
        let before = replica.rows();
        let known = codec::open::<AnyCommand>("command", &payload).is_ok();
        let (reply, _) = replica.apply_payload(Bytes::from(payload), Some(Bytes::from_static(b"blob")));
        let answer: Result<Answer<()>, _> = codec::open("reply", &reply);
        if !known {
            prop_assert_eq!(answer, Ok(Answer::Rejected(Rejection::Malformed)));
            // Only the record that the blob has no user is new, and it stands outside the state.
            prop_assert_eq!(replica.rows(), before);
        }
        replica.check(&[ANN]);
    }
}

#[test]
fn the_record_of_a_command_keeps_its_bytes() {
    let hex = |command: AnyCommand| {
        codec::seal(&command)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    let account = ANN;
    assert_eq!(
        hex(EnsureAccount {
            account,
            quota_bytes: Some(1)
        }
        .into()),
        "01820081820b01"
    );
    assert_eq!(
        hex(CreateMailbox {
            account,
            name: name("a/b")
        }
        .into()),
        "01820a81820b63612f62"
    );
    let store = StoreFlags {
        account,
        mailbox: mail_model::MailboxId(1),
        uids: [crate::testing::uid(1), crate::testing::uid(2)].into_iter().collect(),
        mode: StoreMode::Add,
        flags: flags(mail_model::SystemFlags::SEEN, &["k"]),
    };
    assert_eq!(hex(store.into()), "01820781850b018182010200820181616b");
}
