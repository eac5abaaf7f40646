//! A new administrator's evening: every command of `docs/quickstart.md`, as written, on three machines.
//!
//! The machines are namespaces of this one (`chaos_tests::machines`), with loop devices for disks. These things are not
//! what they are at the reader's, and nothing else:
//! - What the page marks as not in the test: packages and the clock, and the public CA, which `openssl` plays.
//! - The programs are those that cargo built for the tests: `make tarball` finds them by its variable `BUILT`.
//! - DNS is `/etc/hosts`. `outside` is the other end of the wire, which no node's firewall knows.
//! - `systemctl`, `journalctl`, `ssh` and `scp` are played by `chaos-tests/machines/bin`. The first of them runs the unit's
//!   `ExecStart` as its user with its capabilities, limits and writable paths, and waits for it to say that it is ready; it
//!   does not start a killed node again.
//! - Who is asked for a password types it into a pipe.

use std::path::Path;

use chaos_tests::machines::{Block, OUTSIDE, Shape, World, blocks, may_have_machines};
use chaos_tests::process;
use serde_json::Value;

/// Set on a machine that may make no namespaces, this leaves the test out.
const EXCEPTION: &str = "HOLDFAST_WITHOUT_NAMESPACES";
/// What the page gives its machines.
const MACHINES: [Shape; 3] = [
    Shape {
        name: "n1",
        address: "192.0.2.11",
        disks: 2,
    },
    Shape {
        name: "n2",
        address: "192.0.2.12",
        disks: 2,
    },
    Shape {
        name: "n3",
        address: "192.0.2.13",
        disks: 2,
    },
];
const ACCOUNT: &str = "ann@example.org";
const PASSWORD: &str = "all along the watchtower\n";
/// What may be left out: programs that need a package server, a time server, a public CA.
const MAY_BE_LEFT_OUT: [&str; 3] = ["apt-get", "chronyc", "certbot"];
/// A clone of the repository, as far as installing needs it.
const CLONE: &str = "mkdir holdfast && cd /source && cp -r Makefile packaging docs README.md LICENSE ~/holdfast/";
/// Where certbot would put what the public CA signed.
const PUBLIC_CA: &str = r#"
mkdir -p /etc/letsencrypt/live/mail.example.org ca
cd ca
new="-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
openssl req -x509 $new -days 30 -subj "/CN=A public CA" -keyout ca.key -out ca.pem
openssl req $new -subj /CN=mail.example.org -keyout /etc/letsencrypt/live/mail.example.org/privkey.pem -out request.pem
echo subjectAltName=DNS:mail.example.org >extensions
openssl x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile extensions \
    -out /etc/letsencrypt/live/mail.example.org/fullchain.pem
"#;
/// Only the port for servers, for submission and for IMAP over TLS answer to strangers.
const LOOK_AT_PORTS: &str = r#"
for port in 25 465 993; do
    timeout 60 bash -c "true </dev/tcp/192.0.2.11/$port"
done
for port in 90 91 143; do
    if timeout 2 bash -c "true </dev/tcp/192.0.2.11/$port" 2>/dev/null; then
        echo "port $port is open to the world" >&2
        exit 1
    fi
done
"#;
/// What the unit leaves the node of its rights, and what it told of itself.
const LOOK_AT_NODE: &str = r#"
pid=$(cat /var/lib/holdfast/pid)
user=$(id -u holdfast)
grep -q "^Uid:\s*$user\s$user\s$user\s$user$" /proc/$pid/status
# CAP_NET_BIND_SERVICE is number 10.
grep -q "^CapEff:\s*0000000000000400$" /proc/$pid/status
grep -q "^CapBnd:\s*0000000000000400$" /proc/$pid/status
grep -q "^NoNewPrivs:\s*1$" /proc/$pid/status
grep -q "^overlay / overlay ro," /proc/$pid/mounts
cat /run/units/holdfast-node@$(hostname -s).service.said
"#;

