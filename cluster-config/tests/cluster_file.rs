//! The cluster file: what a right one means, and what each wrong one is told.

use std::path::Path;

use cluster_config::limits::{DELIVERY_LOG_DAYS_DEFAULT, GROUPS_DEFAULT, MESSAGE_BYTES_DEFAULT};
use cluster_config::{ClusterConfig, ConfigError, Listener, LmtpSocket, Problem};

/// Two machines; line numbers below count from `[cluster]` as 1.
const TWO_NODES: &str = r#"[cluster]
name = "example"

[service]
names = ["mail.example.org", "imap.example.org"]

[[node]]
name = "n1"
host = "n1.example.org"
state_dir = "/var/lib/holdfast"

[[node.shelf]]
name = "sun0"
path = "/srv/sun0"
labels = { enclosure = "sun", rack = "r1" }

[[node.shelf]]
name = "sun1"
path = "/srv/sun1"

[[node]]
name = "n2"
host = "192.0.2.2"
state_dir = "state"
lmtp_socket = "run/lmtp"
lmtp_socket_group = "postfix"

[node.listeners]
pop3 = { enabled = false }
smtp = { port = 2525 }
imap = { bind = ["192.0.2.2", "2001:db8::2"] }

[[node.shelf]]
name = "sun0"
path = "../shelves/./a"
"#;

fn parse(text: &str) -> Result<ClusterConfig, ConfigError> {
    ClusterConfig::parse(Path::new("/etc/holdfast/cluster.toml"), text)
}

fn problems(text: &str) -> Vec<Problem> {
    match parse(text) {
        Err(ConfigError::Problems { problems, .. }) => problems,
        other => panic!("{other:?} for\n{text}"),
    }
}

#[test]
fn a_right_file_means_what_it_says() {
    let config = parse(TWO_NODES).unwrap();
    assert_eq!((config.groups, config.replication), (GROUPS_DEFAULT, 3));
    assert_eq!(config.limits.message_bytes_max, MESSAGE_BYTES_DEFAULT);
    assert_eq!(config.limits.delivery_log_days, DELIVERY_LOG_DAYS_DEFAULT);
    assert_eq!(config.limits.shelf_full_percent, 95);
    assert_eq!(config.limits.connections_per_client_max, 256);
    assert_eq!(config.service.names[0].as_str(), "mail.example.org");
    assert_eq!(config.admin_dir, Path::new("/etc/holdfast/admin"));
    assert!(config.service.lmtp_from.contains("127.0.0.1".parse().unwrap()));
    assert!(
        !config
            .service
            .plaintext_passwords_from
            .contains("192.0.2.1".parse().unwrap())
    );

    assert_eq!(config.service.proxy_from.iter().count(), 0, "nobody is believed");

    let n1 = config.node("n1").unwrap();
    assert_eq!(n1.shelves[0].labels.enclosure.as_deref(), Some("sun"));
    assert_eq!(n1.listeners.len(), Listener::ALL.len());
    let lmtp = &n1.listeners[&Listener::Lmtp];
    assert!(lmtp.port == 24 && lmtp.bind.iter().all(std::net::IpAddr::is_loopback));
    assert_eq!(
        n1.listeners[&Listener::Smtp].bind,
        ["0.0.0.0".parse::<std::net::IpAddr>().unwrap()]
    );

    let n2 = config.node("n2").unwrap();
    assert_eq!(n2.state_dir, Path::new("/etc/holdfast/state"));
    assert_eq!(n2.shelves[0].path, Path::new("/etc/shelves/a"));
    let socket = LmtpSocket {
        path: "/etc/holdfast/run/lmtp".into(),
        group: Some("postfix".to_owned()),
    };
    assert_eq!(n2.lmtp_socket, Some(socket));
    assert!(!n2.listeners.contains_key(&Listener::Pop3));
    assert_eq!(n2.listeners[&Listener::Smtp].port, 2525);
    assert_eq!(n2.listeners[&Listener::Imap].bind.len(), 2);

    let peers: Vec<_> = config.peers_of(&n1.name).collect();
    assert_eq!(
        (peers.len(), peers[0].host.as_str(), peers[0].port),
        (1, "192.0.2.2", 900)
    );
}

