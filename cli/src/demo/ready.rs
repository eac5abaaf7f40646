//! Waiting for a demo to be ready: every listener answers, and every group has a leader.

use anyhow::bail;
use cluster_config::{ClusterConfig, ListenAt, Listener, Transport};
use futures::future::join_all;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use super::processes::Nodes;
use crate::admin_client::AdminClient;
use crate::cluster_status::{ClusterStatus, NodeState};
use crate::command::status;
use crate::limits::{DEMO_GREET_WITHIN, DEMO_LOOK_EVERY, DEMO_READY_WITHIN};
use crate::progress::Progress;

/// Returns how the cluster is once it is ready.
pub(crate) async fn wait(
    nodes: &mut Nodes,
    client: &AdminClient,
    progress: &Progress,
) -> anyhow::Result<ClusterStatus> {
    let deadline = Instant::now() + DEMO_READY_WITHIN;
    loop {
        nodes.ensure_alive()?;
        let status = status::gather(client).await;
        progress.say(how_far(&status));
        let missing = match status.is_led() {
            false => Some("some groups have no leader".to_owned()),
            true => silent_listener(client.config()).await,
        };
        match missing {
            None => return Ok(status),
            Some(missing) if Instant::now() >= deadline => {
                bail!("not ready after {} s: {missing}", DEMO_READY_WITHIN.as_secs())
            }
            Some(_) => sleep(DEMO_LOOK_EVERY).await,
        }
    }
}

fn how_far(status: &ClusterStatus) -> String {
    let up = status.nodes.iter().filter(|node| node.state != NodeState::Down).count();
    let led = status.groups.iter().filter(|group| group.leader.is_some()).count();
    let (nodes, groups) = (status.nodes.len(), status.groups.len());
    format!("{up} of {nodes} nodes answer, {led} of {groups} groups have a leader")
}

/// A listener of any node that does not answer, if there is one.
async fn silent_listener(config: &ClusterConfig) -> Option<String> {
    let all = config.nodes.iter().flat_map(|node| {
        let over_tcp = node
            .listeners
            .iter()
            .filter(|(listener, _)| listener.transport() == Transport::Tcp);
        over_tcp.map(move |(listener, at)| async move {
            let silent = !answers(*listener, at).await;
            silent.then(|| format!("the {} listener of {} is silent", listener.name(), node.name))
        })
    });
    join_all(all).await.into_iter().flatten().next()
}

/// Whether a listener takes a connection and, where its protocol has one, greets.
async fn answers(listener: Listener, at: &ListenAt) -> bool {
    let greets = match listener {
        Listener::Smtp | Listener::Lmtp | Listener::Submission | Listener::Imap | Listener::Pop3 => true,
        Listener::Submissions | Listener::Imaps | Listener::Pop3s => false,
        Listener::Quic | Listener::Admin | Listener::Metrics => false,
    };
    let Some(address) = at.bind.first() else { return true };
    let greeted = async {
        let mut stream = TcpStream::connect((*address, at.port)).await?;
        match greets {
            true => stream.read_u8().await.map(drop),
            false => Ok(()),
        }
    };
    timeout(DEMO_GREET_WITHIN, greeted)
        .await
        .is_ok_and(|greeted| greeted.is_ok())
}
