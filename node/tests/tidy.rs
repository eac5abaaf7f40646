//! The rules of the house that no compiler knows: arrows between crates, what each may depend on, licences, and how
//! files look. What it says about a rule is in ARCHITECTURE.md; the list of licences is in deny.toml.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Crates of ours that each crate may name. Those that are not listed are above all others and may name any.
const ARROWS: &[(&str, &[&str])] = &[
    ("mail-model", &[]),
    ("mail-message", &["mail-model"]),
    ("imap-wire", &["mail-model"]),
    ("pop3-wire", &["mail-model"]),
    ("smtp-wire", &["mail-model"]),
    ("shelf", &["mail-model"]),
    ("replication", &["mail-model", "shelf"]),
    ("mailstore", &["mail-message", "mail-model", "replication"]),
    ("cluster-config", &["mail-model"]),
    ("cli", &["cluster-config", "mail-model"]),
];

/// Dependencies that one part of the house has to itself, and which crates that is.
const KEPT: &[(&str, &[&str])] = &[
    ("openraft", &["replication"]),
    ("openraft-rt-sim", &["replication", "chaos-tests"]),
    ("quinn", &["replication"]),
    ("rocksdb", &["shelf"]),
    ("mail-parser", &["mail-message"]),
    ("smtp-proto", &["smtp-wire"]),
];

/// Crates that do no I/O and have no clock.
const PURE: &[&str] = &[
    "mail-model",
    "mail-message",
    "imap-wire",
    "pop3-wire",
    "smtp-wire",
    "cluster-config",
];
const IMPURE: &[&str] = &["tokio", "tokio-rustls", "tokio-util", "futures", "axum", "nix", "rand"];

/// Dependencies of which a second version would mean a second C build, or types that do not meet.
const SINGLE: &[&str] = &[
    "aws-lc-rs",
    "aws-lc-sys",
    "bytes",
    "librocksdb-sys",
    "mail-parser",
    "minicbor",
    "openraft",
    "quinn",
    "rocksdb",
    "rustls",
    "serde",
    "tokio",
    "x509-parser",
    "zstd-sys",
];
const BANNED: &[&str] = &[
    "ring",
    "openssl-sys",
    "native-tls",
    "bincode",
    "sieve-rs",
    "indymilter",
    "milter",
];

/// Lines of a file above its unit tests.
const PRODUCTION_LINES_MAX: usize = 800;

fn root() -> PathBuf {
    let node = Path::new(env!("CARGO_MANIFEST_DIR"));
    node.parent().expect("the node crate is in the workspace").to_owned()
}

/// What cargo prints for the workspace, without asking anybody.
fn cargo(arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO"));
    let output = command
        .current_dir(root())
        .args(arguments)
        .args(["--locked", "--offline"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A crate of ours, with what it depends on outside its tests.
struct Member {
    name: String,
    uses: BTreeSet<String>,
}

fn members() -> Vec<Member> {
    let metadata: Value = serde_json::from_str(&cargo(&["metadata", "--no-deps", "--format-version", "1"])).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let member = |package: &Value| Member {
        name: text(&package["name"]),
        uses: package["dependencies"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|dependency| dependency["kind"].is_null())
            .map(|dependency| text(&dependency["name"]))
            .collect(),
    };
    metadata["packages"].as_array().unwrap().iter().map(member).collect()
}

/// (name, version, licence) of everything that is built here, tests and build scripts included.
fn built() -> BTreeSet<(String, String, String)> {
    let tree = [
        "tree",
        "--workspace",
        "--edges",
        "normal,build,dev",
        "--prefix",
        "none",
        "--format",
        "{p}|{l}",
    ];
    let package = |line: &str| {
        let (package, licence) = line.trim_end_matches(" (*)").split_once('|').unwrap();
        let mut words = package.split(' ');
        let mut word = || words.next().unwrap().to_owned();
        (word(), word(), licence.to_owned())
    };
    cargo(&tree)
        .lines()
        .filter(|line| !line.is_empty())
        .map(package)
        .collect()
}

/// Files of the project: below the root, but for what tools leave there.
fn files() -> Vec<PathBuf> {
    let (mut files, mut left) = (Vec::new(), vec![root()]);
    while let Some(dir) = left.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                if name != ".git" && name != "target" {
                    left.push(path);
                }
            } else if !name.ends_with(".swp") {
                files.push(path);
            }
        }
    }
    assert!(files.len() > 50, "the project has more files than {files:?}");
    files
}

/// Text files as (path below the root, contents).
fn texts() -> impl Iterator<Item = (String, String)> {
    let root = root();
    files().into_iter().filter_map(move |path| {
        let text = fs::read_to_string(&path).ok()?;
        Some((path.strip_prefix(&root).unwrap().display().to_string(), text))
    })
}

fn sources() -> impl Iterator<Item = (String, String)> {
    texts().filter(|(path, _)| path.ends_with(".rs"))
}

/// Fails with all findings at once.
fn none(rule: &str, findings: Vec<String>) {
    assert!(findings.is_empty(), "{rule}:\n  {}", findings.join("\n  "));
}