#[test]
fn every_mistake_is_found_where_it_is() {
    // (in the file, instead of it, line, part of the message)
    let cases: &[(&str, &str, usize, &str)] = &[
        (
            "name = \"example\"",
            "name = \"Ex ample\"",
            2,
            "cluster: name: \"Ex ample\" is not a name; use 1 to 32",
        ),
        (
            "name = \"example\"",
            "name = \"a\"\nid = \"7\"",
            3,
            "cluster: id: \"7\" is not an id",
        ),
        (
            "name = \"example\"",
            "name = \"a\"\ngroups = 0",
            3,
            "cluster: groups: 0 is out of bounds; choose a number",
        ),
        (
            "name = \"example\"",
            "name = \"a\"\nreplication = 2",
            3,
            "two replicas survive no loss",
        ),
        (
            "name = \"example\"",
            "name = \"a\"\nreplication = 5",
            3,
            "5 replicas are not offered; choose 1 or 3",
        ),
        (
            "name = \"example\"",
            "name = \"a\"\ngruops = 3",
            3,
            "unknown field `gruops`",
        ),
        ("name = \"example\"", "name = 7", 2, "invalid type"),
        ("name = \"example\"\n", "", 1, "missing field `name`"),
        ("[cluster]", "[cluster", 1, "docs/cluster-file.md has every key"),
        (
            "\"mail.example.org\", ",
            "\"mail example\", ",
            5,
            "\"mail example\" is not a host name",
        ),
        (
            "\"mail.example.org\", ",
            "\"x.node.holdfast\", ",
            5,
            "names that end with .holdfast are those of nodes",
        ),
        (
            "\"mail.example.org\", ",
            "\"imap.example.org\", ",
            5,
            "imap.example.org is listed twice",
        ),
        (
            "[\"mail.example.org\", \"imap.example.org\"]",
            "[]",
            5,
            "service: names: there is none",
        ),
        (
            "names =",
            "certificate = \"a.pem\"\nnames =",
            5,
            "there is a certificate but no key; add service.key",
        ),
        (
            "names =",
            "key = \"a.key\"\nnames =",
            5,
            "there is a key but no certificate",
        ),
        (
            "names =",
            "lmtp_from = [\"0.0.0.0/0\"]\nnames =",
            5,
            "match everyone; name the networks that you mean",
        ),
        (
            "names =",
            "proxy_from = [\"0.0.0.0/0\"]\nnames =",
            5,
            "match everyone; name the networks that you mean",
        ),
        (
            "names =",
            "plaintext_passwords_from = [\"::/1\", \"8000::/1\"]\nnames =",
            5,
            "match everyone",
        ),
        (
            "names =",
            "lmtp_from = [\"10.0.0.1/8\"]\nnames =",
            5,
            "the network is 10.0.0.0/8",
        ),
        (
            "names =",
            "lmtp_from = [\"lan\"]\nnames =",
            5,
            "\"lan\" is not a network; write networks as",
        ),
        (
            "[[node]]\nname = \"n1\"",
            "[limits]\nmessage_bytes_max = 10\n[[node]]\nname = \"n1\"",
            8,
            "10 is out of bounds",
        ),
        (
            "[[node]]\nname = \"n1\"",
            "[limits]\ndelivery_log_days = 0\n[[node]]\nname = \"n1\"",
            8,
            "0 is out of bounds",
        ),
        (
            "[[node]]\nname = \"n1\"",
            "[limits]\nconnections_per_client_max = 0\n[[node]]\nname = \"n1\"",
            8,
            "0 is out of bounds",
        ),
        (
            "[[node]]\nname = \"n1\"",
            "[limits]\nshelf_full_percent = 100\n[[node]]\nname = \"n1\"",
            8,
            "100 is out of bounds; choose a number from 50 to 99",
        ),
        ("name = \"n1\"", "name = \"-n1\"", 8, "node -n1: name"),
        ("name = \"n1\"", "name = \"n2\"", 22, "two nodes are called n2"),
        (
            "name = \"n1\"",
            "name = \"n1\"\nid = \"x\"",
            9,
            "node n1: id: \"x\" is not an id",
        ),
        (
            "host = \"n1.example.org\"",
            "host = \"0.0.0.0\"",
            9,
            "nobody can reach 0.0.0.0",
        ),
        (
            "host = \"n1.example.org\"",
            "host = \"n1 a\"",
            9,
            "\"n1 a\" is neither a host name nor an address",
        ),
        (
            "host = \"n1.example.org\"",
            "host = \"n1\"\nbase_port = 65000",
            8,
            "base_port 65000 leaves no port",
        ),
        (
            "host = \"n1.example.org\"",
            "host = \"n1\"\nbase_port = 66000",
            10,
            "invalid value",
        ),
        (
            "host = \"n1.example.org\"",
            "host = \"n1\"\nbind = [\"eth0\"]",
            10,
            "node n1: bind",
        ),
        (
            "host = \"n1.example.org\"",
            "host = \"n1\"\nbind = []",
            10,
            "there is no address",
        ),
        (
            "pop3 =",
            "pop4 =",
            29,
            "there is no listener pop4; known are smtp, lmtp",
        ),
        (
            "{ port = 2525 }",
            "{ port = 0 }",
            30,
            "node n2: listeners: smtp: port 0",
        ),
        (
            "{ port = 2525 }",
            "{ port = 587 }",
            22,
            "port 587 is also that of smtp on node n2",
        ),
        ("{ port = 2525 }", "{ prot = 587 }", 30, "unknown field `prot`"),
        (
            "pop3 = { enabled",
            "quic = { enabled",
            22,
            "a node without its QUIC listener",
        ),
        (
            "lmtp_socket = \"run/lmtp\"",
            &long_socket(),
            25,
            "is too long for a socket",
        ),
        ("lmtp_socket = \"run/lmtp\"\n", "", 25, "there is no lmtp_socket"),
        (
            "group = \"postfix\"",
            "group = \"post fix\"",
            26,
            "\"post fix\" is not the name of a group",
        ),
        ("name = \"sun1\"", "name = \"sun0\"", 18, "two shelves are called sun0"),
        ("name = \"sun1\"", "name = \"Sun\"", 18, "\"Sun\" is not a name"),
        (
            "path = \"/srv/sun1\"",
            "path = \"/srv/sun0\"",
            19,
            "/srv/sun0 is also that of node n1: shelf sun0: path",
        ),
        (
            "path = \"/srv/sun1\"",
            "path = \"/srv/sun0/x\"",
            19,
            "/srv/sun0/x lies inside node n1: shelf sun0: path",
        ),
        (
            "path = \"/srv/sun1\"",
            "path = \"/srv\"",
            19,
            "/srv contains node n1: shelf sun0: path",
        ),
        (
            "path = \"/srv/sun1\"",
            "path = \"/var/lib\"",
            19,
            "/var/lib contains node n1: state_dir",
        ),
        (
            "path = \"/srv/sun1\"",
            "path = \"/\"",
            19,
            "it is the root of the file system",
        ),
        (
            "lmtp_socket = \"run/lmtp\"",
            "lmtp_socket = \"../shelves/a/s\"",
            25,
            "/etc/shelves/a/s lies inside node n2: shelf sun0: path",
        ),
        ("rack = \"r1\"", "rak = \"r1\"", 15, "unknown field `rak`"),
        (
            "host = \"n1.example.org\"",
            "host = \"a.node.holdfast\"",
            9,
            "are in certificates only",
        ),
        (
            "name = \"example\"",
            "name = \"a\"\nadmin_dir = \"/srv/sun0/a\"",
            3,
            "/srv/sun0/a belongs to sun0",
        ),
        (
            "name = \"example\"",
            "name = \"a\"\nadmin_dir = \"state\"",
            3,
            "/etc/holdfast/state belongs to n2",
        ),
    ];
    for (there, instead, line, message) in cases {
        assert!(TWO_NODES.contains(there), "{there:?} is not in the file");
        let text = TWO_NODES.replacen(there, instead, 1);
        let found = problems(&text);
        let shown = found
            .iter()
            .map(|problem| format!("{:?} {problem}", problem.line))
            .collect::<Vec<_>>();
        assert!(
            found
                .iter()
                .any(|problem| problem.line == Some(*line) && problem.to_string().contains(message)),
            "{instead:?} should give line {line}, {message:?}, but gives {shown:#?}"
        );
    }
}

