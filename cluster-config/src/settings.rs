//! The configuration in force: every value that holds after the cluster file has been merged with what holds without it,
//! each with where it is from. Pure.
//!
//! Invariants
//! - There is a setting for every key that a cluster file may have, for every node and shelf in it.
//! - Keys are written as in the errors about them (`node n1: listeners: imap: port`).

use std::fmt::Display;
use std::ops::Range;

use serde::{Deserialize, Serialize};
use toml::Spanned;

use crate::config::{ClusterConfig, NodeConfig, ShelfDir};
use crate::file::{ClusterFile, NodeTable, ShelfTable};
use crate::listener::Listener;

/// One value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// Whose it is, as `node n1: shelf sun0: path`.
    pub key: String,
    /// The value as text; lists are separated by commas, and what is off is empty.
    pub value: String,
    /// `line 12` of the cluster file, or `default`, with what that depends on.
    pub from: String,
}

const DEFAULT: &str = "default";
const MADE: &str = "made by holdfast init";

/// All settings of `config`, which was read from `text`, whose tables are `file`.
pub(crate) fn settings(config: &ClusterConfig, file: &ClusterFile, text: &str) -> Vec<Setting> {
    let mut rows = Rows { text, rows: Vec::new() };
    cluster(&mut rows, config, file);
    service(&mut rows, config, file);
    limits(&mut rows, config, file);
    for (node, given) in config.nodes.iter().zip(&file.nodes) {
        self::node(&mut rows, node, given);
    }
    rows.rows
}

struct Rows<'a> {
    text: &'a str,
    rows: Vec<Setting>,
}

impl Rows<'_> {
    fn add(&mut self, key: impl Into<String>, value: impl Display, given: Option<Range<usize>>, without: &str) {
        let from = match given {
            Some(span) => format!("line {}", line_of(self.text, span.start)),
            None => without.to_owned(),
        };
        self.rows.push(Setting {
            key: key.into(),
            value: value.to_string(),
            from,
        });
    }
}

/// The line of a byte, from 1.
pub(crate) fn line_of(text: &str, byte: usize) -> usize {
    1 + text.bytes().take(byte).filter(|byte| *byte == b'\n').count()
}

fn span<T>(given: &Option<Spanned<T>>) -> Option<Range<usize>> {
    given.as_ref().map(Spanned::span)
}