#[test]
fn arrows_between_crates_point_down() {
    let members = members();
    let ours: BTreeSet<&String> = members.iter().map(|member| &member.name).collect();
    let mut findings = Vec::new();
    for (name, _) in ARROWS {
        assert!(ours.contains(&(*name).to_owned()), "there is no crate {name}");
    }
    for member in &members {
        let Some((_, may)) = ARROWS.iter().find(|(name, _)| *name == member.name) else {
            continue;
        };
        let named = member
            .uses
            .iter()
            .filter(|name| ours.contains(name) && !may.contains(&name.as_str()));
        findings.extend(named.map(|name| format!("{} -> {name}", member.name)));
    }
    none("these crates name what they must not know", findings);
}

#[test]
fn dependencies_stay_where_they_belong() {
    let mut findings = Vec::new();
    for member in members() {
        for (dependency, crates) in KEPT {
            if member.uses.contains(*dependency) && !crates.contains(&member.name.as_str()) {
                findings.push(format!(
                    "{} uses {dependency}, which belongs to {}",
                    member.name,
                    crates.join(", ")
                ));
            }
        }
        if PURE.contains(&member.name.as_str()) {
            let impure = IMPURE.iter().filter(|dependency| member.uses.contains(**dependency));
            findings.extend(impure.map(|dependency| format!("{} does no I/O, but uses {dependency}", member.name)));
        }
    }
    none("dependencies out of place", findings);
}

#[test]
fn every_dependency_has_a_licence_that_fits() {
    let deny = fs::read_to_string(root().join("deny.toml")).unwrap();
    let (_, list) = deny.split_once("allow = [").unwrap();
    let (list, _) = list.split_once(']').unwrap();
    let allowed: BTreeSet<&str> = list.split('"').skip(1).step_by(2).collect();
    assert!(allowed.contains("MIT") && !allowed.contains("GPL-3.0-only"));
    let unfit = built().into_iter().filter(|(_, _, licence)| !fits(licence, &allowed));
    none(
        "licences that deny.toml does not allow",
        unfit.map(|(name, _, licence)| format!("{name}: {licence}")).collect(),
    );
}

/// Whether an SPDX expression can be met with `allowed`; a slash is the old way to write OR. What cannot be read, cannot.
fn fits(expression: &str, allowed: &BTreeSet<&str>) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    any_of(&words, &mut at, allowed) == Some(true) && at == words.len()
}

fn any_of(words: &[&str], at: &mut usize, allowed: &BTreeSet<&str>) -> Option<bool> {
    let mut met = all_of(words, at, allowed)?;
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        met |= all_of(words, at, allowed)?;
    }
    Some(met)
}

fn all_of(words: &[&str], at: &mut usize, allowed: &BTreeSet<&str>) -> Option<bool> {
    let mut met = one(words, at, allowed)?;
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        met &= one(words, at, allowed)?;
    }
    Some(met)
}

fn one(words: &[&str], at: &mut usize, allowed: &BTreeSet<&str>) -> Option<bool> {
    let word = *words.get(*at)?;
    *at += 1;
    if word == "(" {
        let met = any_of(words, at, allowed)?;
        *at += 1;
        return (words.get(*at - 1) == Some(&")")).then_some(met);
    }
    if words.get(*at) == Some(&"WITH") {
        let exception = words.get(*at + 1)?;
        *at += 2;
        return Some(allowed.contains(format!("{word} WITH {exception}").as_str()));
    }
    Some(allowed.contains(word))
}

#[test]
fn licence_expressions_mean_what_they_say() {
    let allowed = BTreeSet::from(["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"]);
    for fit in [
        "MIT",
        "GPL/MIT",
        "GPL OR MIT",
        "MIT AND ISC",
        "(GPL OR MIT) AND ISC",
        "Apache-2.0 WITH LLVM-exception OR GPL",
    ] {
        assert!(fits(fit, &allowed), "{fit}");
    }
    for unfit in [
        "",
        "GPL",
        "MIT AND GPL",
        "GPL OR Apache-2.0",
        "(GPL AND MIT) OR GPL",
        "MIT OR",
        "(MIT",
        "(MIT ISC",
        "MIT MIT",
    ] {
        assert!(!fits(unfit, &allowed), "{unfit}");
    }
}

#[test]
fn what_must_be_single_is_and_what_is_banned_is_not_there() {
    let mut versions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, version, _) in built() {
        versions.entry(name).or_default().insert(version);
    }
    assert!(versions.contains_key("rustls") && versions.contains_key("rocksdb"));
    let many = SINGLE.iter().filter_map(|name| {
        versions
            .get(*name)
            .filter(|found| found.len() > 1)
            .map(|found| (name, found))
    });
    let mut findings: Vec<String> = many.map(|(name, found)| format!("{name} in {found:?}")).collect();
    findings.extend(
        BANNED
            .iter()
            .filter(|name| versions.contains_key(**name))
            .map(|name| format!("{name} is banned")),
    );
    let deny = fs::read_to_string(root().join("deny.toml")).unwrap();
    let unsaid = BANNED.iter().filter(|name| !deny.contains(&format!("\"{name}\"")));
    findings.extend(unsaid.map(|name| format!("deny.toml does not ban {name}")));
    none("dependencies", findings);
}

