//! What a node is started with: the cluster file, its own part of it, and the founding plan, which must agree.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use cluster_config::{ClusterConfig, FoundingPlan, ListenAt, NodeConfig, NodePlan, Role, ShelfPlan, tls};
use mail_model::{GroupId, NodeId, ReplicaId, ShelfId};
use replication::{GroupPlan, ReplicaPlace};

use super::names::Names;

/// See the module.
pub(crate) struct Setup {
    pub(crate) config: ClusterConfig,
    pub(crate) node: NodeConfig,
    pub(crate) plan: FoundingPlan,
    /// This node in the plan.
    pub(crate) planned: NodePlan,
    pub(crate) credentials: tls::Credentials,
    pub(crate) names: Arc<Names>,
}

impl Setup {
    /// Reads everything that node `name` needs to start.
    pub(crate) fn load(file: &Path, name: &str) -> anyhow::Result<Self> {
        let config = ClusterConfig::load(file)?;
        let Some(node) = config.node(name).cloned() else {
            let known: Vec<_> = config.nodes.iter().map(|node| node.name.as_str()).collect();
            bail!("{} has no node {name}, it has {}", file.display(), known.join(", "));
        };
        let plan = FoundingPlan::load(&node.state_dir).with_context(|| {
            format!(
                "{} is not the state directory of a founded node: holdfast init founds a cluster",
                node.state_dir.display()
            )
        })?;
        let Some(planned) = plan.node(name).cloned() else {
            bail!("the cluster was founded without node {name}");
        };
        for line in plan.differences(&config) {
            tracing::warn!("the cluster file says otherwise than the founding, which counts: {line}");
        }
        let credentials = tls::Credentials::load(&node.node_certificate(), &node.authority())?;
        let certified = credentials.node()?;
        if certified != planned.id {
            bail!(
                "the certificate of node {name} is for node {certified}, the plan says {}",
                planned.id
            );
        }
        let names = Arc::new(Names::of(&plan));
        Ok(Self {
            config,
            node,
            plan,
            planned,
            credentials,
            names,
        })
    }

    /// This node.
    pub(crate) fn id(&self) -> NodeId {
        self.planned.id
    }

    /// A shelf of this node in the plan.
    pub(crate) fn shelf(&self, name: &str) -> Option<&ShelfPlan> {
        self.planned.shelves.iter().find(|shelf| shelf.name == name)
    }

    /// The replicas that a shelf was founded with.
    pub(crate) fn replicas_on(&self, shelf: ShelfId) -> impl Iterator<Item = (ReplicaId, GroupId)> {
        self.plan.groups.iter().flat_map(move |group| {
            let here = group.replicas.iter().filter(move |replica| replica.shelf == shelf);
            here.map(|replica| (replica.id, group.id))
        })
    }

    /// The groups as replication wants them.
    pub(crate) fn groups(&self) -> Vec<GroupPlan> {
        let of_role = |group: &cluster_config::GroupPlan, role| {
            let replicas = group.replicas.iter().filter(|replica| replica.role == role);
            let place = |replica: &cluster_config::ReplicaPlan| ReplicaPlace {
                node: replica.node,
                shelf: replica.shelf,
            };
            replicas.map(|replica| (replica.id, place(replica))).collect()
        };
        let plan = |group: &cluster_config::GroupPlan| GroupPlan {
            group: group.id,
            voters: of_role(group, Role::Voter),
            learners: of_role(group, Role::Learner),
        };
        self.plan.groups.iter().map(plan).collect()
    }
}

/// Where the transport between nodes binds: it has one socket, from which it also calls. With several addresses the
/// socket takes all of IPv6 and IPv4, or all of IPv4 when nothing else is asked for.
pub(crate) fn node_socket(at: &ListenAt) -> SocketAddr {
    let address = match at.bind.as_slice() {
        [only] => *only,
        several if several.iter().all(IpAddr::is_ipv4) => Ipv4Addr::UNSPECIFIED.into(),
        _ => Ipv6Addr::UNSPECIFIED.into(),
    };
    SocketAddr::new(address, at.port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_socket_between_nodes_covers_every_address_that_was_asked_for() {
        let socket = |bind: &[&str]| {
            let bind = bind.iter().map(|text| text.parse().unwrap()).collect();
            node_socket(&ListenAt { bind, port: 900 }).to_string()
        };
        assert_eq!(socket(&["192.0.2.1"]), "192.0.2.1:900");
        assert_eq!(socket(&["192.0.2.1", "192.0.2.2"]), "0.0.0.0:900");
        assert_eq!(socket(&["0.0.0.0", "::"]), "[::]:900");
        assert_eq!(socket(&["2001:db8::1"]), "[2001:db8::1]:900");
    }
}
