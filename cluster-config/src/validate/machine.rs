//! The checks of nodes against each other: names and ids, and on one host also ports and paths.

use std::net::IpAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::Report;
use crate::config::NodeConfig;
use crate::file::NodeTable;
use crate::listener::{ListenAt, Listener};

/// `nodes` are those of `tables` that are legal by themselves; both in the order of the file.
pub(super) fn check(report: &mut Report<'_>, tables: &[NodeTable], nodes: &[NodeConfig]) {
    unique(report, tables);
    let located: Vec<Located<'_>> = nodes.iter().filter_map(|node| Located::of(tables, node)).collect();
    for (at, node) in located.iter().enumerate() {
        let before = located[..at].iter().filter(|other| other.node.host == node.node.host);
        let same_host: Vec<&Located<'_>> = before.collect();
        ports(report, node, &same_host);
        paths(report, node, &same_host);
        if located.len() > 1 && !node.node.listeners.contains_key(&Listener::Quic) {
            let what = "a node without its QUIC listener cannot be part of a cluster of several";
            report.add(Some(node.span()), &node.key("listeners: quic"), what, "switch it on");
        }
    }
}

/// A node with its table, which knows where each value stands.
struct Located<'a> {
    node: &'a NodeConfig,
    table: &'a NodeTable,
}

impl<'a> Located<'a> {
    fn of(tables: &'a [NodeTable], node: &'a NodeConfig) -> Option<Self> {
        let table = tables.iter().find(|table| table.name.get_ref() == node.name.as_str())?;
        Some(Self { node, table })
    }

    fn span(&self) -> Range<usize> {
        self.table.name.span()
    }

    fn key(&self, rest: &str) -> String {
        format!("node {}: {rest}", self.node.name)
    }
}

fn unique(report: &mut Report<'_>, tables: &[NodeTable]) {
    for (at, table) in tables.iter().enumerate() {
        let name = table.name.get_ref();
        if tables[..at].iter().any(|other| other.name.get_ref() == name) {
            let what = format!("two nodes are called {name}");
            report.add(
                Some(table.name.span()),
                &format!("node {name}: name"),
                what,
                "give each node its own name",
            );
        }
        let Some(id) = &table.id else { continue };
        let other = tables[..at].iter().find(|other| {
            let other = other.id.as_ref().map(toml::Spanned::get_ref);
            other.is_some_and(|other| other.eq_ignore_ascii_case(id.get_ref()))
        });
        if let Some(other) = other {
            let what = format!("node {} has the same id", other.name.get_ref());
            let advice = "leave ids out, and the founding makes them";
            report.add(Some(id.span()), &format!("node {name}: id"), what, advice);
        }
    }
}

fn ports(report: &mut Report<'_>, node: &Located<'_>, same_host: &[&Located<'_>]) {
    for (listener, at) in &node.node.listeners {
        for other in same_host.iter().copied().chain([node]) {
            let own = std::ptr::eq(other.node, node.node);
            let clash = other.node.listeners.iter().find(|(candidate, taken)| {
                // Of two on one node, the later in the table is reported.
                let earlier = !own || *candidate < listener;
                earlier && candidate.transport() == listener.transport() && meet(at, taken)
            });
            if let Some((taken_by, _)) = clash {
                let what = format!(
                    "port {} is also that of {} on node {}",
                    at.port,
                    taken_by.name(),
                    other.node.name
                );
                let span = node
                    .table
                    .listeners
                    .get(listener.name())
                    .map_or_else(|| node.span(), toml::Spanned::span);
                let advice = "choose another port, base_port or bind address";
                report.add(
                    Some(span),
                    &node.key(&format!("listeners: {}", listener.name())),
                    what,
                    advice,
                );
            }
        }
    }
}

fn meet(one: &ListenAt, other: &ListenAt) -> bool {
    let overlap =
        |a: &IpAddr, b: &IpAddr| a == b || (a.is_ipv4() == b.is_ipv4() && (a.is_unspecified() || b.is_unspecified()));
    one.port == other.port && one.bind.iter().any(|a| other.bind.iter().any(|b| overlap(a, b)))
}

/// What a path is for; a shelf may lie inside its node's state directory, and nothing may lie inside a shelf.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    State,
    Shelf,
    Socket,
}

struct UsedPath {
    path: PathBuf,
    purpose: Use,
    what: String,
    span: Range<usize>,
}

fn used(node: &Located<'_>) -> Vec<UsedPath> {
    let mut used = vec![UsedPath {
        path: node.node.state_dir.clone(),
        purpose: Use::State,
        what: node.key("state_dir"),
        span: node.table.state_dir.span(),
    }];
    for shelf in &node.node.shelves {
        let table = node
            .table
            .shelves
            .iter()
            .find(|table| table.name.get_ref() == shelf.name.as_str());
        used.push(UsedPath {
            path: shelf.path.clone(),
            purpose: Use::Shelf,
            what: node.key(&format!("shelf {}: path", shelf.name)),
            span: table.map_or_else(|| node.span(), |table| table.path.span()),
        });
    }
    if let (Some(socket), Some(table)) = (&node.node.lmtp_socket, &node.table.lmtp_socket) {
        used.push(UsedPath {
            path: socket.path.clone(),
            purpose: Use::Socket,
            what: node.key("lmtp_socket"),
            span: table.span(),
        });
    }
    used
}

fn paths(report: &mut Report<'_>, node: &Located<'_>, same_host: &[&Located<'_>]) {
    let mut before: Vec<UsedPath> = same_host.iter().flat_map(|other| used(other)).collect();
    for path in used(node) {
        if path.purpose != Use::Socket && path.path.parent().is_none() {
            let advice = "choose a directory of its own";
            report.add(
                Some(path.span.clone()),
                &path.what,
                "it is the root of the file system",
                advice,
            );
        }
        for other in &before {
            if let Some((what, advice)) = conflict(&path, other) {
                report.add(Some(path.span.clone()), &path.what, what, advice);
            }
        }
        before.push(path);
    }
}

fn conflict(path: &UsedPath, other: &UsedPath) -> Option<(String, &'static str)> {
    if path.path == other.path {
        let what = format!("{} is also that of {}", path.path.display(), other.what);
        return Some((what, "give each its own"));
    }
    let lies_in = |inner: &Path, outer: &UsedPath| outer.purpose == Use::Shelf && inner.starts_with(&outer.path);
    if lies_in(&path.path, other) {
        let what = format!("{} lies inside {}", path.path.display(), other.what);
        return Some((what, "choose directories beside each other"));
    }
    if lies_in(&other.path, path) {
        let what = format!("{} contains {}", path.path.display(), other.what);
        return Some((what, "choose directories beside each other"));
    }
    None
}
