//! The cluster file of the demo: nodes on loopback, side by side, with ports that can be guessed.
//!
//! Invariants: the text is a legal cluster file; ports of node *n* are base + 1000·n + the standard port; node *n*
//! keeps everything below `n<n>` beside the file.

use std::fmt::Write;

use crate::limits::{DEMO_NODES_MAX, DEMO_PORT_STEP, DEMO_SHELVES_MAX, GROUPS_MAX};

/// The shape of a demo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DemoShape {
    /// Nodes, 1 to [`DEMO_NODES_MAX`].
    pub nodes: u16,
    /// Shelves of each node, 1 to [`DEMO_SHELVES_MAX`].
    pub shelves: u16,
    /// Mail groups, 1 to [`GROUPS_MAX`].
    pub groups: u32,
    /// Where ports start.
    pub base_port: u16,
}

/// A demo that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DemoError {
    /// Too many nodes, or none.
    #[error("a demo has 1 to {DEMO_NODES_MAX} nodes")]
    Nodes,
    /// Too many shelves, or none.
    #[error("a node of a demo has 1 to {DEMO_SHELVES_MAX} shelves")]
    Shelves,
    /// Too many groups, or none.
    #[error("a demo has 1 to {GROUPS_MAX} mail groups")]
    Groups,
    /// The ports of the last node would not fit.
    #[error("with this base port the last node would need ports above 65535")]
    Ports,
}

/// The text of the demo's cluster file.
///
/// # Errors
/// When a number is out of bounds.
pub fn cluster_file(shape: &DemoShape) -> Result<String, DemoError> {
    if !(1..=DEMO_NODES_MAX).contains(&shape.nodes) {
        return Err(DemoError::Nodes);
    }
    if !(1..=DEMO_SHELVES_MAX).contains(&shape.shelves) {
        return Err(DemoError::Shelves);
    }
    if !(1..=GROUPS_MAX).contains(&shape.groups) {
        return Err(DemoError::Groups);
    }
    let mut text = format!(
        "# A demo cluster: every node on this machine, nothing reachable from outside.\n\n\
         [cluster]\nname = \"demo\"\ngroups = {}\n\n[service]\nnames = [\"localhost\"]\n\n\
         [limits]\n# It shares its disk with all that is on this machine.\nshelf_full_percent = 99\n",
        shape.groups
    );
    for node in 1..=shape.nodes {
        let base = base_port(shape.base_port, node).ok_or(DemoError::Ports)?;
        let table = format!(
            "\n[[node]]\nname = \"n{node}\"\nhost = \"127.0.0.1\"\nbind = [\"127.0.0.1\"]\nbase_port = {base}\n\
             state_dir = \"n{node}\"\n"
        );
        text.push_str(&table);
        for shelf in 1..=shape.shelves {
            // Writing to a string cannot fail.
            let _ = write!(
                text,
                "\n[[node.shelf]]\nname = \"shelf{shelf}\"\npath = \"n{node}/shelf{shelf}\"\n"
            );
        }
    }
    Ok(text)
}

/// What is added to the standard ports of node `node`; `None` when one of them would be too large.
fn base_port(base: u16, node: u16) -> Option<u16> {
    let base = DEMO_PORT_STEP.checked_mul(node)?.checked_add(base)?;
    let highest = crate::Listener::ALL
        .map(crate::Listener::standard_port)
        .into_iter()
        .max()?;
    base.checked_add(highest).map(|_| base)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{ClusterConfig, Listener};

    fn demo(nodes: u16, base_port: u16) -> Result<ClusterConfig, DemoError> {
        let shape = DemoShape {
            nodes,
            shelves: 2,
            groups: 16,
            base_port,
        };
        let text = cluster_file(&shape)?;
        Ok(ClusterConfig::parse(Path::new("/d/cluster.toml"), &text).unwrap())
    }

    #[test]
    fn the_demo_is_a_legal_cluster_with_ports_that_can_be_guessed() {
        let config = demo(3, 20_000).unwrap();
        let node = config.node("n2").unwrap();
        assert_eq!(node.listeners[&Listener::Imap].port, 22_143);
        assert_eq!(node.listeners[&Listener::Quic].port, 22_900);
        assert_eq!(node.state_dir, Path::new("/d/n2"));
        assert_eq!(node.shelves[1].path, Path::new("/d/n2/shelf2"));
        assert_eq!((config.groups, config.replication), (16, 3));
        let addresses = config
            .nodes
            .iter()
            .flat_map(|node| node.listeners.values())
            .flat_map(|at| &at.bind);
        assert!(addresses.clone().count() == 33 && addresses.clone().all(|address| address.is_loopback()));
        assert!(demo(DEMO_NODES_MAX, 55_000).is_ok());
    }

    #[test]
    fn shapes_out_of_bounds_are_refused() {
        assert_eq!(demo(0, 20_000), Err(DemoError::Nodes));
        assert_eq!(demo(DEMO_NODES_MAX + 1, 20_000), Err(DemoError::Nodes));
        assert_eq!(demo(3, 61_600), Err(DemoError::Ports));
        let shape = DemoShape {
            nodes: 1,
            shelves: 0,
            groups: 1,
            base_port: 1,
        };
        assert_eq!(cluster_file(&shape), Err(DemoError::Shelves));
        assert_eq!(
            cluster_file(&DemoShape {
                shelves: 1,
                groups: 0,
                ..shape
            }),
            Err(DemoError::Groups)
        );
    }
}
