//! Calls to the nodes of a running cluster: HTTP/1.1 under mutual TLS, one connection per call.
//!
//! Invariants
//! - Only a node of this cluster is believed: its certificate is of the cluster's CA, for the host that was asked, and
//!   a node's.
//! - A change is sent to another node only when the one before cannot have taken it. What may have taken effect is said
//!   as such.
//!
//! Must not know: what calls mean.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use bytes::Bytes;
use cluster_config::admin::{Call, Failure, FailureKind};
use cluster_config::limits::REPLY_BYTES_MAX;
use cluster_config::{ClusterConfig, Listener, NodeConfig, tls};
use futures::future::join_all;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::limits::{ANSWER_WITHIN, CONNECT_WITHIN};

/// Why a call has no reply.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The node never got it.
    #[error("node {node} ({at}) {what}")]
    Unreachable {
        /// Whether one of the two does not believe the other's certificate.
        is_distrust: bool,
        /// The node.
        node: String,
        /// Its host and port for administrators.
        at: String,
        /// What stood in the way, and what to do about it.
        what: String,
    },
    /// The node may have got it.
    #[error("{}", silent(node, *is_change, detail))]
    NoAnswer {
        /// The node.
        node: String,
        /// Whether it would have changed something.
        is_change: bool,
        /// What went wrong.
        detail: String,
    },
    /// The node said no.
    #[error("{}", told(failure))]
    Failed {
        /// What it said.
        failure: Failure,
    },
    /// No node could do it.
    #[error("no node can be asked:{}", .0.iter().map(|error| format!("\n  {error}")).collect::<String>())]
    Nobody(Vec<CallError>),
}

fn silent(node: &str, is_change: bool, detail: &str) -> String {
    if is_change {
        format!(
            "node {node} gave no answer, and what was asked may have taken effect or not: {detail}; look, then ask again"
        )
    } else {
        format!("node {node} gave no answer: {detail}")
    }
}

fn told(failure: &Failure) -> String {
    match failure.kind {
        FailureKind::Refused => failure.error.clone(),
        FailureKind::Unavailable => format!("not now, and nothing changed: {}", failure.error),
        FailureKind::Uncertain => format!(
            "it may have taken effect or not: {}; look, then ask again",
            failure.error
        ),
    }
}

/// Calls nodes in the name of the administrator.
pub struct AdminClient {
    config: ClusterConfig,
    tls: Arc<ClientConfig>,
}

impl AdminClient {
    /// With the administrator's certificate of a cluster.
    ///
    /// # Errors
    /// When the certificate cannot be read.
    pub fn new(config: ClusterConfig) -> anyhow::Result<Self> {
        let files = config.admin_certificate();
        let credentials = tls::Credentials::load(&files, &config.admin_authority());
        let credentials = credentials.with_context(|| advice(&config, &files))?;
        let tls = tls::admin_client_config(&credentials)
            .with_context(|| format!("use {} with {}", files.chain.display(), files.key.display()))?;
        credentials.admin().map_err(|_| {
            let (chain, dir) = (files.chain.display(), config.admin_dir.display());
            anyhow!("{chain} is not an administrator's certificate: put the one from holdfast init or holdfast ca issue into {dir}")
        })?;
        let tls = Arc::new(tls);
        Ok(Self { config, tls })
    }

    /// The cluster that is called.
    #[must_use]
    pub fn config(&self) -> &ClusterConfig {
        &self.config
    }

    /// Asks one node.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn call<C: Call>(&self, node: &NodeConfig, call: &C) -> Result<C::Reply, CallError> {
        let name = node.name.to_string();
        let unreachable = |error: &anyhow::Error| CallError::Unreachable {
            is_distrust: tls_error(error).is_some(),
            node: name.clone(),
            at: shown_at(node),
            what: self.why(error),
        };
        let stream = match timeout(CONNECT_WITHIN, self.connect(node)).await {
            Ok(connected) => connected.map_err(|error| unreachable(&error))?,
            Err(_) => {
                let seconds = CONNECT_WITHIN.as_secs();
                return Err(unreachable(&anyhow!(
                    "cannot be reached within {seconds} s; is it switched on, and its port open in the firewall?"
                )));
            }
        };
        let answer = match timeout(ANSWER_WITHIN, post(&node.host, stream, call)).await {
            Ok(Ok(answer)) => return answer.map_err(|failure| CallError::Failed { failure }),
            // A node that refuses the certificate has not looked at what was asked.
            Ok(Err(error)) if alert(&error).is_some() => return Err(unreachable(&error)),
            Ok(Err(error)) if has_ended(&error) => "it closed the connection".to_owned(),
            Ok(Err(error)) => format!("{error:#}"),
            Err(_) => format!("not within {} s", ANSWER_WITHIN.as_secs()),
        };
        Err(CallError::NoAnswer {
            node: name,
            is_change: C::IS_CHANGE,
            detail: answer,
        })
    }

    /// Asks one node after the other until one can do it.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn anywhere<C: Call>(&self, call: &C) -> Result<C::Reply, CallError> {
        let mut errors = Vec::new();
        for node in &self.config.nodes {
            match self.call(node, call).await {
                Ok(reply) => return Ok(reply),
                Err(error) if error.had_no_effect() => errors.push(error),
                Err(error) => return Err(error),
            }
        }
        Err(CallError::Nobody(errors))
    }

    /// Asks all nodes at once, each for at most `within`; the answers in the order of the cluster file.
    pub async fn everywhere<C: Call>(
        &self,
        call: &C,
        within: Duration,
    ) -> Vec<(&NodeConfig, Result<C::Reply, CallError>)> {
        let asked = self.config.nodes.iter().map(|node| async move {
            let answer = timeout(within, self.call(node, call)).await;
            let late = |_| CallError::NoAnswer {
                node: node.name.to_string(),
                is_change: C::IS_CHANGE,
                detail: format!("not within {} s", within.as_secs()),
            };
            (node, answer.map_err(late).and_then(|answer| answer))
        });
        join_all(asked).await
    }

    async fn connect(&self, node: &NodeConfig) -> anyhow::Result<TlsStream<TcpStream>> {
        let at = node.listeners.get(&Listener::Admin);
        let port = at.context("has its admin listener off: the cluster file says so")?.port;
        let stream = TcpStream::connect((node.host.as_str(), port)).await?;
        let host = ServerName::try_from(node.host.clone()).context("has a host that is no name for TLS")?;
        let stream = TlsConnector::from(self.tls.clone()).connect(host, stream).await?;
        let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
        tls::peer_node(chain)?;
        Ok(stream)
    }

    /// What kept a node from being asked, and what an administrator can do about it.
    fn why(&self, error: &anyhow::Error) -> String {
        let authority = self.config.admin_authority();
        let own = self.config.admin_certificate().chain;
        match (tls_error(error), io_kind(error)) {
            (Some(rustls::Error::InvalidCertificate(wrong)), _) => format!(
                "shows a certificate that {} does not vouch for ({wrong}); do node and administrator belong to the same \
                 cluster, is the clock right, and does the certificate cover its host?",
                authority.display()
            ),
            (Some(rustls::Error::AlertReceived(alert)), _) => format!(
                "refuses {} ({alert:?}); take the certificate that this cluster's CA issued, or a new one from \
                 holdfast ca issue --admin NAME",
                own.display()
            ),
            (_, Some(io::ErrorKind::ConnectionRefused)) => {
                "does not run, or listens elsewhere: connection refused".to_owned()
            }
            (_, Some(_)) => format!("cannot be reached: {error:#}"),
            _ => format!("{error:#}"),
        }
    }
}

