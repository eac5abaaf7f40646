//! From the command line to a node that serves, and back: boot and shutdown, each in order on one page.
//!
//! Invariants
//! - Ports are taken before shelves are opened, so that a mistake is told at once; nobody is let in before everything
//!   below is there.
//! - At the stop, sessions end before groups, groups before shelves; whatever hangs, the process ends in time.
//!
//! Must not know: protocols, what commands of groups mean.

mod groups;
mod make_shelves;
mod names;
mod reopen;
mod setup;
mod shelves;
mod state_dir;
mod supervisor;
mod view;

use std::path::Path;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use anyhow::Context;
use cluster_config::{CertificateError, certificate_end, check_service_certificate, tls};
use mailstore::Mailstore;
use mailstore::directory::Directory;
use mailstore::front::{DeliveryCloser, Sweeper};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use replication::GroupClient;
use replication::quic::QuicTransport;
use shelf::SharedPool;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use self::groups::NodeReplicator;
use self::setup::Setup;
use self::shelves::NodeShelf;
use self::state_dir::StateDir;
pub(crate) use self::view::NodeView;
use crate::admin::AdminApi;
use crate::auth::{Access, Authenticator};
use crate::delivery_log::DeliveryLog;
use crate::limits::{
    BLOCK_CACHE_BYTES, GROUPS_END_WITHIN, SESSIONS_END_WITHIN, STOP_WITHIN, TRANSPORT_END_WITHIN, descriptors_wanted,
};
use crate::listener::{Admission, AdmissionLimits, Listeners, MailTls};
use crate::metrics::Metrics;
use crate::queue;
use crate::services::{Services, Settings, SharedServices};

/// Makes the shelves of node `name`, once in its life. Blocks.
///
/// # Errors
/// When they were made before, or something is in the way.
pub fn make_shelves(file: &Path, name: &str) -> anyhow::Result<()> {
    make_shelves::make_shelves(&Setup::load(file, name)?)
}

/// Runs node `name` until it is told to stop by SIGTERM or SIGINT.
///
/// # Errors
/// When it cannot start.
pub async fn run(file: &Path, name: &str) -> anyhow::Result<()> {
    let setup = Arc::new(Setup::load(file, name)?);
    let mut state = StateDir::lock(&setup.node.state_dir)?;
    state.write_pid()?;
    anyhow::ensure!(
        state.has_shelves(),
        "the shelves of node {name} were never made: run this once with --init-shelves"
    );
    raise_descriptors(setup.config.limits.connections_max);
    let mut stop_signals = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let metrics = Metrics::install()?;
    let listeners = Listeners::bind(&setup.node)?;
    look_at_certificate(&setup)?;
    let mail_tls = MailTls::new(tls::service_config(&setup.config.service_certificate(&setup.node))?);
    let certificates = certificates(&setup)?;
    let admin_tls = tls::admin_server_config(&setup.credentials)?;

    let pool = SharedPool::new(setup.node.shelves.len(), BLOCK_CACHE_BYTES)?;
    let for_opening = (setup.clone(), pool.clone());
    let shelves = spawn_blocking(move || shelves::open_all(&for_opening.0, &for_opening.1)).await??;
    let replicator = groups::replicator(&setup);
    shelves::watch(&shelves, &replicator).context("watch the shelves")?;
    // Before its replicas run, a node asks the others what they saw from them.
    let transport = groups::connect(&setup, &replicator).await?;
    groups::start_replicas(&setup, &shelves, &replicator).await?;

    let (stop, stopping) = watch::channel(false);
    let services = services(&setup, &replicator, stopping.clone())?;
    groups::found(&setup, &replicator, &services.directory).await;
    let background = background(&services);
    let reopening = tokio::spawn(reopen::run(
        setup.clone(),
        shelves.clone(),
        pool.clone(),
        replicator.clone(),
    ));
    let view = Arc::new(NodeView {
        cluster: setup.plan.cluster,
        node: setup.node.name.to_string(),
        config: setup.config.clone(),
        started: Instant::now(),
        names: setup.names.clone(),
        shelves: shelves.clone(),
        pool,
        groups: setup.plan.groups.len(),
        certificates,
        replicator: replicator.clone(),
        stopping,
    });
    let admin = AdminApi::new(services.clone(), view.clone());
    let sessions = TaskTracker::new();
    let admission = Admission::new(AdmissionLimits::of(&setup.config.limits));
    listeners.serve(
        &services,
        (mail_tls, admission),
        (admin, admin_tls),
        (metrics, view),
        &sessions,
    )?;
    tracing::info!(node = name, cluster = %setup.plan.cluster, "node serves");
    supervisor::tell_ready(name);

    tokio::select! {
        _ = stop_signals.0.recv() => {}
        _ = stop_signals.1.recv() => {}
    }
    tracing::info!("node stops");
    supervisor::tell_stopping();
    end_in_time();
    stop.send_replace(true);
    background.abort();
    reopening.abort();
    shut_down(&sessions, &services, &replicator, transport, shelves).await;
    tracing::info!("node has stopped");
    Ok(())
}

