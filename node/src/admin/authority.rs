//! The key of the cluster's CA, sealed: what an administrator who has the recovery key issues certificates with.

use cluster_config::admin::{Authority, GetAuthority, NodeIdRow};
use mailstore::directory::Read;

use super::Node;
use super::failure::Fail;

/// From the local replica: the key never changes, and certificates may have to be renewed while there is no leader.
pub(super) async fn get(node: Node, _: GetAuthority) -> Result<Authority, Fail> {
    let directory = &node.services.directory;
    let topology = directory.topology(Read::Local).await?;
    let topology =
        topology.ok_or_else(|| Fail::unavailable("this node does not know yet what the cluster consists of"))?;
    let sealed = directory.sealed_authority_key(Read::Local).await?;
    let sealed_key = sealed.ok_or_else(|| {
        Fail::refused("the cluster was founded without the key of its CA; name a founding plan with --plan")
    })?;
    tracing::info!("the sealed key of the CA was asked for");
    let nodes = topology.nodes.into_iter().map(|node| NodeIdRow {
        name: node.record.name,
        id: node.id.to_string(),
    });
    Ok(Authority {
        cluster: topology.cluster.id.to_string(),
        sealed_key,
        nodes: nodes.collect(),
    })
}
