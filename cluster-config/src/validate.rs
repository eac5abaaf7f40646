//! From the tables of a cluster file to a [`ClusterConfig`], gathering everything that is wrong on the way.
//!
//! Invariants
//! - A value that is wrong is reported and left out or replaced, and the check goes on, so that one run shows all.
//! - Nothing is returned when anything was reported.

mod machine;
mod node;

use std::ops::Range;
use std::path::{Component, Path, PathBuf};
use std::str::FromStr;

use mail_model::Domain;
use toml::Spanned;

use crate::config::{ClusterConfig, Limits, NodeConfig, ServiceConfig};
use crate::error::Problem;
use crate::file::{ClusterFile, ClusterTable, LimitsTable, ServiceTable};
use crate::limits::{
    CONNECTIONS_DEFAULT, CONNECTIONS_HIGH, CONNECTIONS_PER_CLIENT_DEFAULT, CONNECTIONS_PER_CLIENT_PER_SECOND_DEFAULT,
    DELIVERY_LOG_DAYS_DEFAULT, DELIVERY_LOG_DAYS_MAX, GROUPS_DEFAULT, GROUPS_MAX, MESSAGE_BYTES_DEFAULT,
    MESSAGE_BYTES_HIGH, MESSAGE_BYTES_LOW, NODES_MAX, REPLICATION_MAX, SHELF_FULL_PERCENT_DEFAULT,
    SHELF_FULL_PERCENT_HIGH, SHELF_FULL_PERCENT_LOW,
};
use crate::name::Name;
use crate::network::{InvalidNetwork, Networks};
use crate::placement::replication_default;
use crate::settings::{line_of, settings};
use crate::tls::{CertificateFiles, RESERVED_SUFFIX};

/// Checks `text`, the contents of `file`, whose path is absolute.
pub(crate) fn parse(file: &Path, text: &str) -> Result<ClusterConfig, Vec<Problem>> {
    let mut report = Report::new(file, text);
    let tables = match toml::from_str::<ClusterFile>(text) {
        Ok(tables) => tables,
        Err(error) => {
            let advice = "docs/cluster-file.md has every key";
            let key = error.span().map(|span| key_at(text, span.start)).unwrap_or_default();
            report.add(error.span(), &key, in_words(error.message().trim_end()), advice);
            return Err(report.problems);
        }
    };
    let config = cluster(&mut report, file, &tables);
    if let (true, Some(mut config)) = (report.problems.is_empty(), config) {
        config.settings = settings(&config, &tables, text);
        return Ok(config);
    }
    report.problems.sort_by_key(|problem| problem.line);
    Err(report.problems)
}

/// The table and key that stand at a byte of a file that cannot be read as a whole.
fn key_at(text: &str, byte: usize) -> String {
    let mut table = "";
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        let header = line.strip_prefix('[').map(|header| header.trim_start_matches('['));
        if let Some((header, _)) = header.and_then(|header| header.split_once(']')) {
            table = header.trim();
        }
        if number + 1 == line_of(text, byte) {
            let key = line
                .split_once('=')
                .map(|(key, _)| key.trim())
                .filter(|_| header.is_none());
            let parts = [table, key.unwrap_or_default()];
            let parts = parts.into_iter().filter(|part| !part.is_empty());
            return parts.collect::<Vec<_>>().join(": ");
        }
    }
    String::new()
}

/// What the reader of TOML says, without the names of our types.
fn in_words(message: &str) -> String {
    let numbers = ["expected u16", "expected u32", "expected u64", "expected usize"];
    let words = numbers.iter().fold(message.to_owned(), |text, number| {
        text.replace(number, "expected a whole number")
    });
    let words = words.replace("expected struct ", "expected the table ");
    ["Table", "File"]
        .iter()
        .fold(words, |text, ours| text.replace(ours, ""))
}

/// What has been found, and how to say where.
struct Report<'a> {
    text: &'a str,
    dir: PathBuf,
    problems: Vec<Problem>,
}

impl<'a> Report<'a> {
    fn new(file: &Path, text: &'a str) -> Self {
        Self {
            text,
            dir: file.parent().unwrap_or(Path::new("/")).to_owned(),
            problems: Vec::new(),
        }
    }

    fn add(&mut self, span: Option<Range<usize>>, key: &str, what: impl Into<String>, advice: impl Into<String>) {
        let line = span.map(|span| line_of(self.text, span.start));
        self.problems.push(Problem {
            line,
            key: key.to_owned(),
            what: what.into(),
            advice: advice.into(),
        });
    }

