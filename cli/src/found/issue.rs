//! Certificates of a cluster that exists: renewed ones, and those of further administrators.
//!
//! Invariant: nothing is written over. What is new goes to a directory of its own, from where an administrator moves it.

use std::path::Path;
use std::time::SystemTime;

use cluster_config::{ClusterConfig, Name, NodeConfig, tls};
use mail_model::NodeId;

use super::write::{Files, NewFile};
use super::{Authority, FoundError};

/// Whom a certificate is for.
#[derive(Clone, Copy, Debug)]
pub enum Recipient<'a> {
    /// A node, for other nodes and administrators.
    Node(NodeId, &'a NodeConfig),
    /// An administrator.
    Admin(&'a Name),
    /// All nodes, for mail clients.
    Service(&'a ClusterConfig),
}

impl Recipient<'_> {
    /// The files' name without what says which is which.
    #[must_use]
    pub fn file_name(&self) -> &'static str {
        match self {
            Self::Node(..) => "node",
            Self::Admin(_) => "admin",
            Self::Service(_) => "service",
        }
    }
}

/// Issues a certificate with a new key, into `dir`, beside the certificate of the CA. Returns where.
///
/// # Errors
/// When it cannot be signed, or something is in the way; nothing is left behind then.
pub fn issue(
    authority: &Authority,
    recipient: Recipient<'_>,
    dir: &Path,
    now: SystemTime,
) -> Result<tls::CertificateFiles, FoundError> {
    let issued = match recipient {
        Recipient::Node(id, node) => authority.node(id, &node.host, now),
        Recipient::Admin(name) => authority.admin(name, now),
        Recipient::Service(config) => authority.service(config, now),
    }?;
    let at = tls::CertificateFiles::named(dir, recipient.file_name());
    let mut files = Files::default();
    files.add(NewFile::open(
        dir.join(tls::AUTHORITY_FILE),
        authority.certificate_pem(),
    ));
    files.add(NewFile::open(at.chain.clone(), &issued.certificate_pem));
    files.add(NewFile::secret(at.key.clone(), &issued.key_pem));
    files.write()?;
    Ok(at)
}
