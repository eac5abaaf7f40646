//! Any bytes as records, commands, queries and answers of the directory: its part of [`crate::fuzzing`].

use minicbor::{Decode, Encode};

use super::command::{DirectoryCommand, Outcome};
use super::query::{Reply, Request};
use super::record::{
    self, Account, AddressOwner, Alias, AuthorityKey, Cluster, DomainRecord, Group, Node, Policy, RemovedAccount,
    Replica, Shelf,
};

const READERS: &[fn(&[u8])] = &[
    twice::<Account>,
    twice::<AddressOwner>,
    twice::<Alias>,
    twice::<AuthorityKey>,
    twice::<Cluster>,
    twice::<DomainRecord>,
    twice::<Group>,
    twice::<Node>,
    twice::<Policy>,
    twice::<RemovedAccount>,
    twice::<Replica>,
    twice::<Shelf>,
    twice::<DirectoryCommand>,
    twice::<Outcome>,
    twice::<Request>,
    twice::<Reply>,
];

/// Reads the bytes after the first one as the record that the first one says, of the kinds there are.
pub(crate) fn record(bytes: &[u8]) {
    if let Some((kind, bytes)) = bytes.split_first() {
        READERS[usize::from(*kind) % READERS.len()](bytes);
    }
}

fn twice<T: Encode<()> + for<'b> Decode<'b, ()>>(bytes: &[u8]) {
    if let Ok(value) = record::open::<T>(bytes) {
        let once = record::seal(&value);
        let again: T = record::open(&once).expect("what was written can be read");
        assert_eq!(record::seal(&again), once);
    }
}
