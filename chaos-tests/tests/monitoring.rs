//! What is watched exists: each metric that the dashboard or an alert asks for is one that nodes show, and the guide has a
//! word on every alert.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Instant;

use chaos_tests::process::client::{Dialect, Smtp};
use chaos_tests::process::limits::{LOOK_EVERY, PATIENCE};
use chaos_tests::process::{Cluster, Shape};
use serde_json::Value;

/// How metrics of ours begin.
const OURS: [&str; 2] = ["holdfast_", "shelf_"];

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(file(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Names of metrics in a query: what is neither a label's name nor a string.
fn metrics_in(query: &str) -> BTreeSet<String> {
    // What stands in braces are labels, what stands in quotes are their values.
    let mut outside = String::new();
    let mut depth = 0_usize;
    for letter in query.chars() {
        match letter {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ if depth == 0 => outside.push(letter),
            _ => {}
        }
    }
    let words = outside.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    words
        .filter(|word| OURS.iter().any(|start| word.starts_with(start)))
        .map(str::to_owned)
        .collect()
}

/// The queries of the dashboard.
fn dashboard_queries(of: &Value, queries: &mut Vec<String>) {
    match of {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(query) if name == "expr" => queries.push(query.clone()),
                    value => dashboard_queries(value, queries),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| dashboard_queries(item, queries)),
        _ => {}
    }
}

/// The queries of the rules: what follows `expr:`, on its line or indented below it.
fn rule_queries(rules: &str) -> Vec<String> {
    let mut queries: Vec<String> = Vec::new();
    let mut is_block = false;
    for line in rules.lines() {
        if let Some(query) = line.trim_start().strip_prefix("expr:") {
            is_block = query.trim() == "|";
            queries.push(query.to_owned());
        } else if is_block && line.starts_with("          ") {
            queries.last_mut().expect("a block follows its key").push_str(line);
        } else {
            is_block = false;
        }
    }
    queries
}

fn alerts(rules: &str) -> Vec<&str> {
    rules
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("- alert: "))
        .collect()
}

/// What all nodes show now.
fn shown(cluster: &Cluster) -> BTreeSet<String> {
    let page = |node: u16| {
        let url = format!("http://127.0.0.1:{}/metrics", cluster.port(node, 91));
        let output = Command::new("curl").args(["-sSf", "--max-time", "60", &url]).output();
        let output = output.expect("curl is there, as .ci/packages wants it");
        assert!(
            output.status.success(),
            "{url}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).expect("text")
    };
    let name = |line: &str| line.split(['{', ' ']).next().unwrap_or_default().to_owned();
    cluster
        .nodes()
        .flat_map(|node| page(node).lines().map(name).collect::<Vec<_>>())
        .collect()
}

#[test]
fn every_metric_that_the_dashboard_or_an_alert_asks_for_is_one_that_nodes_show() {
    let mut queries = rule_queries(&read("packaging/holdfast.rules.yml"));
    let dashboard: Value =
        serde_json::from_str(&read("packaging/holdfast-dashboard.json")).expect("the dashboard is JSON");
    dashboard_queries(&dashboard, &mut queries);
    let wanted: BTreeSet<String> = queries.iter().flat_map(|query| metrics_in(query)).collect();
    assert!(queries.len() > 30 && wanted.len() > 20, "{wanted:?} in {queries:?}");

    let cluster = Cluster::start(Shape::SMALL);
    let mut session = Smtp::connect(cluster.port(1, 25), Dialect::Smtp).expect("the node listens");
    let outcomes = session.deliver(
        "sender@example.org",
        &["user1@demo.test".to_owned()],
        b"Subject: a\r\n\r\na\r\n",
    );
    assert!(outcomes[0].is_ok(), "{outcomes:?}");
    let deadline = Instant::now() + PATIENCE;
    loop {
        let there = shown(&cluster);
        let missing: Vec<&String> = wanted.difference(&there).collect();
        if missing.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "no node shows {missing:?}, but {there:?}");
        thread::sleep(LOOK_EVERY);
    }
}

#[test]
fn the_guide_has_a_word_on_every_alert() {
    let rules = read("packaging/holdfast.rules.yml");
    let guide = read("docs/monitoring.md");
    assert!(!alerts(&rules).is_empty());
    let untold: Vec<&str> = alerts(&rules)
        .into_iter()
        .filter(|alert| !guide.contains(&format!("`{alert}`")))
        .collect();
    assert!(untold.is_empty(), "{untold:?}");
}

#[test]
fn names_are_found_in_queries_and_nothing_else() {
    let found =
        metrics_in(r#"sum by (shelf) (rate(shelf_sync_seconds_sum{a="holdfast_x"}[5m])) / max(holdfast_groups)"#);
    assert_eq!(
        found.into_iter().collect::<Vec<_>>(),
        ["holdfast_groups", "shelf_sync_seconds_sum"]
    );
}
