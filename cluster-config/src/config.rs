//! The cluster file once it has been checked: what a node needs to start, and the input of `init`.
//!
//! Invariants
//! - Node names, and the names of one node's shelves, are unique; so are ids, and ports and paths on one host.
//! - Every path is absolute, every node has at least one shelf, every listener that is on has an address and a port.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use mail_model::{ClusterId, Domain, NodeId};
use serde::{Deserialize, Serialize};

use crate::certificate::check_service_certificate;
use crate::error::{ConfigError, Problem};
use crate::limits::FILE_BYTES_MAX;
use crate::listener::{ListenAt, Listener};
use crate::name::Name;
use crate::network::Networks;
use crate::settings::Setting;
use crate::tls::CertificateFiles;
use crate::validate;

/// In a node's state directory: locked by its process for as long as it lives.
pub const LOCK_FILE: &str = "lock";
/// In a node's state directory: the process id of the node that runs.
pub const PID_FILE: &str = "pid";
/// In a node's state directory: says that its shelves were made, so that a missing one is never taken for a new one.
pub const SHELVES_MADE_FILE: &str = "shelves-made";

/// A legal cluster file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterConfig {
    /// The file itself, absolute.
    pub file: PathBuf,
    /// What the operator calls the cluster.
    pub name: Name,
    /// The id that the founding is to use; otherwise it makes one.
    pub id: Option<ClusterId>,
    /// Mail groups to found, at least one.
    pub groups: u32,
    /// Voters of a mail group: 1 or 3, never more than there are shelves.
    pub replication: usize,
    /// Where the administrator's certificate is.
    pub admin_dir: PathBuf,
    /// What mail clients see.
    pub service: ServiceConfig,
    /// Bounds that the operator sets.
    pub limits: Limits,
    /// At least one, in the order of the file.
    pub nodes: Vec<NodeConfig>,
    /// Every value above, with where it is from.
    pub settings: Vec<Setting>,
}

/// What mail clients see, the same on every node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceConfig {
    /// Names by which the service is reached, at least one; greetings carry the first.
    pub names: Vec<Domain>,
    /// The operator's own certificate and key; without them the one that the founding makes.
    pub certificate: Option<CertificateFiles>,
    /// Clients that may send a password in clear.
    pub plaintext_passwords_from: Networks,
    /// Clients that may speak LMTP over TCP.
    pub lmtp_from: Networks,
    /// Balancers in front of the nodes: they, and nobody else, name their client in a PROXY header.
    pub proxy_from: Networks,
}

/// Bounds that the operator sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest message taken, in bytes, without the headers that the delivery adds.
    pub message_bytes_max: u64,
    /// Days for which the delivery log answers.
    pub delivery_log_days: u32,
    /// Connections of mail clients that one node has open at once.
    pub connections_max: u32,
    /// Those of one client address.
    pub connections_per_client_max: u32,
    /// New ones that one client address may make a second, for longer than a moment.
    pub connections_per_client_per_second: u32,
    /// How full the file system of a shelf may be, in percent, before its groups take nothing that makes them grow.
    pub shelf_full_percent: u32,
}

/// One node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeConfig {
    /// Its name.
    pub name: Name,
    /// The id that the founding is to use; otherwise it makes one.
    pub id: Option<NodeId>,
    /// Host name or address at which the other nodes and administrators reach it.
    pub host: String,
    /// Where it keeps what is its own.
    pub state_dir: PathBuf,
    /// Unix socket for LMTP, if there is to be one.
    pub lmtp_socket: Option<LmtpSocket>,
    /// The listeners that are on.
    pub listeners: BTreeMap<Listener, ListenAt>,
    /// At least one, in the order of the file.
    pub shelves: Vec<ShelfDir>,
}

/// Where programs of the same machine deliver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LmtpSocket {
    /// The socket. Its directory has to be there.
    pub path: PathBuf,
    /// The system's group whose members may deliver, besides the user that the node runs as; `None` is the node's own.
    pub group: Option<String>,
}

/// A shelf as its node finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShelfDir {
    /// Unique within the node.
    pub name: Name,
    /// Its directory.
    pub path: PathBuf,
    /// What it shares with other shelves.
    pub labels: Labels,
}

/// What fails together: shelves with an equal label do, whatever node they are on.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Labels {
    /// The rack: its power and its switch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rack: Option<String>,
    /// The box that holds the disks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enclosure: Option<String>,
    /// The cable or fabric to that box.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
}