/// Says what mail programs will complain about. The node serves all the same: a warning there is less than no mail, and
/// other servers deliver without looking.
///
/// # Errors
/// What there is no TLS with.
fn look_at_certificate(setup: &Setup) -> Result<(), CertificateError> {
    let files = setup.config.service_certificate(&setup.node);
    let checked = check_service_certificate(&files, &setup.config.service.names, SystemTime::now());
    for problem in checked.err().into_iter().flatten() {
        match problem {
            CertificateError::Uncovered { .. } | CertificateError::Expired { .. } | CertificateError::NotYet { .. } => {
                tracing::error!(%problem, "mail programs will not trust this node");
            }
            CertificateError::Read(_) | CertificateError::Unusable { .. } | CertificateError::OtherKey { .. } => {
                return Err(problem);
            }
        }
    }
    Ok(())
}

/// The certificates that this process has read, with their ends.
fn certificates(setup: &Setup) -> anyhow::Result<Vec<(&'static str, SystemTime)>> {
    let service = setup.config.service_certificate(&setup.node);
    let own = setup.node.node_certificate();
    Ok(vec![
        ("service", certificate_end(&service)?),
        ("node", certificate_end(&own)?),
    ])
}

/// Lets go of everything, top down, each step within its own time.
async fn shut_down(
    sessions: &TaskTracker,
    services: &SharedServices,
    replicator: &NodeReplicator,
    transport: Option<Arc<QuicTransport>>,
    shelves: Vec<Arc<NodeShelf>>,
) {
    sessions.close();
    if timeout(SESSIONS_END_WITHIN, sessions.wait()).await.is_err() {
        tracing::warn!(
            sessions = sessions.len(),
            "some sessions did not end in time and are cut off"
        );
    }
    services.delivery_log.flush().await;
    if timeout(GROUPS_END_WITHIN, replicator.stop()).await.is_err() {
        tracing::warn!("some groups did not end in time");
    }
    if let Some(transport) = transport {
        transport.close(TRANSPORT_END_WITHIN).await;
    }
    // Its thread ends by itself in time; only a panic there could be told.
    let _ = spawn_blocking(move || shelves::close_all(&shelves)).await;
}

/// What sessions use.
fn services(
    setup: &Setup,
    replicator: &NodeReplicator,
    stopping: watch::Receiver<bool>,
) -> anyhow::Result<SharedServices> {
    let client: Arc<dyn GroupClient> = Arc::new(replicator.clone());
    let directory = Directory::new(client.clone());
    let service = &setup.config.service;
    let limits = setup.config.limits;
    let settings = Settings {
        node: setup.node.name.to_string(),
        host: service.names.first().context("the service has no name")?.clone(),
        message_bytes_max: limits.message_bytes_max,
        plaintext_passwords_from: service.plaintext_passwords_from.clone(),
        lmtp_from: service.lmtp_from.clone(),
        proxy_from: service.proxy_from.clone(),
    };
    let delivery_log = DeliveryLog::open(&setup.node.state_dir, limits.delivery_log_days);
    Ok(Arc::new(Services {
        store: Mailstore::new(client),
        auth: Authenticator::new(directory.clone())?,
        access: Access::new(directory.clone()),
        directory,
        delivery_log: delivery_log.context("open the delivery log")?,
        settings,
        stopping,
    }))
}

/// Work that no session waits for.
fn background(services: &SharedServices) -> tokio::task::JoinHandle<()> {
    let store = &services.store;
    let sweeper = Sweeper::new(store.clone());
    let closer = DeliveryCloser::new(store.clone());
    let worker = queue::worker(services);
    let access = services.access.clone();
    tokio::spawn(async move {
        tokio::join!(sweeper.run(), closer.run(), worker.run(), access.run());
    })
}

/// From now on the process has this long; what hangs is left behind.
fn end_in_time() {
    let wait = move || {
        std::thread::sleep(STOP_WITHIN);
        tracing::error!("node did not stop in time, and ends as if it were killed");
        std::process::exit(1);
    };
    // Without the thread, whoever sent the signal has to end it.
    let _ = std::thread::Builder::new().name("stop-deadline".to_owned()).spawn(wait);
}

/// Connections and database files are all descriptors; the limit of a log-in shell is far too low for a node.
fn raise_descriptors(connections_max: u32) {
    let needed = descriptors_wanted(connections_max);
    let raised = getrlimit(Resource::RLIMIT_NOFILE).and_then(|(soft, hard)| {
        let wanted = needed.min(hard);
        if soft < wanted {
            setrlimit(Resource::RLIMIT_NOFILE, wanted, hard)?;
        }
        Ok(soft.max(wanted))
    });
    match raised {
        Ok(limit) if limit < needed => {
            tracing::warn!(limit, wanted = needed, "few open files are allowed; raise LimitNOFILE");
        }
        Ok(_) => {}
        Err(error) => tracing::warn!(%error, "the limit of open files cannot be raised"),
    }
}
