//! What is counted, in Prometheus form at `/metrics`, and whether the node is well, at `/healthz`: plain HTTP for the
//! machine itself or a network that the operator trusts.
//!
//! Must not know: who reads it.

use std::sync::Arc;
use std::time::UNIX_EPOCH;

use anyhow::Context;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use cluster_config::admin::ShelfState;
use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

use crate::admin::http;
use crate::auth::LOGIN_OUTCOMES;
use crate::boot::NodeView;
use crate::limits::GAUGES_EVERY;
use crate::listener::{Acceptor, Admission, Stream};

/// The text format that Prometheus reads.
const FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The recorder of this process.
pub(crate) struct Metrics {
    handle: PrometheusHandle,
}

#[derive(Clone)]
struct Shown {
    handle: PrometheusHandle,
    view: Arc<NodeView>,
}

impl Metrics {
    /// Becomes the recorder of this process, once.
    pub(crate) fn install() -> anyhow::Result<Self> {
        let handle = PrometheusBuilder::new().install_recorder().context("set up metrics")?;
        describe_gauge!("holdfast_connections", "connections of mail clients that are open");
        describe_counter!(
            "holdfast_connections_total",
            "connections of mail clients that were taken"
        );
        describe_counter!(
            "holdfast_connections_refused_total",
            "connections for which there was no room"
        );
        describe_counter!(
            "holdfast_proxy_headers_refused_total",
            "connections of balancers without a PROXY header of version 2"
        );
        describe_counter!(
            "holdfast_accept_errors_total",
            "connections that the system did not hand over"
        );
        describe_counter!(
            "holdfast_no_space_total",
            "changes refused because most shelves of their group are full"
        );
        describe_gauge!("holdfast_shelf_in_use", "1 while the shelf is in use, else 0");
        describe_gauge!("holdfast_shelf_free_bytes", "free bytes of the shelf's file system");
        describe_gauge!("holdfast_shelf_bytes", "bytes of the shelf's file system");
        describe_gauge!(
            "holdfast_shelf_write_buffer_bytes",
            "memory that holds what is written to the shelf and not yet in a file of its own"
        );
        describe_gauge!(
            "holdfast_block_cache_bytes",
            "memory of the cache that the shelves share"
        );
        describe_gauge!("holdfast_replicas", "replicas that run on this node");
        describe_gauge!(
            "holdfast_replicas_leading",
            "replicas of this node that lead their group"
        );
        describe_gauge!(
            "holdfast_replicas_behind_entries",
            "committed log entries that replicas here have not applied"
        );
        describe_gauge!("holdfast_groups", "groups of the cluster, the system group included");
        describe_gauge!(
            "holdfast_certificate_end_seconds",
            "when a certificate ends that this process uses, in seconds since 1970"
        );
        describe_gauge!("holdfast_uptime_seconds", "time since this process began to serve");
        describe_gauge!("holdfast_build_info", "1, with the version of the program");
        describe_counter!("holdfast_logins_total", "passwords that were looked at, by outcome");
        describe_counter!(
            "holdfast_recipients_total",
            "recipients of mail that came in, by protocol and outcome"
        );
        describe_gauge!(
            "holdfast_queue_deliveries",
            "deliveries that wait in the queues that this node leads"
        );
        describe_counter!(
            "holdfast_queue_settled_total",
            "deliveries that left a queue, by outcome"
        );
        describe_counter!(
            "holdfast_delivery_log_lost_total",
            "lines of the delivery log that could not be written"
        );
        // What has not happened yet is zero, not absent: a rule that waits for the first one would miss it.
        for outcome in LOGIN_OUTCOMES {
            counter!("holdfast_logins_total", "outcome" => outcome).increment(0);
        }
        counter!("holdfast_delivery_log_lost_total").increment(0);
        gauge!("holdfast_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
        describe_gauge!("holdfast_nodes_silent", "nodes that do not answer this one");
        describe_gauge!(
            "holdfast_clock_in_order",
            "1 unless the clock of this node is off the other nodes' clocks or has jumped"
        );
        describe_histogram!(
            "holdfast_node_silence_seconds",
            "time between two answers of another node; a tenth of a second while all is well"
        );
        Ok(Self { handle })
    }

    /// Keeps levels up to date, until the process ends.
    pub(crate) fn keep_up(&self, view: Arc<NodeView>) {
        let handle = self.handle.clone();
        tokio::spawn(async move {
            loop {
                show(&view);
                handle.run_upkeep();
                tokio::time::sleep(GAUGES_EVERY).await;
            }
        });
    }

    /// Answers on one port until the node stops.
    pub(crate) async fn run(self: Arc<Self>, view: Arc<NodeView>, admission: Admission, mut acceptor: Acceptor) {
        let handle = self.handle.clone();
        let router = Router::new()
            .route("/metrics", get(all))
            .route("/healthz", get(health))
            .with_state(Shown { handle, view });
        while let Some((stream, peer)) = acceptor.next().await {
            let (Some(ticket), Stream::Tcp(stream)) = (admission.admit(peer), stream) else {
                continue;
            };
            let router = router.clone();
            tokio::spawn(async move {
                let _ticket = ticket;
                http::serve(stream, router).await;
            });
        }
    }
}

async fn all(State(shown): State<Shown>) -> impl IntoResponse {
    show(&shown.view);
    ([(header::CONTENT_TYPE, FORMAT)], shown.handle.render())
}

async fn health(State(shown): State<Shown>) -> impl IntoResponse {
    match shown.view.ailment() {
        None => (StatusCode::OK, "ok\n".to_owned()),
        Some(ailment) => (StatusCode::SERVICE_UNAVAILABLE, format!("{ailment}\n")),
    }
}

/// Puts the levels down as they are now.
#[allow(clippy::cast_precision_loss, reason = "a level is shown, not counted with")]
fn show(view: &NodeView) {
    let report = view.report();
    for shelf in &report.shelves {
        let name = shelf.name.clone();
        let in_use = f64::from(u8::from(shelf.state == ShelfState::Ok));
        gauge!("holdfast_shelf_in_use", "shelf" => name.clone()).set(in_use);
        if let (Some(free), Some(total)) = (shelf.free_bytes, shelf.total_bytes) {
            gauge!("holdfast_shelf_free_bytes", "shelf" => name.clone()).set(free as f64);
            gauge!("holdfast_shelf_bytes", "shelf" => name).set(total as f64);
        }
    }
    for shelf in &view.shelves {
        let bytes = shelf.write_buffer_bytes() as f64;
        gauge!("holdfast_shelf_write_buffer_bytes", "shelf" => shelf.name.clone()).set(bytes);
    }
    gauge!("holdfast_block_cache_bytes").set(view.pool.cache_used_bytes() as f64);
    gauge!("holdfast_groups").set(view.groups as f64);
    gauge!("holdfast_uptime_seconds").set(view.started.elapsed().as_secs_f64());
    for (name, end) in &view.certificates {
        let end = end.duration_since(UNIX_EPOCH).unwrap_or_default();
        gauge!("holdfast_certificate_end_seconds", "certificate" => *name).set(end.as_secs_f64());
    }
    let replicas = &report.replicas;
    let behind = replicas
        .iter()
        .map(|replica| replica.committed_index.saturating_sub(replica.applied_index));
    gauge!("holdfast_replicas").set(replicas.len() as f64);
    gauge!("holdfast_replicas_leading").set(replicas.iter().filter(|replica| replica.leads).count() as f64);
    gauge!("holdfast_replicas_behind_entries").set(behind.sum::<u64>() as f64);
    gauge!("holdfast_nodes_silent").set(report.dead_nodes.len() as f64);
    gauge!("holdfast_clock_in_order").set(f64::from(u8::from(report.clock.is_none())));
}
