//! What goes wrong: each error names the file or the node, the key with its line, and what to do; each exit status is the
//! documented one. Nodes are played by a thread that answers as one would.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::SystemTime;

use cli::found::{self, Places};
use cluster_config::{ClusterConfig, demo, tls};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// A cluster of two nodes, founded, with its admin listeners on ports that nobody else has.
struct Site {
    dir: tempfile::TempDir,
    config: ClusterConfig,
    /// Taken, and answered by nobody yet.
    ports: Vec<Option<TcpListener>>,
}

impl Site {
    fn new() -> Self {
        let ports: Vec<_> = (0..2).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let shape = demo::DemoShape {
            nodes: 2,
            shelves: 2,
            groups: 2,
            base_port: 20_000,
        };
        let text = demo::cluster_file(&shape).unwrap();
        let (head, nodes) = text.split_once("\n[[node]]").unwrap();
        let nodes = nodes.split("\n[[node]]").zip(&ports).map(|(node, port)| {
            let port = port.local_addr().unwrap().port();
            let listeners = format!("[node.listeners]\nadmin = {{ port = {port} }}\n\n[[node.shelf]]");
            node.replacen("[[node.shelf]]", &listeners, 1)
        });
        let text = format!("{head}\n[[node]]{}", nodes.collect::<Vec<_>>().join("\n[[node]]"));
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("cluster.toml");
        fs::write(&file, text).unwrap();
        let config = ClusterConfig::load(&file).unwrap();
        let bundles = dir.path().join("bundles");
        let places = Places {
            here: &[],
            bundles: &bundles,
        };
        found::prepare(&config, places, SystemTime::now())
            .unwrap()
            .write()
            .unwrap();
        let ports = ports.into_iter().map(Some).collect();
        Self { dir, config, ports }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A node that answers every call alike: with this status and body, or, without, by closing the connection.
    fn node(&mut self, number: usize, answer: Option<(u16, &str)>) {
        let node = &self.config.nodes[number];
        let credentials = tls::Credentials::load(&node.node_certificate(), &node.authority()).unwrap();
        let config = Arc::new(tls::admin_server_config(&credentials).unwrap());
        let port = self.ports[number].take().expect("nobody answers there yet");
        let answer = answer.map(|(status, body)| {
            let length = body.len();
            format!("HTTP/1.1 {status} x\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
        });
        std::thread::spawn(move || {
            for stream in port.incoming() {
                // A tool that does not trust the node has gone already.
                let _ = answer_one(stream.unwrap(), &config, answer.as_deref());
            }
        });
    }

    /// Nobody listens there any more.
    fn close(&mut self, number: usize) -> u16 {
        self.ports[number].take().unwrap().local_addr().unwrap().port()
    }

    fn run(&self, arguments: &[&str]) -> Failed {
        Failed::of(
            Command::new(tool())
                .arg("--dir")
                .arg(self.dir.path())
                .args(arguments)
                .output()
                .unwrap(),
        )
    }
}

fn answer_one(stream: TcpStream, config: &Arc<ServerConfig>, answer: Option<&str>) -> std::io::Result<()> {
    let connection = ServerConnection::new(config.clone()).map_err(std::io::Error::other)?;
    let mut stream = StreamOwned::new(connection, stream);
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).to_lowercase();
    let (_, length) = head.split_once("content-length: ").expect("a length");
    let length: usize = length.split("\r\n").next().unwrap().parse().unwrap();
    stream.read_exact(&mut vec![0; length])?;
    if let Some(answer) = answer {
        stream.write_all(answer.as_bytes())?;
        stream.conn.send_close_notify();
        stream.flush()?;
    }
    Ok(())
}

fn tool() -> &'static str {
    env!("CARGO_BIN_EXE_holdfast")
}

/// What a run of the tool ended with.
struct Failed {
    status: i32,
    said: String,
}

impl Failed {
    fn of(output: Output) -> Self {
        Self {
            status: output.status.code().expect("no signal"),
            said: String::from_utf8(output.stderr).unwrap(),
        }
    }

    #[track_caller]
    fn is(&self, status: i32, words: &[&str]) {
        let missing: Vec<_> = words.iter().filter(|word| !self.said.contains(**word)).collect();
        assert!(missing.is_empty(), "{missing:?} is not in: {}", self.said);
        assert_eq!(self.status, status, "{}", self.said);
        assert!(
            self.said.starts_with("holdfast: ") || self.said.starts_with("error: "),
            "{}",
            self.said
        );
    }
}

