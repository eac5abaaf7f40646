//! Where each node is to be found: a table that the layer above keeps up to date while calls are made.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};

use mail_model::NodeId;

use super::limits::ADDRESSES_PER_PEER_MAX;

/// The addresses of nodes. Clones share one table.
///
/// A change counts from the next call on: a connection to an address that is no longer listed gets no new calls.
#[derive(Clone, Debug, Default)]
pub struct PeerTable {
    rows: Arc<RwLock<HashMap<NodeId, Arc<[SocketAddr]>>>>,
}

impl PeerTable {
    /// An empty table.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Says where `node` is. The first [`ADDRESSES_PER_PEER_MAX`] addresses are kept, and tried in this order.
    pub fn set(&self, node: NodeId, mut addresses: Vec<SocketAddr>) {
        addresses.truncate(ADDRESSES_PER_PEER_MAX);
        let mut rows = self.rows.write().unwrap_or_else(PoisonError::into_inner);
        rows.insert(node, addresses.into());
    }

    /// Forgets `node`: it cannot be called any more.
    pub fn remove(&self, node: NodeId) {
        self.rows.write().unwrap_or_else(PoisonError::into_inner).remove(&node);
    }

    /// The addresses of `node`; none if it is not in the table.
    #[must_use]
    pub fn addresses(&self, node: NodeId) -> Arc<[SocketAddr]> {
        let rows = self.rows.read().unwrap_or_else(PoisonError::into_inner);
        rows.get(&node).cloned().unwrap_or_default()
    }

    pub(super) fn knows(&self, node: NodeId) -> bool {
        self.rows
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .contains_key(&node)
    }
}
