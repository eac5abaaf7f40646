//! The groups on this node: its replicas, the transport to the other nodes, and the founding of a new cluster.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use cluster_config::{Listener, Peer, tls};
use mail_model::{GroupId, NodeId};
use mailstore::MailMachine;
use mailstore::directory::{Directory, DirectoryMachine, Found, NewNode, NewReplica, NewShelf, Read};
use replication::limits::LOG_KEEP_BYTES;
use replication::quic::{PeerTable, QuicConfig, QuicTransport};
use replication::{
    Incarnation, ReplicaPlace, Replicator, ReplicatorConfig, StartError, Starting, StateMachine, SystemClock,
    TokioTypes,
};
use rustls::pki_types::PrivateKeyDer;
use shelf::{ReplicaState, ReplicaStore, Shelf, ShelfError};
use tokio::net::lookup_host;
use tokio::time::{sleep, timeout};

use super::setup::{Setup, node_socket};
use super::shelves::NodeShelf;
use crate::clock::now_ms;
use crate::limits::{FOUND_EVERY, PEERS_EVERY, PEERS_WITHIN};

/// The version of a cluster that this program founds (DESIGN D21).
const CLUSTER_VERSION: u32 = 1;
/// What the key of stateless resets is derived for.
const RESET_KEY_CONTEXT: &str = "holdfast 2026-11 quic stateless reset";

/// What is told of a shelf of which no replica may run.
const ALL_RETIRED: &str = "none of its replicas may run: they are retired, since it had lost what it had acknowledged";

/// A node's part in the groups, on the system's clock and network.
pub(crate) type NodeReplicator = Replicator<TokioTypes>;

/// Knows the groups, runs nothing yet.
pub(crate) fn replicator(setup: &Setup) -> NodeReplicator {
    Replicator::new(ReplicatorConfig {
        node: setup.id(),
        incarnation: Incarnation {
            started_ms: now_ms(),
            random: rand::random(),
        },
        groups: setup.groups(),
        clock: Arc::new(SystemClock),
    })
}

/// Opens the port to the other nodes, and keeps their addresses up to date. `None` on a cluster of one node.
pub(crate) async fn connect(
    setup: &Arc<Setup>,
    replicator: &NodeReplicator,
) -> anyhow::Result<Option<Arc<QuicTransport>>> {
    let Some(at) = setup.node.listeners.get(&Listener::Quic) else {
        return Ok(None);
    };
    let peers = PeerTable::new();
    if timeout(PEERS_WITHIN, find_peers(setup, &peers)).await.is_err() {
        tracing::warn!("the addresses of some nodes are still being looked up");
    }
    let config = QuicConfig {
        node: setup.id(),
        bind: node_socket(at),
        peers: peers.clone(),
        server: tls::node_server_config(&setup.credentials)?,
        client: tls::node_client_config(&setup.credentials)?,
        reset_key: reset_key(setup)?,
    };
    let transport = Arc::new(QuicTransport::bind(config, Arc::new(replicator.clone()))?);
    replicator.connect(transport.clone());
    let setup = setup.clone();
    tokio::spawn(async move {
        loop {
            sleep(PEERS_EVERY).await;
            find_peers(&setup, &peers).await;
        }
    });
    Ok(Some(transport))
}

/// Looks up the addresses of the other nodes. What cannot be found stays as it was.
async fn find_peers(setup: &Setup, peers: &PeerTable) {
    let others = setup.config.peers_of(&setup.node.name).filter_map(|peer| {
        let planned = setup.plan.node(peer.name.as_str())?;
        Some(find_peer(planned.id, peer, peers))
    });
    futures::future::join_all(others).await;
}

async fn find_peer(id: NodeId, peer: Peer, peers: &PeerTable) {
    match lookup_host((peer.host.as_str(), peer.port)).await {
        Ok(found) => {
            let found: Vec<SocketAddr> = found.collect();
            if peers.addresses(id)[..] != found[..] {
                peers.set(id, found);
            }
        }
        Err(error) => {
            if peers.addresses(id).is_empty() {
                peers.set(id, Vec::new());
            }
            tracing::warn!(node = %peer.name, host = peer.host, %error, "the address of a node cannot be found");
        }
    }
}

fn reset_key(setup: &Setup) -> anyhow::Result<[u8; 32]> {
    let (_, key) = setup.node.node_certificate().read()?;
    let secret = match &key {
        PrivateKeyDer::Pkcs8(key) => key.secret_pkcs8_der(),
        other => other.secret_der(),
    };
    Ok(blake3::derive_key(RESET_KEY_CONTEXT, secret))
}