/// Runs the tool on a cluster file with this text.
fn with_file(text: &str) -> Failed {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("cluster.toml"), text).unwrap();
    in_dir(dir.path(), &["config", "check"])
}

fn in_dir(dir: &Path, arguments: &[&str]) -> Failed {
    Failed::of(Command::new(tool()).current_dir(dir).args(arguments).output().unwrap())
}

#[test]
fn a_cluster_file_that_is_not_there_or_cannot_be_read_is_named_with_the_way_out() {
    let dir = tempfile::tempdir().unwrap();
    in_dir(dir.path(), &["status"]).is(
        1,
        &["no cluster.toml here", "--config FILE or --dir DIR", "holdfast demo"],
    );
    in_dir(dir.path(), &["--config", "x.toml", "status"]).is(1, &["/x.toml: No such file", "docs/cluster-file.md"]);
    in_dir(dir.path(), &["--config", ".", "status"]).is(1, &["Is a directory", "name the file itself"]);
    fs::write(dir.path().join("noise"), [0xff, 0xfe, 0]).unwrap();
    in_dir(dir.path(), &["--config", "noise", "status"]).is(1, &["/noise: ", "UTF-8", "is it another file?"]);
    fs::write(dir.path().join("large"), vec![b'#'; 5 << 20]).unwrap();
    in_dir(dir.path(), &["--config", "large", "status"]).is(1, &["/large: it has 5242880 bytes", "at most 4194304"]);
}

#[test]
fn what_is_wrong_in_a_cluster_file_is_told_with_line_key_and_remedy() {
    with_file("[cluster\n").is(1, &["cluster.toml:1: ", "unclosed table"]);
    let groups = "[cluster]\nname = \"a\"\ngroups = \"many\"\n";
    with_file(groups).is(
        1,
        &[
            "cluster.toml:3: cluster: groups: ",
            "expected a whole number",
            "docs/cluster-file.md",
        ],
    );
    let misspelled = "[cluster]\nname = \"a\"\n[service]\nnames = [\"x.org\"]\n[[node]]\nname = \"n1\"\nhots = \"a\"\n";
    with_file(misspelled).is(1, &["cluster.toml:7: node: hots: unknown field `hots`", "`host`"]);
    let twofold = "[cluster]\nname = \"a\"\nreplication = 2\n[service]\nnames = []\nkey = \"a\"\n";
    with_file(twofold).is(
        1,
        &[
            "things are wrong in the cluster file:\n",
            "cluster.toml:3: cluster: replication: two replicas survive no loss",
            "choose 3, or 1",
            "cluster.toml:5: service: names: there is none",
            "cluster.toml:6: service: key: there is a key but no certificate; add service.certificate",
        ],
    );
}

#[test]
fn wrong_usage_is_status_2_and_says_what_would_be_right() {
    let site = Site::new();
    site.run(&["stauts"]).is(2, &["a similar subcommand exists: 'status'"]);
    site.run(&["account", "quota", "a@b.c", "5X"])
        .is(2, &["as in 500M or 5G"]);
    site.run(&["ca", "issue", "--admin", "Ann", "--out", "x"])
        .is(2, &["\"Ann\" is not a name; use 1 to 32 of a-z"]);
}

#[test]
fn a_certificate_that_is_missing_or_wrong_is_named_with_the_way_out() {
    let mut site = Site::new();
    site.node(0, Some((200, "{}")));
    fs::copy(site.path("n1/node.pem"), site.path("admin/admin.pem")).unwrap();
    let other_key = site.run(&["domain", "list"]);
    other_key.is(1, &["admin/admin.pem with ", "admin/admin.key", "KeyMismatch"]);
    fs::copy(site.path("n1/node.key"), site.path("admin/admin.key")).unwrap();
    let of_a_node = site.run(&["domain", "add", "a.b"]);
    of_a_node.is(
        1,
        &[
            "admin/admin.pem is not an administrator's certificate",
            "holdfast ca issue",
        ],
    );
    fs::write(site.path("admin/admin.pem"), "nothing").unwrap();
    site.run(&["domain", "list"])
        .is(1, &["admin/admin.pem: there is none in it"]);
    fs::remove_dir_all(site.path("admin")).unwrap();
    let missing = site.run(&["domain", "list"]);
    missing.is(
        1,
        &[
            "this needs the administrator's certificate",
            "holdfast init makes it",
            "admin_dir",
        ],
    );
}

