//! Calls to the nodes of a running cluster: HTTP/1.1 under mutual TLS, one connection per call.
//!
//! Invariants
//! - Only a node of this cluster is believed: its certificate is of the cluster's CA, for the host that was asked, and
//!   a node's.
//! - A change is sent to another node only when the one before cannot have taken it. What may have taken effect is said
//!   as such.
//!
//! Must not know: what calls mean.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
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
    #[error("node {node} cannot be reached: {detail}")]
    Unreachable {
        /// The node.
        node: String,
        /// What stood in the way.
        detail: String,
    },
    /// The node may have got it.
    #[error("node {node} gave no answer, and what was asked may have taken effect or not: {detail}")]
    NoAnswer {
        /// The node.
        node: String,
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
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Nobody(Vec<CallError>),
}

fn told(failure: &Failure) -> String {
    match failure.kind {
        FailureKind::Refused | FailureKind::Unavailable => failure.error.clone(),
        FailureKind::Uncertain => format!("it may have taken effect or not: {}", failure.error),
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
        let credentials = tls::Credentials::load(&config.admin_certificate(), &config.admin_authority());
        let credentials = credentials.context("the administrator's certificate is needed for this")?;
        let tls = Arc::new(tls::admin_client_config(&credentials)?);
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
        let connected = match timeout(CONNECT_WITHIN, self.connect(node)).await {
            Ok(connected) => connected.map_err(|error| format!("{error:#}")),
            Err(_) => Err(format!("not within {} s", CONNECT_WITHIN.as_secs())),
        };
        let stream = connected.map_err(|detail| CallError::Unreachable {
            node: name.clone(),
            detail,
        })?;
        let answer = match timeout(ANSWER_WITHIN, post(&node.host, stream, call)).await {
            Ok(answer) => answer.map_err(|error| format!("{error:#}")),
            Err(_) => Err(format!("not within {} s", ANSWER_WITHIN.as_secs())),
        };
        match answer {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(failure)) => Err(CallError::Failed { failure }),
            Err(detail) => Err(CallError::NoAnswer { node: name, detail }),
        }
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
                detail: format!("not within {} s", within.as_secs()),
            };
            (node, answer.map_err(late).and_then(|answer| answer))
        });
        join_all(asked).await
    }

    async fn connect(&self, node: &NodeConfig) -> anyhow::Result<TlsStream<TcpStream>> {
        let at = node.listeners.get(&Listener::Admin);
        let port = at.context("its admin listener is off")?.port;
        let stream = TcpStream::connect((node.host.as_str(), port)).await?;
        let host = ServerName::try_from(node.host.clone()).context("its host is no name for TLS")?;
        let stream = TlsConnector::from(self.tls.clone()).connect(host, stream).await?;
        let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
        tls::peer_node(chain)?;
        Ok(stream)
    }
}

impl CallError {
    /// Whether it is certain that nothing happened, and another node may do better.
    fn had_no_effect(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Failed { failure } => failure.kind == FailureKind::Unavailable,
            Self::NoAnswer { .. } | Self::Nobody(_) => false,
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
