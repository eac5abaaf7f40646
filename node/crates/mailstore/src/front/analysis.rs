//! What is read of a message while it arrives, so that `apply` never has to (DESIGN M2).

use mail_message::{PARSER_VERSION, Structure, StructureReader};

use crate::id::ThreadKey;
use crate::limits::{STRUCTURE_BYTES_MAX, THREAD_KEYS_MAX};
use crate::record::StructureRow;

/// Reads a message that streams through.
pub(super) struct Analysis {
    reader: StructureReader,
}

impl Default for Analysis {
    fn default() -> Self {
        let reader = StructureReader::new();
        Self { reader }
    }
}

impl Analysis {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.reader.push(bytes);
    }

    /// The structure as it is stored, and the thread keys.
    pub(super) fn finish(self) -> (StructureRow, Vec<ThreadKey>) {
        let structure = self.reader.finish();
        let keys = thread_keys(&structure);
        let mut bytes = mail_message::StructureRow::new(structure).encode();
        if bytes.len() > STRUCTURE_BYTES_MAX {
            // A message of thousands of parts: read again when somebody asks.
            bytes.clear();
        }
        let parser_version = PARSER_VERSION;
        (StructureRow { parser_version, bytes }, keys)
    }

    /// The structure, of a message that is read again.
    pub(super) fn into_structure(self) -> Structure {
        self.reader.finish()
    }
}

/// Message-ID first, then what is nearest in the thread: In-Reply-To, and References from the last to the first.
fn thread_keys(structure: &Structure) -> Vec<ThreadKey> {
    let thread = &structure.thread;
    let ids = thread
        .message_id
        .iter()
        .chain(&thread.in_reply_to)
        .chain(thread.references.iter().rev());
    let mut keys: Vec<ThreadKey> = Vec::new();
    for id in ids {
        let key = ThreadKey::of_message_id(id);
        if keys.len() < THREAD_KEYS_MAX && !keys.contains(&key) {
            keys.push(key);
        }
    }
    keys
}