/// Where an administrator reaches a node.
pub(crate) fn shown_at(node: &NodeConfig) -> String {
    let port = node.listeners.get(&Listener::Admin).map(|at| at.port);
    port.map_or_else(|| node.host.clone(), |port| format!("{} port {port}", node.host))
}

fn advice(config: &ClusterConfig, files: &tls::CertificateFiles) -> String {
    let dir = config.admin_dir.display();
    if files.chain.exists() || files.key.exists() {
        return format!("the administrator's certificate in {dir} is needed for this");
    }
    format!(
        "this needs the administrator's certificate, and there is none in {dir}: holdfast init makes it there; on another \
         machine copy that directory, or name it as cluster.admin_dir in {}",
        config.file.display()
    )
}

/// What TLS says, somewhere below.
fn tls_error(error: &anyhow::Error) -> Option<&rustls::Error> {
    error.chain().find_map(|cause| {
        let wrapped = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        wrapped.and_then(|inner| inner.downcast_ref::<rustls::Error>())
    })
}

fn alert(error: &anyhow::Error) -> Option<rustls::AlertDescription> {
    match tls_error(error) {
        Some(rustls::Error::AlertReceived(alert)) => Some(*alert),
        _ => None,
    }
}

/// Whether the other end is gone, in whatever way.
fn has_ended(error: &anyhow::Error) -> bool {
    let ends = [
        io::ErrorKind::UnexpectedEof,
        io::ErrorKind::ConnectionReset,
        io::ErrorKind::BrokenPipe,
    ];
    let closed = error.chain().filter_map(|cause| cause.downcast_ref::<hyper::Error>());
    let mut closed = closed.filter(|error| error.is_incomplete_message() || error.is_canceled());
    io_kind(error).is_some_and(|kind| ends.contains(&kind)) || closed.next().is_some()
}

fn io_kind(error: &anyhow::Error) -> Option<io::ErrorKind> {
    let mut causes = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>());
    causes.next().map(io::Error::kind)
}

impl CallError {
    /// Whether it is certain that nothing happened, and another node may do better.
    fn had_no_effect(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Failed { failure } => failure.kind == FailureKind::Unavailable,
            Self::NoAnswer { is_change, .. } => !is_change,
            Self::Nobody(_) => false,
        }
    }

    /// The same, with what to do about it when it is a refusal.
    pub(crate) fn advised(mut self, advice: &str) -> Self {
        if let Self::Failed { failure } = &mut self
            && failure.kind == FailureKind::Refused
        {
            failure.error = format!("{}; {advice}", failure.error);
        }
        self
    }

    /// Whether a change may have taken effect or not.
    pub(crate) fn is_uncertain(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Nobody(_) => false,
            Self::Failed { failure } => failure.kind == FailureKind::Uncertain,
            Self::NoAnswer { is_change, .. } => *is_change,
        }
    }
}

async fn post<C: Call>(
    host: &str,
    stream: TlsStream<TcpStream>,
    call: &C,
) -> anyhow::Result<Result<C::Reply, Failure>> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // What goes wrong with the connection is told by the request as well.
    tokio::spawn(async move { drop(connection.await) });
    let request = Request::post(C::PATH)
        .header(header::HOST, host)
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(serde_json::to_vec(call)?)))?;
    let response = sender.send_request(request).await?;
    let status = response.status();
    let body = Limited::new(response.into_body(), REPLY_BYTES_MAX).collect().await;
    let body = body.map_err(|error| anyhow::anyhow!(error))?.to_bytes();
    if status == StatusCode::OK {
        return Ok(Ok(serde_json::from_slice(&body).context("the answer cannot be read")?));
    }
    let failure = serde_json::from_slice(&body);
    failure
        .map(Err)
        .with_context(|| format!("the answer has status {status}"))
}
