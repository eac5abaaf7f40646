//! The ports of a node: taken at the start, opened when everything behind them is there, and the connections that come
//! in by them.
//!
//! Invariants
//! - A port is opened only by what really serves it; one that is taken is a clear error before anything else starts.
//! - Connections are bounded in total and per client, handshakes in time; accepting never spins.
//! - When the node stops, nothing is accepted any more.
//!
//! Must not know: what is said on a connection.

mod accept;
mod admission;
mod bind;
mod mail;
mod proxy;
mod service;
mod unix;

use std::sync::Arc;

use cluster_config::{Listener, NodeConfig, Transport};
use rustls::ServerConfig;
use tokio_util::task::TaskTracker;

use self::bind::Bound;
use self::mail::MailPorts;
use self::service::MailService;
use self::unix::BoundUnix;
use crate::admin::AdminApi;
use crate::boot::NodeView;
use crate::limits::{ADMIN_CONNECTIONS_MAX, METRICS_CONNECTIONS_MAX};
use crate::metrics::Metrics;
use crate::services::SharedServices;

pub(crate) use self::accept::{Acceptor, Stream};
pub(crate) use self::admission::{Admission, AdmissionLimits};

/// TLS as mail clients are met with.
#[derive(Clone)]
pub(crate) struct MailTls(Arc<ServerConfig>);

impl MailTls {
    pub(crate) fn new(config: ServerConfig) -> Self {
        Self(Arc::new(config))
    }
}

/// The ports of this node over TCP and the socket for LMTP, taken and not open yet.
pub(crate) struct Listeners {
    bound: Vec<Bound>,
    lmtp_socket: Option<BoundUnix>,
}

impl Listeners {
    /// Takes them.
    pub(crate) fn bind(node: &NodeConfig) -> anyhow::Result<Self> {
        let over_tcp = node
            .listeners
            .iter()
            .filter(|(listener, _)| listener.transport() == Transport::Tcp);
        let mut bound = Vec::new();
        for (listener, at) in over_tcp {
            for address in &at.bind {
                bound.push(Bound::take(*listener, (*address, at.port).into())?);
            }
        }
        Ok(Self {
            bound,
            lmtp_socket: node.lmtp_socket.as_ref().map(BoundUnix::take).transpose()?,
        })
    }

    /// Opens them. Sessions run under `sessions`.
    pub(crate) fn serve(
        self,
        services: &SharedServices,
        (tls, admission): (MailTls, Admission),
        (admin, admin_tls): (AdminApi, ServerConfig),
        (metrics, view): (Metrics, Arc<NodeView>),
        sessions: &TaskTracker,
    ) -> anyhow::Result<()> {
        let stopping = &services.stopping;
        let mail = Arc::new(MailPorts {
            services: services.clone(),
            tls,
            admission,
            sessions: sessions.clone(),
        });
        let admin = Arc::new(admin);
        let admin_tls = Arc::new(admin_tls);
        let admin_admission = Admission::new(AdmissionLimits::total(ADMIN_CONNECTIONS_MAX));
        let metrics = Arc::new(metrics);
        let metrics_admission = Admission::new(AdmissionLimits::total(METRICS_CONNECTIONS_MAX));
        metrics.keep_up(view.clone());
        for bound in self.bound {
            let listener = bound.listener;
            let acceptor = Acceptor::tcp(listener.name(), bound.listen()?, stopping.clone());
            match (listener, MailService::of(listener)) {
                (_, Some(service)) => drop(tokio::spawn(mail.clone().run(service, acceptor))),
                (Listener::Admin, _) => {
                    let run = admin.clone().run(admin_tls.clone(), admin_admission.clone(), acceptor);
                    drop(tokio::spawn(run));
                }
                (Listener::Metrics, _) => {
                    let run = metrics.clone().run(view.clone(), metrics_admission.clone(), acceptor);
                    drop(tokio::spawn(run));
                }
                // Nothing else is carried by TCP.
                _ => {}
            }
        }
        if let Some(bound) = self.lmtp_socket {
            let acceptor = Acceptor::unix(Listener::Lmtp.name(), bound.listen()?, stopping.clone());
            drop(tokio::spawn(mail.run(MailService::LMTP, acceptor)));
        }
        Ok(())
    }
}