/// The constants of a `limits.rs` that others can see, and those that its table names.
fn bounds_of(text: &str) -> (BTreeSet<&str>, BTreeSet<&str>) {
    let declared = text.lines().filter(|line| line.starts_with("pub"));
    let declared = declared.filter_map(|line| Some(line.split_once("const ")?.1.split_once(':')?.0));
    let table = text.rsplit_once("limits_table!(").map_or("", |(_, table)| table);
    let (_, names) = table.split_once(':').unwrap_or_default();
    let (names, _) = names.split_once(");").unwrap_or_default();
    // The name of the part may have a colon of its own.
    let names = names.rsplit_once(':').map_or(names, |(_, names)| names);
    let named = names.split(',').map(str::trim).filter(|name| !name.is_empty());
    (declared.filter(|name| !name.contains(' ')).collect(), named.collect())
}

#[test]
fn every_bound_is_shown_to_the_administrator() {
    let all = node::limits::every_limit();
    let mut findings = Vec::new();
    let mut files = 0;
    for (path, text) in sources() {
        let is_of_tests =
            ["benches/", "chaos-tests/"].iter().any(|dir| path.starts_with(dir)) || path.contains("tests/");
        if !path.ends_with("limits.rs") || is_of_tests {
            continue;
        }
        files += 1;
        let (declared, named) = bounds_of(&text);
        let missing = declared.symmetric_difference(&named);
        findings
            .extend(missing.map(|name| format!("{path}: {name} stands above or in limits_table!, and not in both")));
        // The tool shows its own by itself: the node does not know the tool.
        let shown = |name: &str| all.iter().any(|limit| limit.name.split('.').next() == Some(name));
        let unshown = declared
            .iter()
            .filter(|name| path != "cli/src/limits.rs" && !shown(name));
        findings.extend(unshown.map(|name| format!("{path}: every_limit of the node does not show {name}")));
    }
    assert!(files >= 16, "{files} files");
    let silent = all.iter().filter(|limit| limit.protects.is_empty());
    findings.extend(silent.map(|limit| format!("{} {}: nothing says what it is for", limit.part, limit.name)));
    none("bounds that no administrator sees", findings);
}

#[test]
fn a_bound_that_its_table_leaves_out_is_found() {
    let text = "pub const A: u8 = 1;\npub(crate) const B: u8 = 2;\nconst C: u8 = 3;\npub const fn d() {}\n\
                mail_model::limits_table!(\"x: y\": A,\n    E);\n";
    let (declared, named) = bounds_of(text);
    assert_eq!(
        (declared, named),
        (BTreeSet::from(["A", "B"]), BTreeSet::from(["A", "E"]))
    );
}

#[test]
fn every_source_file_says_first_what_it_is_for() {
    let silent = sources().filter(|(_, text)| !text.starts_with("//! ") && !text.starts_with("#!["));
    none(
        "files that do not begin with //!",
        silent.map(|(path, _)| path).collect(),
    );
}

#[test]
fn no_source_file_is_longer_than_a_reader_can_hold() {
    let lines = |text: &str| {
        text.lines()
            .take_while(|line| !line.starts_with("#[cfg(test)]"))
            .count()
    };
    let long = sources().filter(|(path, text)| path.contains("src/") && lines(text) > PRODUCTION_LINES_MAX);
    none(
        "files with more than 800 lines above their tests",
        long.map(|(path, _)| path).collect(),
    );
}

/// Needles that this file must not contain in one piece, since it is searched too.
fn needles(halves: &[(&str, &str)]) -> Vec<String> {
    halves.iter().map(|(front, back)| format!("{front}{back}")).collect()
}

fn lines_with(files: impl Iterator<Item = (String, String)>, needles: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    for (path, text) in files {
        for (number, line) in text.lines().enumerate() {
            if needles.iter().any(|needle| line.contains(needle.as_str())) {
                found.push(format!("{path}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    found
}

#[test]
fn nothing_is_left_undone_and_no_test_is_skipped() {
    let undone = needles(&[
        ("todo", "!("),
        ("unimplemented", "!("),
        ("#[ig", "nore"),
        ("TO", "DO"),
        ("FIX", "ME"),
    ]);
    none("unfinished", lines_with(sources(), &undone));
}

#[test]
fn no_file_names_a_machine_of_ours_or_a_registry() {
    let places = needles(&[
        ("/ro", "ot/"),
        ("/ho", "me/"),
        ("/wo", "rk/"),
        ("/Us", "ers/"),
        ("crates", ".io"),
        ("pypi", ".org"),
        ("npmjs", ".com"),
    ]);
    // Cargo writes there where each package is from.
    let written = texts().filter(|(path, _)| !path.ends_with("Cargo.lock"));
    none("places that only one machine has", lines_with(written, &places));
}