fn or_empty(value: Option<impl Display>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

fn listed<T: Display>(all: impl IntoIterator<Item = T>) -> String {
    let all: Vec<String> = all.into_iter().map(|one| one.to_string()).collect();
    all.join(", ")
}

fn cluster(rows: &mut Rows<'_>, config: &ClusterConfig, file: &ClusterFile) {
    let given = &file.cluster;
    rows.add("cluster: name", &config.name, Some(given.name.span()), DEFAULT);
    rows.add("cluster: id", or_empty(config.id), span(&given.id), MADE);
    rows.add("cluster: groups", config.groups, span(&given.groups), DEFAULT);
    let without = "default: 3 with three shelves or more, else 1";
    rows.add(
        "cluster: replication",
        config.replication,
        span(&given.replication),
        without,
    );
    let admin_dir = config.admin_dir.display();
    rows.add("cluster: admin_dir", admin_dir, span(&given.admin_dir), DEFAULT);
}

fn service(rows: &mut Rows<'_>, config: &ClusterConfig, file: &ClusterFile) {
    let (service, given) = (&config.service, &file.service);
    rows.add(
        "service: names",
        listed(&service.names),
        Some(given.names.span()),
        DEFAULT,
    );
    let files = service.certificate.as_ref();
    let certificate = or_empty(files.map(|files| files.chain.display()));
    rows.add("service: certificate", certificate, span(&given.certificate), MADE);
    let key = or_empty(files.map(|files| files.key.display()));
    rows.add("service: key", key, span(&given.key), MADE);
    let loopback = "default: loopback";
    let from = span(&given.plaintext_passwords_from);
    rows.add(
        "service: plaintext_passwords_from",
        &service.plaintext_passwords_from,
        from,
        loopback,
    );
    rows.add(
        "service: lmtp_from",
        &service.lmtp_from,
        span(&given.lmtp_from),
        loopback,
    );
    rows.add(
        "service: proxy_from",
        &service.proxy_from,
        span(&given.proxy_from),
        "default: none",
    );
}

fn limits(rows: &mut Rows<'_>, config: &ClusterConfig, file: &ClusterFile) {
    let (limits, given) = (&config.limits, &file.limits);
    let all = [
        (
            "message_bytes_max",
            limits.message_bytes_max,
            span(&given.message_bytes_max),
        ),
        (
            "delivery_log_days",
            limits.delivery_log_days.into(),
            span(&given.delivery_log_days),
        ),
        (
            "connections_max",
            limits.connections_max.into(),
            span(&given.connections_max),
        ),
        (
            "connections_per_client_max",
            limits.connections_per_client_max.into(),
            span(&given.connections_per_client_max),
        ),
        (
            "connections_per_client_per_second",
            limits.connections_per_client_per_second.into(),
            span(&given.connections_per_client_per_second),
        ),
        (
            "shelf_full_percent",
            limits.shelf_full_percent.into(),
            span(&given.shelf_full_percent),
        ),
    ];
    for (key, value, given) in all {
        rows.add(format!("limits: {key}"), value, given, DEFAULT);
    }
}

fn node(rows: &mut Rows<'_>, node: &NodeConfig, given: &NodeTable) {
    let key = |rest: &str| format!("node {}: {rest}", node.name);
    rows.add(key("name"), &node.name, Some(given.name.span()), DEFAULT);
    rows.add(key("id"), or_empty(node.id), span(&given.id), MADE);
    rows.add(key("host"), &node.host, Some(given.host.span()), DEFAULT);
    let base_port = given.base_port.as_ref();
    rows.add(
        key("base_port"),
        base_port.map_or(0, |port| *port.get_ref()),
        span(&given.base_port),
        DEFAULT,
    );
    rows.add(
        key("state_dir"),
        node.state_dir.display(),
        Some(given.state_dir.span()),
        DEFAULT,
    );
    let socket = node.lmtp_socket.as_ref();
    let path = or_empty(socket.map(|socket| socket.path.display()));
    rows.add(key("lmtp_socket"), path, span(&given.lmtp_socket), DEFAULT);
    let group = or_empty(socket.and_then(|socket| socket.group.as_ref()));
    rows.add(
        key("lmtp_socket_group"),
        group,
        span(&given.lmtp_socket_group),
        "default: the node's own",
    );
    for listener in Listener::ALL {
        self::listener(rows, node, given, listener);
    }
    for (shelf, given) in node.shelves.iter().zip(&given.shelves) {
        self::shelf(rows, node, shelf, given);
    }
}

fn listener(rows: &mut Rows<'_>, node: &NodeConfig, given: &NodeTable, listener: Listener) {
    let key = |rest: &str| format!("node {}: listeners: {}: {rest}", node.name, listener.name());
    let own = given.listeners.get(listener.name());
    let enabled = own.filter(|own| own.get_ref().enabled.is_some()).map(Spanned::span);
    let at = node.listeners.get(&listener);
    rows.add(key("enabled"), at.is_some(), enabled, DEFAULT);
    let Some(at) = at else { return };
    let own = own.map(Spanned::get_ref);
    let bind = own.and_then(|own| span(&own.bind));
    let (bind, without) = match (bind, &given.bind) {
        (Some(own), _) => (Some(own), DEFAULT),
        (None, _) if listener.is_local() => (None, "default: this machine only"),
        (None, of_node) => (span(of_node), DEFAULT),
    };
    rows.add(key("bind"), listed(&at.bind), bind, without);
    let port = own.and_then(|own| span(&own.port));
    let without = match &given.base_port {
        None => DEFAULT.to_owned(),
        Some(base) => {
            let line = line_of(rows.text, base.span().start);
            format!("default: base_port of line {line} + {}", listener.standard_port())
        }
    };
    rows.add(key("port"), at.port, port, &without);
}

fn shelf(rows: &mut Rows<'_>, node: &NodeConfig, shelf: &ShelfDir, given: &ShelfTable) {
    let key = |rest: &str| format!("node {}: shelf {}: {rest}", node.name, shelf.name);
    rows.add(key("name"), &shelf.name, Some(given.name.span()), DEFAULT);
    rows.add(key("path"), shelf.path.display(), Some(given.path.span()), DEFAULT);
    let labels = [
        ("rack", &shelf.labels.rack),
        ("enclosure", &shelf.labels.enclosure),
        ("link", &shelf.labels.link),
    ];
    for (label, value) in labels {
        let line = value.as_ref().and_then(|_| span(&given.labels));
        rows.add(
            key(&format!("labels: {label}")),
            or_empty(value.as_ref()),
            line,
            DEFAULT,
        );
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const FILE: &str = "[cluster]\nname = \"c\"\n\n[service]\nnames = [\"mail.example.org\"]\n\n[[node]]\nname = \"n1\"\n\
                        host = \"h\"\nbase_port = 1000\nstate_dir = \"s\"\n\n[node.listeners]\nimap = { port = 143 }\n\
                        pop3 = { enabled = false }\n\n[[node.shelf]]\nname = \"a\"\npath = \"a\"\n\
                        labels = { rack = \"r1\" }\n";

    fn setting(key: &str) -> (String, String) {
        let config = ClusterConfig::parse(Path::new("/d/cluster.toml"), FILE).unwrap();
        let found = config.settings.into_iter().find(|setting| setting.key == key);
        let found = found.unwrap_or_else(|| panic!("no setting {key}"));
        (found.value, found.from)
    }

    fn pair(value: &str, from: &str) -> (String, String) {
        (value.to_owned(), from.to_owned())
    }

    #[test]
    fn a_value_of_the_file_is_told_with_its_line_and_any_other_as_a_default() {
        assert_eq!(setting("cluster: name"), pair("c", "line 2"));
        assert_eq!(setting("cluster: groups"), pair("16", "default"));
        let (value, from) = setting("cluster: replication");
        assert!(value == "1" && from.starts_with("default: 3 with"), "{value} {from}");
        assert_eq!(setting("cluster: admin_dir"), pair("/d/admin", "default"));
        assert_eq!(setting("service: certificate"), pair("", MADE));
        assert_eq!(
            setting("service: lmtp_from"),
            pair("127.0.0.0/8, ::1/128", "default: loopback")
        );
        assert_eq!(setting("node n1: shelf a: path"), pair("/d/a", "line 19"));
        assert_eq!(setting("node n1: shelf a: labels: rack"), pair("r1", "line 20"));
        assert_eq!(setting("node n1: shelf a: labels: link"), pair("", "default"));
    }

    #[test]
    fn a_listener_tells_which_of_its_values_are_its_own() {
        assert_eq!(setting("node n1: listeners: imap: port"), pair("143", "line 14"));
        assert_eq!(setting("node n1: listeners: imap: bind"), pair("0.0.0.0", "default"));
        assert_eq!(
            setting("node n1: listeners: smtp: port"),
            pair("1025", "default: base_port of line 10 + 25")
        );
        assert_eq!(
            setting("node n1: listeners: lmtp: bind"),
            pair("127.0.0.1", "default: this machine only")
        );
        assert_eq!(setting("node n1: listeners: pop3: enabled"), pair("false", "line 15"));
    }

    #[test]
    fn every_key_of_the_documentation_is_shown() {
        let config = ClusterConfig::parse(Path::new("/d/cluster.toml"), FILE).unwrap();
        let page = include_str!("../../docs/cluster-file.md");
        let (_, tables) = page.split_once("## `[cluster]`").unwrap();
        let cells = tables.lines().filter(|line| line.starts_with("| `"));
        let keys = cells.flat_map(|line| line[1..].split('|').next().unwrap().split('`').skip(1).step_by(2));
        let shown = |key: &str| {
            let named = format!(": {key}");
            config
                .settings
                .iter()
                .any(|row| row.key.ends_with(&named) || row.key.contains(&format!("{named}: ")))
        };
        // `bind` of a node is what its listeners say.
        let missing: Vec<&str> = keys.filter(|key| !shown(key)).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}
