//! Certificates of the cluster: which files, which names, and the TLS set-ups that nodes, administrators and mail
//! clients are met with (DESIGN D22). One provider, aws-lc-rs, named everywhere.
//!
//! Invariants
//! - Nodes and administrators prove themselves by a certificate of the cluster's own CA, and trust no other one.
//! - A node is who its certificate says: the DNS name `<node id>.node.holdfast`. A client checks it as the server's
//!   name, a server reads it with [`peer_node`]. Administrators have names under `admin.holdfast`, so that neither
//!   passes for the other; both calls refuse a certificate with names of both kinds.
//! - Between nodes and to administrators TLS 1.3 only. Mail clients may use TLS 1.2.
//!
//! Must not know: sockets, QUIC, tasks.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use mail_model::NodeId;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

/// File name of the CA's certificate.
pub const AUTHORITY_FILE: &str = "ca.pem";
/// What the names of members end with. The DNS has no such domain, and no other name in a certificate may end so.
pub const RESERVED_SUFFIX: &str = ".holdfast";
/// What nodes speak over QUIC (ALPN, RFC 7301).
pub const NODE_PROTOCOL: &[u8] = b"holdfast-node/1";
/// What administrators speak.
pub const ADMIN_PROTOCOL: &[u8] = b"http/1.1";

const NODE_SUFFIX: &str = ".node.holdfast";
const ADMIN_SUFFIX: &str = ".admin.holdfast";

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file could not be read, or has not what it should.
    #[error("read {what} from {}: {detail}", file.display())]
    Read {
        /// What was looked for.
        what: &'static str,
        /// The file.
        file: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// The parts do not fit together.
    #[error("set up {what}: {detail}")]
    SetUp {
        /// Which set-up.
        what: &'static str,
        /// What rustls says.
        detail: String,
    },
    /// The certificate of a peer does not say that it is what it has to be.
    #[error("the peer's certificate is not that of {0}")]
    NotA(&'static str),
}

/// A certificate and its key, as PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate, then those between it and its root.
    pub chain: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

impl CertificateFiles {
    /// `<name>.pem` and `<name>.key` in `dir`.
    #[must_use]
    pub fn named(dir: &Path, name: &str) -> Self {
        Self {
            chain: dir.join(format!("{name}.pem")),
            key: dir.join(format!("{name}.key")),
        }
    }

    /// Reads both.
    ///
    /// # Errors
    /// When one is missing or has no PEM section of its kind.
    pub fn read(&self) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
        let chain = read_certificates(&self.chain)?;
        let key =
            PrivateKeyDer::from_pem_file(&self.key).map_err(|error| unreadable("private key", &self.key, &error))?;
        Ok((chain, key))
    }
}

fn read_certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    const WHAT: &str = "certificate";
    let sections = CertificateDer::pem_file_iter(file).map_err(|error| unreadable(WHAT, file, &error))?;
    let chain: Result<Vec<_>, _> = sections.collect();
    let chain = chain.map_err(|error| unreadable(WHAT, file, &error))?;
    if chain.is_empty() {
        return Err(unreadable(WHAT, file, &pem::Error::NoItemsFound));
    }
    Ok(chain)
}

fn unreadable(what: &'static str, file: &Path, error: &pem::Error) -> TlsError {
    let detail = match error {
        pem::Error::Io(error) => error.to_string(),
        pem::Error::NoItemsFound => "there is none in it".to_owned(),
        other => other.to_string(),
    };
    TlsError::Read {
        what,
        file: file.to_owned(),
        detail,
    }
}

/// What a member of the cluster, node or administrator, shows and trusts.
pub struct Credentials {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    roots: Arc<RootCertStore>,
}

impl Credentials {
    /// Reads the member's certificate and key, and the certificate of the CA from the file `authority`.
    ///
    /// # Errors
    /// When a file is missing or has not what it should.
    pub fn load(files: &CertificateFiles, authority: &Path) -> Result<Self, TlsError> {
        let (chain, key) = files.read()?;
        let mut roots = RootCertStore::empty();
        for certificate in read_certificates(authority)? {
            roots.add(certificate).map_err(|error| TlsError::Read {
                what: "CA certificate",
                file: authority.to_owned(),
                detail: error.to_string(),
            })?;
        }
        let roots = Arc::new(roots);
        Ok(Self { chain, key, roots })
    }

    /// The name of the administrator whose credentials these are.
    ///
    /// # Errors
    /// When they are not an administrator's.
    pub fn admin(&self) -> Result<String, TlsError> {
        peer_admin(&self.chain)
    }

    /// The node that these are credentials of.
    ///
    /// # Errors
    /// [`TlsError::NotA`] when they are not a node's.
    pub fn node(&self) -> Result<NodeId, TlsError> {
        peer_node(&self.chain)
    }
}