#[test]
fn the_quickstart_leads_from_bare_disks_to_mail_that_outlives_a_machine() {
    if let Err(reason) = may_have_machines() {
        assert!(
            std::env::var_os(EXCEPTION).is_some(),
            "there can be no machines here: {reason}\nNamespaces, mounts and loop devices take root. On a machine that \
             forbids them, set {EXCEPTION}=1 to leave this test out."
        );
        eprintln!("left out, as {EXCEPTION} says: {reason}");
        return;
    }
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = std::fs::read_to_string(source.join("docs/quickstart.md")).expect("the page is there");
    let blocks = blocks(&page).unwrap_or_else(|wrong| panic!("docs/quickstart.md: {wrong}"));
    let evening = Evening::begin(&source);
    let seen: Vec<String> = blocks.iter().map(|block| evening.walk(block)).collect();
    let seen = seen.concat();
    for wanted in ["Recovery key", "survives now", "Subject: first light"] {
        assert!(seen.contains(wanted), "nothing showed {wanted:?}:\n{seen}");
    }
    evening.look_at_confinement();
    evening.lose_a_machine();
}

/// The machines, with a public CA that everybody outside trusts.
struct Evening {
    world: World,
    dir: tempfile::TempDir,
}

impl Evening {
    fn begin(source: &Path) -> Self {
        let world = World::start(&MACHINES, source, &process::directory());
        world.must("n1", CLONE, "", &[]);
        let dir = tempfile::tempdir().expect("a directory");
        Self { world, dir }
    }

    /// Does as a block says; gives what was shown.
    fn walk(&self, block: &Block) -> String {
        if let Some(reason) = &block.left_out {
            let beyond = block.beyond(&MAY_BE_LEFT_OUT);
            assert!(
                beyond.is_empty(),
                "line {}: {reason} is no reason for {beyond:?}",
                block.line
            );
            if block.text.contains("certbot ") {
                self.certify();
            }
            return String::new();
        }
        assert!(!block.places.is_empty(), "line {}: it runs nowhere", block.line);
        let shown = block.places.iter().map(|place| self.must(place, &block.text));
        shown.collect()
    }

    fn must(&self, place: &str, commands: &str) -> String {
        let trusted = self.dir.path().join("ca.pem").display().to_string();
        let at_home = [("BUILT", "/built")];
        let abroad = [
            ("SSL_CERT_FILE", trusted.as_str()),
            ("CURL_CA_BUNDLE", trusted.as_str()),
        ];
        let variables: &[(&str, &str)] = if place == OUTSIDE { &abroad } else { &at_home };
        self.world.must(place, commands, PASSWORD, variables)
    }

    /// What certbot and the public CA would do.
    fn certify(&self) {
        self.must("n1", PUBLIC_CA);
        let certificate = self.must("n1", "cat ca/ca.pem");
        std::fs::write(self.dir.path().join("ca.pem"), certificate).expect("a file");
    }

    fn look_at_confinement(&self) {
        self.must(OUTSIDE, LOOK_AT_PORTS);
        for machine in &MACHINES {
            let said = self.must(machine.name, LOOK_AT_NODE);
            assert!(said.contains("READY=1\n") && said.contains("WATCHDOG=1\n"), "{said}");
            // Each was restarted by the upgrade.
            assert!(said.contains("STOPPING=1\n"), "{said}");
        }
    }

    /// A phone reads the same at another machine once one is gone, and mail still goes in.
    fn lose_a_machine(&self) {
        self.phone("192.0.2.11", "send before");
        let before = self.read("192.0.2.11");
        assert_eq!(subjects(&before), ["first light", "before"]);
        self.must("n1", "kill -9 $(cat /var/lib/holdfast/pid)");
        assert_eq!(self.read("192.0.2.12"), before);
        self.phone("192.0.2.13", "send after");
        let swaks =
            format!("swaks --server n3.example.org --tls --from you@example.net --to {ACCOUNT} --h-Subject: again");
        self.must(OUTSIDE, &swaks);
        let after = self.read("192.0.2.12");
        assert_eq!(after[..before.len()], before);
        assert_eq!(subjects(&after[before.len()..]), ["after", "again"]);
    }

    fn read(&self, address: &str) -> Vec<Value> {
        let lines = self.phone(address, "read");
        lines
            .lines()
            .map(|line| serde_json::from_str(line).expect("a line of JSON"))
            .collect()
    }

    fn phone(&self, address: &str, errand: &str) -> String {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/phone.py");
        let script = script.display();
        self.must(
            OUTSIDE,
            &format!("python3 '{script}' {address} mail.example.org {ACCOUNT} {errand}"),
        )
    }
}

fn subjects(messages: &[Value]) -> Vec<&str> {
    messages
        .iter()
        .filter_map(|message| message["subject"].as_str())
        .collect()
}