fn long_socket() -> String {
    format!("lmtp_socket = \"/{}\"", "x".repeat(200))
}

#[test]
fn a_shelf_may_lie_in_the_state_directory_and_machines_may_look_alike() {
    let inside = TWO_NODES
        .replace("../shelves/./a", "state/shelf1")
        .replace("state_dir = \"state\"", "state_dir = \"/var/lib/holdfast\"");
    parse(&inside).unwrap();
}

#[test]
fn nodes_on_one_host_share_neither_ports_nor_paths_nor_ids() {
    let id = "id = \"00112233-4455-6677-8899-aabbccddeeff\"\nhost = \"192.0.2.2\"";
    let same = TWO_NODES.replace("host = \"n1.example.org\"", id).replace(
        "host = \"192.0.2.2\"\nstate_dir = \"state\"",
        &format!("{id}\nstate_dir = \"/var/lib/holdfast\""),
    );
    let found: Vec<String> = problems(&same).iter().map(ToString::to_string).collect();
    for expected in [
        "node n2: id: node n1 has the same id",
        "node n2: listeners: quic: port 900 is also that of quic on node n1",
        "node n2: listeners: imap: port 143 is also that of imap on node n1",
        "node n2: state_dir: /var/lib/holdfast is also that of node n1: state_dir",
    ] {
        assert!(
            found.iter().any(|line| line.contains(expected)),
            "{expected} is not in {found:#?}"
        );
    }
    assert!(!found.iter().any(|line| line.contains("smtp: port")), "{found:#?}");
    let apart = same.replacen("host = \"192.0.2.2\"\n", "host = \"192.0.2.2\"\nbase_port = 10000\n", 1);
    assert!(!problems(&apart).iter().any(|problem| problem.what.starts_with("port")));
}

