//! The admin API: what administrators ask of a node and have it change, as `cluster_config::admin` lists it. One file
//! per subject.
//!
//! Invariants
//! - Nobody is answered but the holder of an administrator's certificate of this cluster.
//! - A failure says whether the change may still take effect (DESIGN P6).
//! - Who changed what is in the trace.
//!
//! Must not know: how the tool looks.

mod accounts;
mod aliases;
mod authority;
mod check;
mod domains;
mod failure;
pub(crate) mod http;
mod queue;
mod trace;

use std::future::Future;
use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Extension, Json, Router};
use cluster_config::admin::{Call, GetConfig, GetNode, NodeReport, NodeSettings};
use cluster_config::limits::CALL_BYTES_MAX;
use cluster_config::tls;
use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use self::failure::{Fail, from_json};
use crate::boot::NodeView;
use crate::limits::HANDSHAKE_WITHIN;
use crate::listener::{Acceptor, Admission, Stream};
use crate::services::SharedServices;

/// What a call works with.
#[derive(Clone)]
struct Node {
    services: SharedServices,
    view: Arc<NodeView>,
}

/// The name in the certificate of whoever calls.
#[derive(Clone)]
struct Administrator(String);

/// The API of this node.
pub(crate) struct AdminApi {
    router: Router,
}

impl AdminApi {
    pub(crate) fn new(services: SharedServices, view: Arc<NodeView>) -> Self {
        let router = Router::new();
        let router = on(on(on(router, node), config), authority::get);
        let router = on(on(on(router, accounts::list), accounts::add), accounts::set_enabled);
        let router = on(
            on(on(router, accounts::remove), accounts::set_password),
            accounts::set_quota,
        );
        let router = on(on(on(router, domains::list), domains::add), domains::remove);
        let router = on(on(on(router, aliases::list), aliases::add), aliases::remove);
        let router = on(on(on(router, aliases::set_catch_all), trace::trace), check::check);
        let router = on(on(router, check::check_group), queue::list);
        let router = router
            .layer(DefaultBodyLimit::max(CALL_BYTES_MAX))
            .with_state(Node { services, view });
        Self { router }
    }

    /// Answers on one port until the node stops.
    pub(crate) async fn run(self: Arc<Self>, tls: Arc<ServerConfig>, admission: Admission, mut acceptor: Acceptor) {
        while let Some((stream, peer)) = acceptor.next().await {
            let (Some(ticket), Stream::Tcp(stream)) = (admission.admit(peer), stream) else {
                continue;
            };
            let (api, tls) = (self.clone(), tls.clone());
            tokio::spawn(async move {
                let _ticket = ticket;
                api.connection(stream, tls).await;
            });
        }
    }

    async fn connection(&self, stream: TcpStream, tls: Arc<ServerConfig>) {
        let stream = match timeout(HANDSHAKE_WITHIN, TlsAcceptor::from(tls).accept(stream)).await {
            Ok(Ok(stream)) => stream,
            // Whoever merely looks whether the port is open ends here, too.
            Ok(Err(error)) => return tracing::debug!(%error, "an administrator's TLS handshake failed"),
            Err(_) => return tracing::debug!("an administrator's TLS handshake took too long"),
        };
        let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
        match tls::peer_admin(chain) {
            Ok(name) => {
                let router = self.router.clone().layer(Extension(Administrator(name)));
                http::serve(stream, router).await;
            }
            Err(error) => tracing::warn!(%error, "an administrator's connection was refused"),
        }
    }
}

/// Adds the function that answers one kind of call.
fn on<C, F, A>(router: Router<Node>, answer: F) -> Router<Node>
where
    C: Call,
    F: Fn(Node, C) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Result<C::Reply, Fail>> + Send + 'static,
{
    let handle = move |State(node): State<Node>, Extension(who): Extension<Administrator>, body: axum::body::Bytes| {
        let answer = answer.clone();
        async move { answered::<C, A>(&who, from_json(&body).map(|call| answer(node, call))).await }
    };
    router.route(C::PATH, post(handle))
}

async fn answered<C, A>(who: &Administrator, answer: Result<A, Fail>) -> Response
where
    C: Call,
    A: Future<Output = Result<C::Reply, Fail>>,
{
    let outcome = match answer {
        Ok(answer) => answer.await,
        Err(fail) => Err(fail),
    };
    let (administrator, call) = (&who.0, C::PATH);
    match outcome {
        Ok(reply) => {
            tracing::debug!(administrator, call, "done");
            Json(reply).into_response()
        }
        Err(fail) => {
            tracing::info!(administrator, call, error = %fail, "not done");
            fail.into_response()
        }
    }
}

async fn node(node: Node, _: GetNode) -> Result<NodeReport, Fail> {
    Ok(node.view.report())
}

async fn config(node: Node, _: GetConfig) -> Result<NodeSettings, Fail> {
    Ok(node.view.settings())
}