#[test]
fn a_stranger_is_told_that_the_clusters_are_two() {
    let (mut ours, theirs) = (Site::new(), Site::new());
    ours.node(0, Some((200, "{}")));
    ours.node(1, Some((200, "{}")));
    // The certificate of another cluster's administrator, and then trust in that cluster's CA as well.
    for file in ["admin.pem", "admin.key"] {
        fs::copy(theirs.path("admin").join(file), ours.path("admin").join(file)).unwrap();
    }
    let refused = ours.run(&["domain", "add", "a.b"]);
    refused.is(
        1,
        &[
            "node n1 (127.0.0.1 port ",
            " refuses ",
            "admin/admin.pem",
            "holdfast ca issue --admin NAME",
        ],
    );
    fs::copy(theirs.path("admin/ca.pem"), ours.path("admin/ca.pem")).unwrap();
    let distrusted = ours.run(&["status"]);
    distrusted.is(
        1,
        &["admin/ca.pem does not vouch for", "same cluster, is the clock right"],
    );
}

#[test]
fn nodes_that_do_not_answer_are_named_with_their_address() {
    let mut site = Site::new();
    let ports = [site.close(0), site.close(1)];
    let list = site.run(&["domain", "list"]);
    let places = ports.map(|port| format!("(127.0.0.1 port {port}) does not run, or listens elsewhere"));
    list.is(1, &["no node can be asked:\n  node n1 ", &places[0], &places[1]]);
    let status = site.run(&["status"]);
    assert_eq!(status.status, 4, "{}", status.said);
}

#[test]
fn what_one_node_cannot_do_now_another_one_is_asked() {
    let mut site = Site::new();
    site.node(0, Some((503, "{\"kind\":\"unavailable\",\"error\":\"no leader\"}")));
    site.node(1, Some((200, "{}")));
    assert_eq!(site.run(&["domain", "add", "a.b"]).status, 0);
}

#[test]
fn a_refusal_is_final_and_says_where_to_look() {
    let mut site = Site::new();
    site.node(
        0,
        Some((
            409,
            "{\"kind\":\"refused\",\"error\":\"no account has the address a@b.c\"}",
        )),
    );
    site.node(1, Some((200, "{}")));
    let refused = site.run(&["account", "disable", "a@b.c"]);
    refused.is(
        1,
        &["no account has the address a@b.c; holdfast account list shows all accounts"],
    );
}

#[test]
fn a_change_without_an_answer_is_status_5_and_asked_of_nobody_else() {
    let mut site = Site::new();
    site.node(0, None);
    site.node(1, Some((200, "{}")));
    let silent = site.run(&["domain", "add", "a.b"]);
    silent.is(
        5,
        &[
            "node n1 gave no answer",
            "may have taken effect or not",
            "look, then ask again",
        ],
    );
    assert!(!silent.said.contains("http"), "{}", silent.said);
    // A question changes nothing, so that another node may be asked.
    let mut asked = Site::new();
    asked.node(0, None);
    asked.node(1, Some((200, "{\"rows\":[],\"more\":false}")));
    assert_eq!(asked.run(&["domain", "list"]).status, 0);
}

#[test]
fn what_a_node_calls_uncertain_is_status_5() {
    let mut site = Site::new();
    site.node(
        0,
        Some((504, "{\"kind\":\"uncertain\",\"error\":\"the leader did not say\"}")),
    );
    site.run(&["domain", "remove", "a.b"])
        .is(5, &["it may have taken effect or not: the leader did not say"]);
}

#[test]
fn a_second_founding_names_what_is_there_and_touches_nothing() {
    let site = Site::new();
    let before = fs::read(site.path("n1/founding.toml")).unwrap();
    let again = site.run(&["init"]);
    again.is(
        1,
        &[
            "the cluster was not founded",
            "are not overwritten",
            "admin/ca.pem",
            " more; ",
            "holdfast status tells",
        ],
    );
    assert!(again.said.len() < 1_500, "not every file is listed: {}", again.said);
    assert_eq!(fs::read(site.path("n1/founding.toml")).unwrap(), before);
}

#[test]
fn a_demo_says_why_it_cannot_be() {
    let site = Site::new();
    fs::remove_file(site.path("cluster.toml")).unwrap();
    site.run(&["demo", "--json"])
        .is(1, &["writes no JSON", "status --json"]);
    let config = Failed::of(Command::new(tool()).args(["demo", "--config", "x"]).output().unwrap());
    config.is(1, &["name its directory with --dir DIR"]);
}