    fn value<T>(&mut self, key: &str, text: &Spanned<String>, advice: &str) -> Option<T>
    where
        T: FromStr<Err: std::fmt::Display>,
    {
        match text.get_ref().parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.add(Some(text.span()), key, T::Err::to_string(&error), advice);
                None
            }
        }
    }

    fn name(&mut self, key: &str, text: &Spanned<String>) -> Option<Name> {
        self.value(key, text, Name::ADVICE)
    }

    fn id<T>(&mut self, key: &str, text: Option<&Spanned<String>>) -> Option<T>
    where
        T: FromStr<Err: std::fmt::Display>,
    {
        text.and_then(|text| self.value(key, text, "leave it out, and the founding makes one"))
    }

    /// A number between bounds; `default` when there is none or it is out of them.
    fn number<T>(&mut self, key: &str, number: Option<&Spanned<T>>, range: std::ops::RangeInclusive<T>, default: T) -> T
    where
        T: Copy + PartialOrd + std::fmt::Display,
    {
        let Some(number) = number else { return default };
        if range.contains(number.get_ref()) {
            return *number.get_ref();
        }
        let what = format!("{} is out of bounds", number.get_ref());
        let advice = format!("choose a number from {} to {}", range.start(), range.end());
        self.add(Some(number.span()), key, what, advice);
        default
    }

    /// The path, from where the file is, without `.` and `..`.
    fn path(&self, path: &Path) -> PathBuf {
        let mut whole = PathBuf::new();
        for part in self.dir.join(path).components() {
            match part {
                Component::CurDir => {}
                Component::ParentDir => {
                    whole.pop();
                }
                part => whole.push(part),
            }
        }
        whole
    }

    /// A list of networks; `default` when there is none.
    fn networks(&mut self, key: &str, list: Option<&Spanned<Vec<Spanned<String>>>>, default: Networks) -> Networks {
        let Some(list) = list else { return default };
        let advice = "write networks as 10.1.0.0/16 or 2001:db8::/32, or single addresses";
        let parsed = list
            .get_ref()
            .iter()
            .filter_map(|text| self.value(key, text, advice))
            .collect();
        Networks::new(parsed).unwrap_or_else(|error: InvalidNetwork| {
            let advice = "name the networks that you mean";
            self.add(Some(list.span()), key, error.to_string(), advice);
            Networks::default()
        })
    }
}

fn cluster(report: &mut Report<'_>, path: &Path, file: &ClusterFile) -> Option<ClusterConfig> {
    let ClusterFile {
        cluster,
        service,
        limits,
        nodes: tables,
    } = file;
    let name = report.name("cluster: name", &cluster.name);
    let id = report.id("cluster: id", cluster.id.as_ref());
    let groups = report.number(
        "cluster: groups",
        cluster.groups.as_ref(),
        1..=GROUPS_MAX,
        GROUPS_DEFAULT,
    );
    let service = self::service(report, service);
    let limits = self::limits(report, limits);
    let nodes: Vec<NodeConfig> = tables.iter().filter_map(|table| node::check(report, table)).collect();
    if tables.is_empty() || tables.len() > NODES_MAX {
        let what = format!("the cluster has {} nodes", tables.len());
        report.add(
            None,
            "node",
            what,
            format!("write one [[node]] table for each, 1 to {NODES_MAX} of them"),
        );
    }
    machine::check(report, tables, &nodes);
    let admin_dir = admin_dir(report, cluster.admin_dir.as_ref(), &nodes);
    let replication = replication(report, cluster, &nodes);
    Some(ClusterConfig {
        file: path.to_owned(),
        name: name?,
        id,
        groups,
        replication,
        admin_dir,
        service,
        limits,
        nodes,
        settings: Vec::new(),
    })
}

/// It would clash with the files of a node, or be wiped with a shelf.
fn admin_dir(report: &mut Report<'_>, given: Option<&Spanned<PathBuf>>, nodes: &[NodeConfig]) -> PathBuf {
    let dir = report.path(given.map_or(Path::new("admin"), |given| given.get_ref()));
    for node in nodes {
        let shelf = node.shelves.iter().find(|shelf| dir.starts_with(&shelf.path));
        if let Some(taken) = shelf
            .map(|shelf| &shelf.name)
            .or((dir == node.state_dir).then_some(&node.name))
        {
            let what = format!("{} belongs to {taken}", dir.display());
            report.add(
                given.map(Spanned::span),
                "cluster: admin_dir",
                what,
                "choose a directory of its own",
            );
        }
    }
    dir
}

