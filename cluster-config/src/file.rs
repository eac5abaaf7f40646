//! The cluster file as it is written: tables, keys and where each stands. What the values mean is checked elsewhere.
//!
//! Invariants: a key that is not listed here is refused, so that a misspelled one cannot be passed over.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use toml::Spanned;

use crate::config::Labels;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClusterFile {
    pub(crate) cluster: ClusterTable,
    pub(crate) service: ServiceTable,
    #[serde(default)]
    pub(crate) limits: LimitsTable,
    #[serde(default, rename = "node")]
    pub(crate) nodes: Vec<NodeTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClusterTable {
    pub(crate) name: Spanned<String>,
    pub(crate) id: Option<Spanned<String>>,
    pub(crate) groups: Option<Spanned<u32>>,
    pub(crate) replication: Option<Spanned<usize>>,
    pub(crate) admin_dir: Option<Spanned<PathBuf>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ServiceTable {
    pub(crate) names: Spanned<Vec<Spanned<String>>>,
    pub(crate) certificate: Option<Spanned<PathBuf>>,
    pub(crate) key: Option<Spanned<PathBuf>>,
    pub(crate) plaintext_passwords_from: Option<Spanned<Vec<Spanned<String>>>>,
    pub(crate) lmtp_from: Option<Spanned<Vec<Spanned<String>>>>,
    pub(crate) proxy_from: Option<Spanned<Vec<Spanned<String>>>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LimitsTable {
    pub(crate) message_bytes_max: Option<Spanned<u64>>,
    pub(crate) delivery_log_days: Option<Spanned<u32>>,
    pub(crate) shelf_full_percent: Option<Spanned<u32>>,
    pub(crate) connections_max: Option<Spanned<u32>>,
    pub(crate) connections_per_client_max: Option<Spanned<u32>>,
    pub(crate) connections_per_client_per_second: Option<Spanned<u32>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NodeTable {
    pub(crate) name: Spanned<String>,
    pub(crate) id: Option<Spanned<String>>,
    pub(crate) host: Spanned<String>,
    pub(crate) bind: Option<Spanned<Vec<Spanned<String>>>>,
    pub(crate) base_port: Option<Spanned<u16>>,
    pub(crate) state_dir: Spanned<PathBuf>,
    pub(crate) lmtp_socket: Option<Spanned<PathBuf>>,
    pub(crate) lmtp_socket_group: Option<Spanned<String>>,
    #[serde(default)]
    pub(crate) listeners: BTreeMap<String, Spanned<ListenerTable>>,
    #[serde(default, rename = "shelf")]
    pub(crate) shelves: Vec<ShelfTable>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListenerTable {
    pub(crate) enabled: Option<bool>,
    pub(crate) bind: Option<Spanned<Vec<Spanned<String>>>>,
    pub(crate) port: Option<Spanned<u16>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ShelfTable {
    pub(crate) name: Spanned<String>,
    pub(crate) path: Spanned<PathBuf>,
    pub(crate) labels: Option<Spanned<Labels>>,
}