#[test]
fn all_problems_are_told_at_once_in_the_order_of_the_file() {
    let text = TWO_NODES
        .replace("\"example\"", "\"\"")
        .replace("n1.example.org", "")
        .replace("/srv/sun1", "/srv/sun0")
        .replace("2525", "0");
    let lines: Vec<Option<usize>> = problems(&text).iter().map(|problem| problem.line).collect();
    // The host is wrong, so its node is not compared with others; the rest still is.
    assert_eq!(lines, [Some(2), Some(9), Some(30)]);
    let shown = parse(&text).unwrap_err().to_string();
    assert_eq!(shown.lines().count(), 4);
    assert!(
        shown.starts_with("3 things are wrong in the cluster file:\n"),
        "{shown}"
    );
    assert!(
        shown
            .lines()
            .skip(1)
            .all(|line| line.starts_with("/etc/holdfast/cluster.toml:")),
        "{shown}"
    );
}

#[test]
fn a_cluster_without_nodes_or_shelves_is_none() {
    let (head, _) = TWO_NODES.split_once("[[node]]").unwrap();
    assert!(
        problems(head)[0]
            .to_string()
            .contains("node: the cluster has 0 nodes; write one [[node]] table")
    );
    let (bare, _) = TWO_NODES.split_once("[[node.shelf]]").unwrap();
    assert!(
        problems(bare)[0]
            .to_string()
            .contains("the node has 0 shelves; write one [[node.shelf]] table")
    );
    let (one, _) = TWO_NODES.split_once("[[node.shelf]]\nname = \"sun1\"").unwrap();
    assert_eq!(parse(one).unwrap().replication, 1);
    let three = one.replace("name = \"example\"", "name = \"example\"\nreplication = 3");
    assert!(
        problems(&three)[0]
            .to_string()
            .contains("3 replicas need 3 shelves, there are 1")
    );
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("cluster.toml");
    let error = ClusterConfig::load(&file).unwrap_err();
    assert!(
        matches!(&error, ConfigError::Read { .. }) && error.to_string().contains("cluster.toml"),
        "{error}"
    );
    std::fs::write(&file, TWO_NODES).unwrap();
    assert_eq!(ClusterConfig::load(&file).unwrap().file, file);
    std::fs::write(&file, [0xff]).unwrap();
    assert!(matches!(ClusterConfig::load(&file), Err(ConfigError::Read { .. })));
}