fn replication(report: &mut Report<'_>, cluster: &ClusterTable, nodes: &[NodeConfig]) -> usize {
    let shelves = nodes.iter().map(|node| node.shelves.len()).sum();
    let most = replication_default(shelves);
    let Some(wanted) = &cluster.replication else {
        return most;
    };
    let key = "cluster: replication";
    let number = *wanted.get_ref();
    let (what, advice) = match number {
        1 => return 1,
        2 => (
            "two replicas survive no loss, since both are needed for a majority".to_owned(),
            "choose 3, or 1 for a cluster that need not survive anything".to_owned(),
        ),
        REPLICATION_MAX if number <= most => return number,
        REPLICATION_MAX => (
            format!("{number} replicas need {number} shelves, there are {shelves}"),
            "add shelves, or choose 1 for a cluster that need not survive anything".to_owned(),
        ),
        _ => (format!("{number} replicas are not offered"), "choose 1 or 3".to_owned()),
    };
    report.add(Some(wanted.span()), key, what, advice);
    most
}

fn service(report: &mut Report<'_>, table: &ServiceTable) -> ServiceConfig {
    let mut names = Vec::new();
    for text in table.names.get_ref() {
        if let Some(name) = service_name(report, text) {
            if names.contains(&name) {
                let what = format!("{name} is listed twice");
                report.add(Some(text.span()), "service: names", what, "list each name once");
            }
            names.push(name);
        }
    }
    if table.names.get_ref().is_empty() {
        let advice = "list the names that mail programs are given, as [\"mail.example.org\"]";
        report.add(Some(table.names.span()), "service: names", "there is none", advice);
    }
    ServiceConfig {
        names,
        certificate: certificate(report, table),
        plaintext_passwords_from: report.networks(
            "service: plaintext_passwords_from",
            table.plaintext_passwords_from.as_ref(),
            Networks::loopback(),
        ),
        lmtp_from: report.networks("service: lmtp_from", table.lmtp_from.as_ref(), Networks::loopback()),
        proxy_from: report.networks("service: proxy_from", table.proxy_from.as_ref(), Networks::default()),
    }
}

fn service_name(report: &mut Report<'_>, text: &Spanned<String>) -> Option<Domain> {
    let key = "service: names";
    match Domain::new(text.get_ref()) {
        Err(_) => {
            let what = format!("{:?} is not a host name", text.get_ref());
            report.add(Some(text.span()), key, what, "write a name such as mail.example.org");
            None
        }
        // Or the certificate for mail clients could pass for that of a node.
        Ok(name) if name.as_str().ends_with(RESERVED_SUFFIX) => {
            let what = format!("names that end with {RESERVED_SUFFIX} are those of nodes");
            report.add(Some(text.span()), key, what, "choose a name that your DNS serves");
            None
        }
        Ok(name) => Some(name),
    }
}

fn certificate(report: &mut Report<'_>, table: &ServiceTable) -> Option<CertificateFiles> {
    match (&table.certificate, &table.key) {
        (Some(certificate), Some(key)) => Some(CertificateFiles {
            chain: report.path(certificate.get_ref()),
            key: report.path(key.get_ref()),
        }),
        (None, None) => None,
        (Some(path), None) | (None, Some(path)) => {
            let (there, missing) = if table.key.is_some() {
                ("key", "certificate")
            } else {
                ("certificate", "key")
            };
            let what = format!("there is a {there} but no {missing}");
            let advice = format!("add service.{missing}, or leave both out and the founding makes them");
            report.add(Some(path.span()), &format!("service: {there}"), what, advice);
            None
        }
    }
}

fn limits(report: &mut Report<'_>, table: &LimitsTable) -> Limits {
    Limits {
        message_bytes_max: report.number(
            "limits: message_bytes_max",
            table.message_bytes_max.as_ref(),
            MESSAGE_BYTES_LOW..=MESSAGE_BYTES_HIGH,
            MESSAGE_BYTES_DEFAULT,
        ),
        delivery_log_days: report.number(
            "limits: delivery_log_days",
            table.delivery_log_days.as_ref(),
            1..=DELIVERY_LOG_DAYS_MAX,
            DELIVERY_LOG_DAYS_DEFAULT,
        ),
        shelf_full_percent: report.number(
            "limits: shelf_full_percent",
            table.shelf_full_percent.as_ref(),
            SHELF_FULL_PERCENT_LOW..=SHELF_FULL_PERCENT_HIGH,
            SHELF_FULL_PERCENT_DEFAULT,
        ),
        connections_max: report.number(
            "limits: connections_max",
            table.connections_max.as_ref(),
            1..=CONNECTIONS_HIGH,
            CONNECTIONS_DEFAULT,
        ),
        connections_per_client_max: report.number(
            "limits: connections_per_client_max",
            table.connections_per_client_max.as_ref(),
            1..=CONNECTIONS_HIGH,
            CONNECTIONS_PER_CLIENT_DEFAULT,
        ),
        connections_per_client_per_second: report.number(
            "limits: connections_per_client_per_second",
            table.connections_per_client_per_second.as_ref(),
            1..=CONNECTIONS_HIGH,
            CONNECTIONS_PER_CLIENT_PER_SECOND_DEFAULT,
        ),
    }
}
