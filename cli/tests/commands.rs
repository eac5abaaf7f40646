//! The command line as its help and docs/commands.md tell it: every command has examples that it takes, the page has the
//! help of each as it is, and every field of the JSON that it names.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::{Command as Process, Output};

use clap::{Command, CommandFactory, Parser};
use cli::cluster_status::ClusterStatus;
use cli::command::Cli;
use cluster_config::admin::{
    AccountRow, AliasRow, CheckRow, DomainRow, GroupCheckRow, LimitRow, MemberRow, NodeReport, QueueRow, ReplicaRow,
    ShelfRow, ShelfState, TraceRow,
};
use serde::Serialize;
use serde_json::Value;

/// Set, it writes the page anew.
const WRITE: &str = "HOLDFAST_WRITE_DOCS";
const GENERATED: &str = "<!-- From here on the test `commands` writes this page: HOLDFAST_WRITE_DOCS=1 cargo test -p cli --test commands -->";

/// Every command with its whole name, the tool itself first.
fn commands() -> Vec<(String, Command)> {
    fn add(name: String, command: &Command, all: &mut Vec<(String, Command)>) {
        all.push((name.clone(), command.clone()));
        let below = command.get_subcommands().filter(|below| below.get_name() != "help");
        below.for_each(|below| add(format!("{name} {}", below.get_name()), below, all));
    }
    let mut tool = Cli::command().term_width(100);
    tool.build();
    let mut all = Vec::new();
    add("holdfast".to_owned(), &tool, &mut all);
    all
}

/// The lines under `Example:` or `Examples:`.
fn examples(command: &Command) -> Vec<String> {
    let text = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let lines = text.lines().skip_while(|line| !line.starts_with("Example"));
    let lines = lines.skip(1).take_while(|line| line.starts_with("  "));
    lines.map(|line| line.trim().to_owned()).collect()
}

/// The words that a shell would hand to `holdfast` on such a line.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), String::new(), false);
    for letter in line.chars() {
        match letter {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.push(std::mem::take(&mut word)),
            letter => word.push(letter),
        }
    }
    words.push(word);
    let from = words.iter().position(|word| word == "holdfast").unwrap_or(words.len());
    let ends = |word: &String| ["<", ">", "|", "&&"].contains(&word.as_str());
    words.into_iter().skip(from).take_while(|word| !ends(word)).collect()
}

