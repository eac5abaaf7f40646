//! The founding of a cluster: everything that is decided once, before the first node starts; and the certificates that
//! are issued later.
//!
//! Invariants
//! - Nothing that exists is overwritten: whatever is in the way is named, and nothing is written at all.
//! - The recovery key is in nobody's file. It is known to open what was sealed under it before anything is written.
//! - A node's plan gets its name last, so a node that has its plan has all the rest.
//!
//! Must not know: RocksDB (shelves are made by the node that has them), terminals.

mod issue;
mod pki;
mod plan;
mod recovery;
mod write;

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use cluster_config::{ClusterConfig, FoundingPlan, Name, PLAN_FILE, PlanError, tls};

pub use issue::{Recipient, issue};
pub use pki::{Authority, Issued};
pub use recovery::{InvalidRecoveryKey, RecoveryError, RecoveryKey};
use write::{Files, NewFile};

/// Why a cluster was not founded. Nothing is left behind then.
#[derive(Debug, thiserror::Error)]
pub enum FoundError {
    /// A node is named that the cluster file does not have.
    #[error("the cluster file has no node {0}: name one of its nodes with --node")]
    NoNode(String),
    /// There is something already.
    #[error(
        "these exist already and are not overwritten: {}; the cluster may be founded already: holdfast status tells, and \
         another one needs directories of its own in its cluster file",
        shown(.0)
    )]
    Exists(Vec<PathBuf>),
    /// A directory for keys can be read by others.
    #[error("{} is in use and open to other users: make it mode 700, or choose a directory of its own", .0.display())]
    Open(PathBuf),
    /// A certificate could not be made.
    #[error("make {what}: {detail}")]
    Pki {
        /// Which.
        what: &'static str,
        /// Why.
        detail: String,
    },
    /// The key is not that of the certificate.
    #[error(
        "the certificate of the CA at hand is not that of this cluster's CA: is admin_dir that of another cluster?"
    )]
    OtherAuthority,
    /// The CA's key could not be sealed.
    #[error(transparent)]
    Recovery(#[from] RecoveryError),
    /// The plan does not hold together.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The system refused a file.
    #[error("write {}: {error}", path.display())]
    Write {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
}

/// Some of them, when there are many.
fn shown(paths: &[PathBuf]) -> String {
    const SHOWN: usize = 4;
    let shown = paths.iter().take(SHOWN).map(|path| path.display().to_string());
    let shown = shown.collect::<Vec<_>>().join(", ");
    match paths.len().checked_sub(SHOWN) {
        None | Some(0) => shown,
        Some(more) => format!("{shown} and {more} more"),
    }
}

/// Which nodes find their files in place, and where those of the others go, to be carried to their machines.
#[derive(Clone, Copy, Debug)]
pub struct Places<'a> {
    /// Names of the nodes on this machine; all of them when empty.
    pub here: &'a [String],
    /// Gets a directory for each other node.
    pub bundles: &'a Path,
}

/// A cluster about to be founded: decided, not written.
pub struct Founding {
    plan: FoundingPlan,
    recovery_key: RecoveryKey,
    files: Files,
    bundles: Vec<(Name, PathBuf)>,
}

/// Decides everything about a new cluster. Writes nothing.
///
/// # Errors
/// When something exists where the founding would write, or a certificate cannot be made.
pub fn prepare(config: &ClusterConfig, places: Places<'_>, now: SystemTime) -> Result<Founding, FoundError> {
    if let Some(unknown) = places.here.iter().find(|name| config.node(name).is_none()) {
        return Err(FoundError::NoNode(unknown.clone()));
    }
    let cluster = plan::cluster_id(config)?;
    let nodes = plan::nodes(config)?;
    let authority = Authority::make(&config.name, now)?;
    let recovery_key = RecoveryKey::make()?;
    let sealed = recovery_key.seal(cluster, authority.key_der())?;
    let plan = plan::assemble(config, cluster, nodes, sealed)?;
    proven(&recovery_key, &plan, &authority)?;
    let mut files = Files::default();
    let mut bundles = Vec::new();
    add_admin(&mut files, config, &authority, now)?;
    let service = authority.service(config, now)?;
    for (node, planned) in config.nodes.iter().zip(&plan.nodes) {
        let here = places.here.is_empty() || places.here.iter().any(|name| name == node.name.as_str());
        let dir = if here {
            files.must_be_empty(node.shelves.iter().map(|shelf| shelf.path.clone()));
            node.state_dir.clone()
        } else {
            let dir = places.bundles.join(node.name.as_str());
            bundles.push((node.name.clone(), dir.clone()));
            dir
        };
        let issued = authority.node(planned.id, &node.host, now)?;
        add_node(&mut files, &dir, &authority, &issued, (config, &service), &plan)?;
    }
    files.check()?;
    Ok(Founding {
        plan,
        recovery_key,
        files,
        bundles,
    })
}

/// What is printed must open what is stored, or the cluster would be founded without a way back.
fn proven(key: &RecoveryKey, plan: &FoundingPlan, authority: &Authority) -> Result<(), FoundError> {
    let read_back: RecoveryKey = key.to_string().parse().map_err(|_| RecoveryError::Seal)?;
    let opened = read_back.open(plan.cluster, &plan.sealed_authority_key)?;
    if opened == authority.key_der() {
        Ok(())
    } else {
        Err(RecoveryError::Seal.into())
    }
}

fn add_admin(
    files: &mut Files,
    config: &ClusterConfig,
    authority: &Authority,
    now: SystemTime,
) -> Result<(), FoundError> {
    let admin = authority.admin(&plan::admin(), now)?;
    let at = config.admin_certificate();
    files.add(NewFile::open(config.admin_authority(), authority.certificate_pem()));
    files.add(NewFile::open(at.chain, &admin.certificate_pem));
    files.add(NewFile::secret(at.key, &admin.key_pem));
    Ok(())
}

fn add_node(
    files: &mut Files,
    dir: &Path,
    authority: &Authority,
    issued: &Issued,
    (config, service): (&ClusterConfig, &Issued),
    plan: &FoundingPlan,
) -> Result<(), FoundError> {
    let node = tls::CertificateFiles::named(dir, "node");
    files.add(NewFile::open(
        dir.join(tls::AUTHORITY_FILE),
        authority.certificate_pem(),
    ));
    files.add(NewFile::open(node.chain, &issued.certificate_pem));
    files.add(NewFile::secret(node.key, &issued.key_pem));
    if config.service.certificate.is_none() {
        let at = tls::CertificateFiles::named(dir, "service");
        files.add(NewFile::open(at.chain, &service.certificate_pem));
        files.add(NewFile::secret(at.key, &service.key_pem));
    }
    files.add(NewFile::secret(dir.join(PLAN_FILE), &plan.to_toml()?));
    Ok(())
}

impl Founding {
    /// What will be founded.
    #[must_use]
    pub fn plan(&self) -> &FoundingPlan {
        &self.plan
    }

    /// The key to show, once, before [`Founding::write`].
    #[must_use]
    pub fn recovery_key(&self) -> &RecoveryKey {
        &self.recovery_key
    }

    /// Directories to carry to other machines, where they become the state directory of their node.
    #[must_use]
    pub fn bundles(&self) -> &[(Name, PathBuf)] {
        &self.bundles
    }

    /// Writes all files, durably, and returns the plan.
    ///
    /// # Errors
    /// What the system reports; what was written before is removed again.
    pub fn write(self) -> Result<FoundingPlan, FoundError> {
        self.files.write()?;
        Ok(self.plan)
    }
}
