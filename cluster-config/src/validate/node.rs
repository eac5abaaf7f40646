//! The checks of one node by itself: its names, its listeners, its shelves.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use mail_model::Domain;
use toml::Spanned;

use super::Report;
use crate::config::{LmtpSocket, NodeConfig, ShelfDir};
use crate::file::{ListenerTable, NodeTable};
use crate::limits::{GROUP_NAME_BYTES_MAX, SHELVES_PER_NODE_MAX, SOCKET_PATH_BYTES_MAX};
use crate::listener::{ListenAt, Listener};
use crate::tls::RESERVED_SUFFIX;

pub(super) fn check(report: &mut Report<'_>, table: &NodeTable) -> Option<NodeConfig> {
    let key = format!("node {}", table.name.get_ref());
    let name = report.name(&format!("{key}: name"), &table.name);
    let id = report.id(&format!("{key}: id"), table.id.as_ref());
    let host = host(report, &key, &table.host);
    let listeners = listeners(report, &key, table);
    let shelves = shelves(report, &key, table);
    let lmtp_socket = lmtp_socket(report, &key, table);
    Some(NodeConfig {
        name: name?,
        id,
        host: host?,
        state_dir: report.path(table.state_dir.get_ref()),
        lmtp_socket,
        listeners,
        shelves,
    })
}

fn lmtp_socket(report: &mut Report<'_>, key: &str, table: &NodeTable) -> Option<LmtpSocket> {
    let group = table.lmtp_socket_group.as_ref();
    if let Some(group) = group {
        let key = format!("{key}: lmtp_socket_group");
        if !is_group_name(group.get_ref()) {
            let what = format!("{:?} is not the name of a group of the system", group.get_ref());
            let advice = "write the group of the program that delivers, such as postfix";
            report.add(Some(group.span()), &key, what, advice);
        }
        if table.lmtp_socket.is_none() {
            let advice = "add lmtp_socket, or leave this out";
            report.add(Some(group.span()), &key, "there is no lmtp_socket", advice);
        }
    }
    let path = table.lmtp_socket.as_ref()?;
    let whole = report.path(path.get_ref());
    if whole.as_os_str().len() > SOCKET_PATH_BYTES_MAX {
        let what = format!("{} is too long for a socket", whole.display());
        let advice = format!("choose a path of at most {SOCKET_PATH_BYTES_MAX} bytes, such as /run/holdfast/lmtp");
        report.add(Some(path.span()), &format!("{key}: lmtp_socket"), what, advice);
    }
    Some(LmtpSocket {
        path: whole,
        group: group.map(|group| group.get_ref().clone()),
    })
}

/// Whether a system could have a group of this name.
fn is_group_name(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.$@".contains(&byte);
    (1..=GROUP_NAME_BYTES_MAX).contains(&text.len()) && !text.starts_with('-') && text.bytes().all(fits)
}

fn host(report: &mut Report<'_>, key: &str, text: &Spanned<String>) -> Option<String> {
    let key = format!("{key}: host");
    let advice = "write the name or address at which the other nodes reach this one";
    let host = text.get_ref();
    match host.parse::<IpAddr>() {
        Ok(address) if address.is_unspecified() => {
            report.add(Some(text.span()), &key, format!("nobody can reach {address}"), advice);
            None
        }
        Ok(address) => Some(address.to_string()),
        Err(_) => match Domain::new(host) {
            // Or the certificates that cover the host would give it the name of another node.
            Ok(name) if name.as_str().ends_with(RESERVED_SUFFIX) => {
                let what = format!("names that end with {RESERVED_SUFFIX} are in certificates only");
                report.add(Some(text.span()), &key, what, advice);
                None
            }
            Ok(name) => Some(name.to_string()),
            Err(_) => {
                let what = format!("{host:?} is neither a host name nor an address");
                report.add(Some(text.span()), &key, what, advice);
                None
            }
        },
    }
}