#[test]
fn every_command_has_an_example_that_it_takes() {
    let mut wrong = Vec::new();
    for (name, command) in commands() {
        let examples = examples(&command);
        if examples.is_empty() {
            wrong.push(format!("{name}: no example"));
        }
        for example in examples {
            let words = words(&example);
            let called = words.join(" ");
            if let Err(error) = Cli::try_parse_from(&words) {
                wrong.push(format!("{name}: {example:?} is refused: {error}"));
            }
            // An example shows the command that it stands under, options of the tool aside.
            let shows = name
                .split(' ')
                .skip(1)
                .all(|part| words.iter().any(|word| word == part));
            if !shows || !called.starts_with("holdfast ") {
                wrong.push(format!("{name}: {example:?} is about something else"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_option_and_argument_is_explained() {
    let mut silent = Vec::new();
    for (name, command) in commands() {
        for argument in command.get_arguments() {
            if argument.get_help().is_none() {
                silent.push(format!("{name}: {}", argument.get_id()));
            }
        }
        if command.get_about().is_none() {
            silent.push(name);
        }
    }
    assert!(silent.is_empty(), "{silent:?}");
}

fn page() -> (PathBuf, String) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/commands.md");
    let text = fs::read_to_string(&path).expect("docs/commands.md");
    (path, text)
}

#[test]
fn the_page_has_the_help_of_every_command() {
    let (path, text) = page();
    let (by_hand, _) = text
        .split_once(GENERATED)
        .expect("the line from where the page is written");
    let mut whole = format!("{by_hand}{GENERATED}\n");
    for (name, mut command) in commands() {
        if name != "holdfast" {
            // Those stand under the tool itself.
            let of_every_command = ["config", "dir", "json", "quiet", "color", "help"];
            command = command.mut_args(|argument| {
                let hidden = of_every_command.contains(&argument.get_id().as_str());
                if hidden { argument.hide(true) } else { argument }
            });
        }
        let help = command.render_long_help().to_string();
        let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
        whole.push_str(&format!(
            "\n### `{name}`\n\n```\n{}\n```\n",
            lines.join("\n").trim_end()
        ));
    }
    if std::env::var_os(WRITE).is_some() {
        fs::write(&path, &whole).unwrap();
        return;
    }
    assert!(
        text == whole,
        "docs/commands.md is not what the help says: {WRITE}=1 cargo test -p cli --test commands writes it"
    );
}

/// The keys of a value, at any depth.
fn keys(value: &Value, all: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                all.insert(key.clone());
                keys(value, all);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| keys(value, all)),
        _ => {}
    }
}

/// Fails unless the section of the page that is called so has every key of `value`.
#[track_caller]
fn documented(section: &str, value: &impl Serialize) {
    let (_, text) = page();
    let (by_hand, _) = text.split_once(GENERATED).unwrap();
    let start = by_hand
        .find(&format!("\n- {section}: "))
        .unwrap_or_else(|| panic!("no section {section}"));
    let rest = &by_hand[start + 1..];
    let section_text = rest.split("\n- ").next().unwrap().split("\n\n").next().unwrap();
    let mut all = BTreeSet::new();
    keys(&serde_json::to_value(value).unwrap(), &mut all);
    assert!(!all.is_empty());
    let missing: Vec<_> = all
        .iter()
        .filter(|key| !section_text.contains(&format!("`{key}`")))
        .collect();
    assert!(missing.is_empty(), "{section} of docs/commands.md lacks {missing:?}");
}

fn text(text: &str) -> String {
    text.to_owned()
}

#[test]
fn the_fields_of_lists_are_documented() {
    documented(
        "`account list`",
        &AccountRow {
            account: 1,
            group: 1,
            state: text("active"),
            addresses: vec![],
            quota_bytes: Some(1),
            created_ms: 1,
        },
    );
    let (alias_of, catch_all) = (Some(text("b")), Some(text("c")));
    documented(
        "`domain list`",
        &DomainRow {
            domain: text("a"),
            alias_of,
            catch_all,
        },
    );
    documented(
        "`alias list`",
        &AliasRow {
            address: text("a"),
            targets: vec![],
        },
    );
    documented(
        "`queue`",
        &QueueRow {
            id: text("i"),
            sender: text("s"),
            recipient: text("r"),
            message_id: Some(text("m")),
            group: 1,
            target: 1,
            queued_ms: 1,
            attempts: 1,
            next_ms: 1,
        },
    );
    documented(
        "`trace`",
        &TraceRow {
            time_ms: 1,
            id: text("i"),
            node: text("n"),
            protocol: text("p"),
            peer: text("p"),
            sender: text("s"),
            recipient: text("r"),
            message_id: Some(text("m")),
            outcome: text("o"),
            detail: text("d"),
            bytes: 1,
        },
    );
    let findings = vec![text("f")];
    let (account, mailboxes, messages) = (1, 1, 1);
    documented(
        "`check`",
        &CheckRow {
            account,
            mailboxes,
            messages,
            findings: findings.clone(),
        },
    );
    documented(
        "`check`",
        &GroupCheckRow {
            group: 1,
            bodies: 1,
            references: 1,
            findings,
        },
    );
}

#[test]
fn the_fields_of_the_status_are_documented() {
    let report = NodeReport {
        cluster: text("c"),
        node: text("n1"),
        version: text("1"),
        pid: 1,
        uptime_s: 1,
        shelves: vec![ShelfRow {
            name: text("a"),
            state: ShelfState::Failed,
            reason: Some(text("why")),
            free_bytes: None,
            total_bytes: None,
        }],
        replicas: vec![ReplicaRow {
            replica: 1,
            group: 0,
            leads: true,
            term: 1,
            committed_index: 1,
            applied_index: 1,
            members: vec![MemberRow {
                replica: 1,
                node: text("n1"),
                shelf: text("a"),
                votes: true,
            }],
            stopped: None,
        }],
        dead_nodes: vec![],
        clock: None,
    };
    let answers = vec![(text("n1"), Ok(report)), (text("n2"), Err(text("refused")))];
    documented("`status`", &ClusterStatus::of(answers, 0));
}

/// A cluster file in a directory of its own.
fn site() -> tempfile::TempDir {
    let shape = cluster_config::demo::DemoShape {
        nodes: 2,
        shelves: 2,
        groups: 2,
        base_port: 20_000,
    };
    let dir = tempfile::tempdir().unwrap();
    fs::write(
        dir.path().join("cluster.toml"),
        cluster_config::demo::cluster_file(&shape).unwrap(),
    )
    .unwrap();
    dir
}

fn holdfast(site: &tempfile::TempDir, arguments: &[&str]) -> Output {
    let mut tool = Process::new(env!("CARGO_BIN_EXE_holdfast"));
    tool.arg("--dir").arg(site.path()).args(arguments).output().unwrap()
}

fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON and nothing else")
}

#[test]
fn what_needs_no_node_tells_json_as_documented() {
    let site = site();
    let checked = json(&holdfast(&site, &["config", "check", "--json"]));
    assert_eq!(checked["shelves"], 4);
    documented("`config check`", &checked);

    let founded = json(&holdfast(&site, &["init", "--node", "n1", "--json"]));
    assert_eq!(founded["carry"][0]["node"], "n2");
    documented("`init`", &founded);

    let plan = site.path().join("n1/founding.toml");
    let out = site.path().join("new");
    let issue = [
        "ca",
        "issue",
        "--service",
        "--json",
        "--plan",
        plan.to_str().unwrap(),
        "--out",
        out.to_str().unwrap(),
    ];
    let mut issuing = Process::new(env!("CARGO_BIN_EXE_holdfast"))
        .arg("--dir")
        .arg(site.path())
        .args(issue)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let key = founded["recovery_key"].as_str().unwrap();
    std::io::Write::write_all(&mut issuing.stdin.take().unwrap(), key.as_bytes()).unwrap();
    documented("`ca issue`", &json(&issuing.wait_with_output().unwrap()));

    let pages = site.path().join("man");
    let written = json(&holdfast(&site, &["man", "--json", "--out", pages.to_str().unwrap()]));
    documented("`man`", &written);
    for (name, _) in commands() {
        let page = pages.join(format!("{}.1", name.replace(' ', "-")));
        let page = fs::read_to_string(&page).unwrap_or_else(|error| panic!("{}: {error}", page.display()));
        assert!(page.contains("Example"), "{name}");
    }
}

#[test]
fn config_show_tells_every_value_and_limit_and_where_they_are_from() {
    let site = site();
    let shown = json(&holdfast(&site, &["config", "show", "--json"]));
    documented("`config show`", &shown);
    documented("`config show`", &LimitRow::from(cli::limits::table().remove(0)));
    let of = |key: &str| {
        let rows = shown["settings"].as_array().unwrap();
        let row = rows
            .iter()
            .find(|row| row["key"] == key)
            .unwrap_or_else(|| panic!("no {key}"));
        (row["value"].clone(), row["from"].clone())
    };
    assert_eq!(of("cluster: groups"), (Value::from("2"), Value::from("line 5")));
    assert_eq!(
        of("limits: delivery_log_days"),
        (Value::from("30"), Value::from("default"))
    );
    let limits = shown["limits"].as_array().unwrap();
    let own = limits
        .iter()
        .find(|limit| limit["part"] == "cli" && limit["name"] == "CONNECT_WITHIN")
        .unwrap();
    assert_eq!((&own["value"], &own["unit"]), (&Value::from(4_000), &Value::from("ms")));

    // The same in lines, of which a word picks some.
    let lines = holdfast(&site, &["config", "show", "CONNECT_within"]);
    let lines = String::from_utf8(lines.stdout).unwrap();
    assert_eq!(
        lines,
        "limit\tcli\tCONNECT_WITHIN\t4000\tms\tHow long a node may take to be reached, TLS included.\n"
    );
}

#[test]
fn colors_are_there_when_asked_for_and_never_else_in_a_pipe() {
    let site = site();
    let shown = |arguments: &[&str]| holdfast(&site, arguments).stdout.contains(&0x1b);
    assert!(!shown(&["config", "show", "cluster"]));
    assert!(!shown(&["config", "show", "cluster", "--color", "never"]));
    assert!(shown(&["config", "show", "cluster", "--color", "always"]));
    assert!(!shown(&["--help"]));
    assert!(shown(&["--color=always", "--help"]));
}

#[test]
fn quiet_says_nothing_of_what_was_done() {
    let site = site();
    let checked = holdfast(&site, &["config", "check", "--quiet"]);
    let said = String::from_utf8(checked.stdout).unwrap();
    assert!(
        checked.status.success() && said.lines().all(|line| line.starts_with("warning: ")),
        "{said}"
    );
}