/// Runs the replicas of every shelf that is in use. One that cannot run is reported and left out.
pub(crate) async fn start_replicas(
    setup: &Setup,
    shelves: &[Arc<NodeShelf>],
    replicator: &NodeReplicator,
) -> anyhow::Result<()> {
    let (mut starting, mut names) = (Vec::new(), Vec::new());
    for node_shelf in shelves {
        let (Ok(shelf), Some(id)) = (node_shelf.opened(), node_shelf.id) else {
            continue;
        };
        let place = ReplicaPlace {
            node: setup.id(),
            shelf: id,
        };
        let listed = stores(&shelf).await;
        let (stores, retired) = listed.with_context(|| format!("list the replicas of shelf {}", node_shelf.name))?;
        if stores.is_empty() && retired > 0 {
            tracing::error!(shelf = %node_shelf.name, "no replica of this shelf may run");
            node_shelf.note_retired(ALL_RETIRED.to_owned());
        }
        for store in stores {
            match store {
                Ok(store) => {
                    names.push((node_shelf, store.group(), store.id()));
                    let app = machine_of(store.group());
                    starting.push(Starting { store, place, app });
                }
                Err(error) => tracing::error!(shelf = %node_shelf.name, %error, "replica cannot be opened"),
            }
        }
    }
    let outcomes = replicator.start_replicas(starting).await;
    for ((shelf, group, replica), outcome) in names.into_iter().zip(outcomes) {
        let Err(error) = outcome else { continue };
        tracing::error!(shelf = %shelf.name, %group, %replica, %error, "replica cannot run");
        if let StartError::Forgot { .. } = error {
            shelf.note_retired(format!("it has lost what it had acknowledged: {error}"));
        }
    }
    Ok(())
}

/// What the commands of a group mean.
fn machine_of(group: GroupId) -> Arc<dyn StateMachine> {
    match group {
        GroupId::SYSTEM => Arc::new(DirectoryMachine),
        _ => Arc::new(MailMachine),
    }
}

/// Opens the replicas of a shelf that may run, and counts those that are retired.
async fn stores(shelf: &Shelf) -> Result<(Vec<Result<ReplicaStore, ShelfError>>, usize), ShelfError> {
    let of_call = shelf.clone();
    let listing = shelf.run_io(move || {
        let all = of_call.replicas()?;
        let (active, retired): (Vec<_>, Vec<_>) = all
            .into_iter()
            .partition(|replica| replica.state == ReplicaState::Active);
        let stores = active.iter().map(|replica| of_call.replica(replica.id));
        Ok((stores.collect(), retired.len()))
    });
    listing.await
}

/// Founds what this node has to found, and lets the groups look after themselves.
pub(crate) async fn found(setup: &Arc<Setup>, replicator: &NodeReplicator, directory: &Directory) {
    if let Err(error) = replicator.found().await {
        tracing::error!(error, "a group could not be founded");
    }
    replicator.watch_peers();
    replicator.tend_logs(LOG_KEEP_BYTES);
    tokio::spawn(found_directory(setup.clone(), directory.clone()));
}

/// Has the directory say what the cluster consists of. Every node does, since to repeat it changes nothing and the one
/// that founded the system group may be gone.
async fn found_directory(setup: Arc<Setup>, directory: Directory) {
    loop {
        let outcome = match directory.topology(Read::Local).await {
            Ok(Some(_)) => return,
            Ok(None) => directory
                .change(founding(&setup))
                .await
                .map(drop)
                .map_err(|error| anyhow!(error)),
            Err(error) => Err(error.into()),
        };
        match outcome {
            Ok(()) => return tracing::info!("the directory is founded"),
            Err(error) => tracing::debug!(%error, "the directory is not founded yet"),
        }
        sleep(FOUND_EVERY).await;
    }
}

fn founding(setup: &Setup) -> Found {
    let plan = &setup.plan;
    let node = |node: &cluster_config::NodePlan| NewNode {
        id: node.id,
        name: node.name.clone(),
    };
    let shelves = plan.nodes.iter().flat_map(|node| {
        node.shelves.iter().map(|shelf| NewShelf {
            id: shelf.id,
            node: node.id,
            name: shelf.name.clone(),
        })
    });
    let replicas = plan.groups.iter().flat_map(|group| {
        group.replicas.iter().map(|replica| NewReplica {
            id: replica.id,
            group: group.id,
            shelf: replica.shelf,
        })
    });
    Found {
        cluster: plan.cluster,
        version: CLUSTER_VERSION,
        nodes: plan.nodes.iter().map(node).collect(),
        shelves: shelves.collect(),
        groups: plan.groups.iter().map(|group| group.id).collect(),
        replicas: replicas.collect(),
        sealed_authority_key: Some(plan.sealed_authority_key.clone()),
    }
}