fn listeners(report: &mut Report<'_>, key: &str, table: &NodeTable) -> BTreeMap<Listener, ListenAt> {
    for (name, given) in &table.listeners {
        if !Listener::ALL.iter().any(|listener| listener.name() == name) {
            let known = Listener::ALL.map(Listener::name).join(", ");
            let key = format!("{key}: listeners");
            report.add(
                Some(given.span()),
                &key,
                format!("there is no listener {name}"),
                format!("known are {known}"),
            );
        }
    }
    let everywhere = addresses(report, &format!("{key}: bind"), table.bind.as_ref());
    let everywhere = everywhere.unwrap_or_else(|| vec![IpAddr::V4(Ipv4Addr::UNSPECIFIED)]);
    let on = Listener::ALL.into_iter().filter_map(|listener| {
        let given = table.listeners.get(listener.name());
        listen_at(report, key, table, listener, given, &everywhere).map(|at| (listener, at))
    });
    on.collect()
}

fn listen_at(
    report: &mut Report<'_>,
    key: &str,
    table: &NodeTable,
    listener: Listener,
    given: Option<&Spanned<ListenerTable>>,
    everywhere: &[IpAddr],
) -> Option<ListenAt> {
    let key = format!("{key}: listeners: {}", listener.name());
    let span = given.map_or_else(|| table.name.span(), Spanned::span);
    let given = given.map(Spanned::get_ref);
    if given.is_some_and(|given| given.enabled == Some(false)) {
        return None;
    }
    let bind = addresses(
        report,
        &format!("{key}: bind"),
        given.and_then(|given| given.bind.as_ref()),
    );
    let local = || vec![IpAddr::V4(Ipv4Addr::LOCALHOST)];
    let bind = bind.unwrap_or_else(|| {
        if listener.is_local() {
            local()
        } else {
            everywhere.to_vec()
        }
    });
    let base_port = table.base_port.as_ref().map_or(0, |port| *port.get_ref());
    let port = match given.and_then(|given| given.port.as_ref()).map(|port| *port.get_ref()) {
        Some(0) => {
            let advice = format!("choose one, the standard is {}", listener.standard_port());
            report.add(Some(span), &key, "port 0 is no port that clients could find", advice);
            return None;
        }
        Some(port) => port,
        None => match base_port.checked_add(listener.standard_port()) {
            Some(port) => port,
            None => {
                let what = format!("base_port {base_port} leaves no port for it");
                report.add(Some(span), &key, what, "choose a base_port of at most 64000");
                return None;
            }
        },
    };
    Some(ListenAt { bind, port })
}

/// `None` when there is no list.
fn addresses(report: &mut Report<'_>, key: &str, list: Option<&Spanned<Vec<Spanned<String>>>>) -> Option<Vec<IpAddr>> {
    let list = list?;
    let advice = "write local addresses, as [\"192.0.2.1\"], [\"0.0.0.0\", \"::\"] for all";
    if list.get_ref().is_empty() {
        report.add(Some(list.span()), key, "there is no address", advice);
    }
    let parsed = list.get_ref().iter().filter_map(|text| report.value(key, text, advice));
    Some(parsed.collect())
}

fn shelves(report: &mut Report<'_>, key: &str, table: &NodeTable) -> Vec<ShelfDir> {
    if table.shelves.is_empty() || table.shelves.len() > SHELVES_PER_NODE_MAX {
        let what = format!("the node has {} shelves", table.shelves.len());
        let advice = format!("write one [[node.shelf]] table for each, 1 to {SHELVES_PER_NODE_MAX} of them");
        report.add(Some(table.name.span()), key, what, advice);
    }
    let mut shelves: Vec<ShelfDir> = Vec::new();
    for given in &table.shelves {
        let key = format!("{key}: shelf {}: name", given.name.get_ref());
        let Some(name) = report.name(&key, &given.name) else {
            continue;
        };
        if shelves.iter().any(|other| other.name == name) {
            let advice = "give each shelf of a node its own name";
            report.add(
                Some(given.name.span()),
                &key,
                format!("two shelves are called {name}"),
                advice,
            );
        }
        shelves.push(ShelfDir {
            name,
            path: report.path(given.path.get_ref()),
            labels: given
                .labels
                .as_ref()
                .map(|labels| labels.get_ref().clone())
                .unwrap_or_default(),
        });
    }
    shelves
}