/// How a node meets other nodes that connect to it.
///
/// # Errors
/// When the credentials do not fit together.
pub fn node_server_config(own: &Credentials) -> Result<ServerConfig, TlsError> {
    member_server(own, "TLS for other nodes", NODE_PROTOCOL)
}

/// How a node connects to other nodes, under the name [`server_name`].
///
/// # Errors
/// When the credentials do not fit together.
pub fn node_client_config(own: &Credentials) -> Result<ClientConfig, TlsError> {
    member_client(own, "TLS to other nodes", NODE_PROTOCOL)
}

/// How a node meets administrators. Whoever connects still has to be asked with [`peer_admin`].
///
/// # Errors
/// When the credentials do not fit together.
pub fn admin_server_config(own: &Credentials) -> Result<ServerConfig, TlsError> {
    member_server(own, "TLS for administrators", ADMIN_PROTOCOL)
}

/// How an administrator connects to a node, under the name [`server_name`].
///
/// # Errors
/// When the credentials do not fit together.
pub fn admin_client_config(own: &Credentials) -> Result<ClientConfig, TlsError> {
    member_client(own, "TLS to a node", ADMIN_PROTOCOL)
}

/// How mail clients are met.
///
/// # Errors
/// When a file cannot be read, or the key is not that of the certificate.
pub fn service_config(files: &CertificateFiles) -> Result<ServerConfig, TlsError> {
    const WHAT: &str = "TLS for mail clients";
    let (chain, key) = files.read()?;
    ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| set_up(WHAT, &error))?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| set_up(WHAT, &error))
}

fn member_server(own: &Credentials, what: &'static str, protocol: &[u8]) -> Result<ServerConfig, TlsError> {
    let verifier = WebPkiClientVerifier::builder_with_provider(own.roots.clone(), provider())
        .build()
        .map_err(|error| set_up(what, &error))?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| set_up(what, &error))?
        .with_client_cert_verifier(verifier)
        .with_single_cert(own.chain.clone(), own.key.clone_key())
        .map_err(|error| set_up(what, &error))?;
    config.alpn_protocols = vec![protocol.to_vec()];
    Ok(config)
}

fn member_client(own: &Credentials, what: &'static str, protocol: &[u8]) -> Result<ClientConfig, TlsError> {
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| set_up(what, &error))?
        .with_root_certificates(own.roots.clone())
        .with_client_auth_cert(own.chain.clone(), own.key.clone_key())
        .map_err(|error| set_up(what, &error))?;
    config.alpn_protocols = vec![protocol.to_vec()];
    Ok(config)
}

fn set_up(what: &'static str, error: &dyn std::error::Error) -> TlsError {
    let detail = error.to_string();
    TlsError::SetUp { what, detail }
}

/// The cryptography that all of it uses.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// The DNS name in a node's certificate.
#[must_use]
pub fn node_name(node: NodeId) -> String {
    format!("{node}{NODE_SUFFIX}")
}

/// The DNS name in an administrator's certificate.
#[must_use]
pub fn admin_name(name: &crate::Name) -> String {
    format!("{name}{ADMIN_SUFFIX}")
}

/// The name under which to connect to a node: only that node has a certificate for it.
#[must_use]
pub fn server_name(node: NodeId) -> ServerName<'static> {
    ServerName::try_from(node_name(node)).expect("an id and a fixed suffix are a DNS name")
}

/// The node that a verified certificate chain belongs to.
///
/// # Errors
/// [`TlsError::NotA`] when it belongs to anything else.
pub fn peer_node(chain: &[CertificateDer<'_>]) -> Result<NodeId, TlsError> {
    let id = member(chain, NODE_SUFFIX).and_then(|id| id.parse().ok());
    id.ok_or(TlsError::NotA("a node"))
}

/// The administrator that a verified certificate chain belongs to.
///
/// # Errors
/// [`TlsError::NotA`] when it belongs to anything else.
pub fn peer_admin(chain: &[CertificateDer<'_>]) -> Result<String, TlsError> {
    member(chain, ADMIN_SUFFIX).ok_or(TlsError::NotA("an administrator"))
}

/// What stands before `suffix` in the one reserved name that the certificate has.
fn member(chain: &[CertificateDer<'_>], suffix: &str) -> Option<String> {
    let (_, certificate) = X509Certificate::from_der(chain.first()?).ok()?;
    let names = certificate.subject_alternative_name().ok()??;
    let dns = names.value.general_names.iter().filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(*name),
        _ => None,
    });
    let mut members = dns.filter(|name| name.ends_with(RESERVED_SUFFIX));
    let only = members.next()?;
    if members.next().is_some() {
        return None;
    }
    only.strip_suffix(suffix).map(str::to_owned)
}