impl Labels {
    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Where another node is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The node.
    pub name: Name,
    /// Host name or address.
    pub host: String,
    /// Its QUIC port (UDP).
    pub port: u16,
}

impl ClusterConfig {
    /// Reads and checks a cluster file. Asks nothing of the machine, so that it does on any that has the file.
    ///
    /// # Errors
    /// When it cannot be read, or with everything that is wrong with it.
    pub fn load(file: &Path) -> Result<Self, ConfigError> {
        let absolute = std::path::absolute(file);
        let named = absolute.as_deref().unwrap_or(file);
        let read = |detail: String| ConfigError::Read {
            file: named.to_owned(),
            detail,
        };
        let system = |error: &io::Error| read(unreadable(error));
        let file = absolute.as_ref().map_err(system)?;
        let found = fs::metadata(file).map_err(|error| system(&error))?;
        if found.len() > FILE_BYTES_MAX {
            let size = found.len();
            return Err(read(format!(
                "it has {size} bytes, and a cluster file has at most {FILE_BYTES_MAX}; is it another file?"
            )));
        }
        let text = fs::read_to_string(file).map_err(|error| system(&error))?;
        Self::parse(file, &text)
    }

    /// Checks the text of a cluster file. `file` is absolute; relative paths start where it is.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(file: &Path, text: &str) -> Result<Self, ConfigError> {
        validate::parse(file, text).map_err(|problems| ConfigError::Problems {
            file: file.to_owned(),
            problems,
        })
    }

    /// The node of that name.
    #[must_use]
    pub fn node(&self, name: &str) -> Option<&NodeConfig> {
        self.nodes.iter().find(|node| node.name.as_str() == name)
    }

    /// Where `node` finds the others.
    pub fn peers_of(&self, node: &Name) -> impl Iterator<Item = Peer> {
        self.nodes
            .iter()
            .filter(move |other| other.name != *node)
            .filter_map(NodeConfig::as_peer)
    }

    /// The certificate that mail clients get from `node`.
    #[must_use]
    pub fn service_certificate(&self, node: &NodeConfig) -> CertificateFiles {
        match &self.service.certificate {
            Some(files) => files.clone(),
            None => node.service_certificate_made(),
        }
    }

    /// The administrator's certificate.
    #[must_use]
    pub fn admin_certificate(&self) -> CertificateFiles {
        CertificateFiles::named(&self.admin_dir, "admin")
    }

    /// The certificate of the cluster's CA, as administrators have it.
    #[must_use]
    pub fn admin_authority(&self) -> PathBuf {
        self.admin_dir.join(crate::tls::AUTHORITY_FILE)
    }

    /// Looks at the machine: the operator's own certificate for mail clients, if the file names one, must do for every
    /// name of the service at the time `now`. Returns how long it is still valid.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn check_certificate(&self, now: SystemTime) -> Result<Option<Duration>, ConfigError> {
        let Some(files) = &self.service.certificate else {
            return Ok(None);
        };
        let checked = check_service_certificate(files, &self.service.names, now);
        checked.map(Some).map_err(|wrong| ConfigError::Problems {
            file: self.file.clone(),
            problems: wrong.iter().map(Problem::of_certificate).collect(),
        })
    }
}

/// What the system said, and what to do about it.
fn unreadable(error: &io::Error) -> String {
    let advice = match error.kind() {
        io::ErrorKind::NotFound => "write one, as docs/cluster-file.md says, or name the one that is elsewhere",
        io::ErrorKind::PermissionDenied => "become a user who may read it, or let this one read it",
        io::ErrorKind::IsADirectory => "name the file itself",
        io::ErrorKind::InvalidData => "it is no text in UTF-8; is it another file?",
        _ => return error.to_string(),
    };
    format!("{error}; {advice}")
}

impl NodeConfig {
    /// The certificate by which the other nodes know it.
    #[must_use]
    pub fn node_certificate(&self) -> CertificateFiles {
        CertificateFiles::named(&self.state_dir, "node")
    }

    /// The certificate for mail clients that the founding makes when the operator has none.
    #[must_use]
    pub fn service_certificate_made(&self) -> CertificateFiles {
        CertificateFiles::named(&self.state_dir, "service")
    }

    /// The certificate of the cluster's CA.
    #[must_use]
    pub fn authority(&self) -> PathBuf {
        self.state_dir.join(crate::tls::AUTHORITY_FILE)
    }

    fn as_peer(&self) -> Option<Peer> {
        self.listeners.get(&Listener::Quic).map(|at| Peer {
            name: self.name.clone(),
            host: self.host.clone(),
            port: at.port,
        })
    }
}
