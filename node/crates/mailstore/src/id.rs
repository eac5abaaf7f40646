//! Ids of the mail store's own: uploads, locks, and the seed from which the ids of new messages are derived.

use blake3::Hasher;
use mail_model::{AccountId, EmailId, ThreadId};
use minicbor::{Decode, Encode};

macro_rules! random_bytes {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
        #[cbor(transparent)]
        pub struct $name(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 16]);

        impl $name {
            /// A new one, never given before.
            #[must_use]
            pub fn random() -> Self {
                Self(rand::random())
            }
        }
    };
}

random_bytes! {
    /// A body on its way into a group, piece by piece.
    UploadId
}
random_bytes! {
    /// Who holds a maildrop lock: one POP3 session.
    LockId
}
random_bytes! {
    /// One mail transaction, as its trace and its reply name it.
    DeliveryId
}
impl std::fmt::Display for DeliveryId {
    /// As traces, replies and the delivery log have it: 32 hexadecimal digits.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

random_bytes! {
    /// Given by the front node with a command that makes messages: `apply` may not roll dice.
    IdSeed
}

impl IdSeed {
    /// The EMAILID of the message with this number in the command.
    pub(crate) fn email(&self, account: AccountId, number: u64) -> EmailId {
        EmailId(self.derive(b"email", account, number))
    }

    /// The THREADID of a message that belongs to no known thread.
    pub(crate) fn thread(&self, account: AccountId, number: u64) -> ThreadId {
        ThreadId(self.derive(b"thread", account, number))
    }

    fn derive(&self, what: &[u8], account: AccountId, number: u64) -> [u8; 16] {
        let mut hasher = Hasher::new();
        hasher.update(&self.0).update(&account.0.to_be_bytes());
        hasher.update(&number.to_be_bytes()).update(what);
        let mut id = [0; 16];
        hasher.finalize_xof().fill(&mut id);
        id
    }
}

/// What ties messages to threads: the first half of the BLAKE3 of a message id (RFC 5322, section 3.6.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct ThreadKey(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 16]);

impl ThreadKey {
    /// The key of a message id without its angle brackets.
    #[must_use]
    pub fn of_message_id(message_id: &[u8]) -> Self {
        let mut key = [0; 16];
        Hasher::new().update(message_id).finalize_xof().fill(&mut key);
        Self(key)
    }
}

/// What two deliveries to a recipient have in common when they are the same message sent again (DESIGN M14).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct DeliveryKey(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 16]);
