//! A founded cluster: what is in its files, who gets in with them, and what a founding never does.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cli::found::{self, FoundError, Founding, Places};
use cluster_config::{ClusterConfig, FoundingPlan, check_service_certificate, demo, tls};
use mail_model::NodeId;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection};

/// A cluster file in a directory of its own.
struct Site {
    dir: tempfile::TempDir,
    config: ClusterConfig,
}

impl Site {
    fn new() -> Self {
        Self::of(3, 2)
    }

    fn of(nodes: u16, shelves: u16) -> Self {
        let shape = demo::DemoShape {
            nodes,
            shelves,
            groups: 4,
            base_port: 20_000,
        };
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("cluster.toml");
        fs::write(&file, demo::cluster_file(&shape).unwrap()).unwrap();
        let config = ClusterConfig::load(&file).unwrap();
        Self { dir, config }
    }

    fn founded() -> (Self, FoundingPlan) {
        let site = Self::new();
        let plan = site.prepare(&[]).unwrap().write().unwrap();
        (site, plan)
    }

    fn prepare(&self, here: &[String]) -> Result<Founding, FoundError> {
        let bundles = self.path("bundles");
        let places = Places {
            here,
            bundles: &bundles,
        };
        found::prepare(&self.config, places, SystemTime::now())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn member(&self, node: &str) -> tls::Credentials {
        let node = self.config.node(node).unwrap();
        tls::Credentials::load(&node.node_certificate(), &node.authority()).unwrap()
    }

    fn admin(&self) -> tls::Credentials {
        tls::Credentials::load(&self.config.admin_certificate(), &self.config.admin_authority()).unwrap()
    }

    fn holdfast(&self, args: &[&str]) -> Output {
        let dir = self.dir.path().to_str().unwrap();
        let holdfast = env!("CARGO_BIN_EXE_holdfast");
        Command::new(holdfast).args(["--dir", dir]).args(args).output().unwrap()
    }

    /// The same with something to read from standard input.
    fn holdfast_told(&self, told: &str, args: &[&str]) -> Output {
        let mut tool = Command::new(env!("CARGO_BIN_EXE_holdfast"))
            .arg("--dir")
            .arg(self.dir.path())
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // One that has no use for it may have ended already.
        let _ = tool.stdin.take().unwrap().write_all(told.as_bytes());
        tool.wait_with_output().unwrap()
    }

    /// Every path below, sorted.
    fn everything(&self) -> Vec<PathBuf> {
        let (mut all, mut left) = (Vec::new(), vec![self.dir.path().to_owned()]);
        while let Some(dir) = left.pop() {
            for entry in fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    left.push(path.clone());
                }
                all.push(path);
            }
        }
        all.sort();
        all
    }
}

/// A handshake in memory. Both ends, once both are content.
fn handshake(
    client: ClientConfig,
    name: NodeId,
    server: ServerConfig,
) -> Result<(ClientConnection, ServerConnection), rustls::Error> {
    let mut client = ClientConnection::new(Arc::new(client), tls::server_name(name))?;
    let mut server = ServerConnection::new(Arc::new(server))?;
    while client.is_handshaking() || server.is_handshaking() || client.wants_write() || server.wants_write() {
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).unwrap();
        }
        server.read_tls(&mut bytes.as_slice()).unwrap();
        server.process_new_packets()?;
        bytes.clear();
        while server.wants_write() {
            server.write_tls(&mut bytes).unwrap();
        }
        client.read_tls(&mut bytes.as_slice()).unwrap();
        client.process_new_packets()?;
    }
    Ok((client, server))
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn two_nodes_know_each_other_by_their_certificates() {
    let (site, plan) = Site::founded();
    let (one, two) = (site.member("n1"), site.member("n2"));
    let ids = ["n1", "n2"].map(|name| plan.node(name).unwrap().id);
    let (client, server) = handshake(
        tls::node_client_config(&one).unwrap(),
        ids[1],
        tls::node_server_config(&two).unwrap(),
    )
    .unwrap();
    assert_eq!(tls::peer_node(server.peer_certificates().unwrap()).unwrap(), ids[0]);
    assert_eq!(tls::peer_node(client.peer_certificates().unwrap()).unwrap(), ids[1]);
    assert_eq!(server.alpn_protocol(), Some(tls::NODE_PROTOCOL));
    assert!(tls::peer_admin(server.peer_certificates().unwrap()).is_err());
    assert_eq!(one.node().unwrap(), ids[0]);
}

#[test]
fn a_node_that_answers_for_another_is_refused() {
    let (site, plan) = Site::founded();
    let refused = handshake(
        tls::node_client_config(&site.member("n1")).unwrap(),
        plan.node("n3").unwrap().id,
        tls::node_server_config(&site.member("n2")).unwrap(),
    );
    let error = refused.err().unwrap();
    assert!(matches!(error, rustls::Error::InvalidCertificate(_)), "{error:?}");
}

#[test]
fn members_of_another_cluster_are_refused_at_both_ends() {
    let ((ours, plan), (theirs, _)) = (Site::founded(), Site::founded());
    let to = plan.node("n2").unwrap().id;
    let client = |site: &Site| tls::node_client_config(&site.member("n1")).unwrap();
    let server = |site: &Site| tls::node_server_config(&site.member("n2")).unwrap();
    handshake(client(&ours), to, server(&ours)).unwrap();
    // Their server, at our client.
    assert!(handshake(client(&ours), to, server(&theirs)).is_err());
    // Their client, made to trust our CA, at our server.
    let n1 = theirs.config.node("n1").unwrap();
    let spy = tls::Credentials::load(&n1.node_certificate(), &ours.config.node("n1").unwrap().authority()).unwrap();
    let error = handshake(tls::node_client_config(&spy).unwrap(), to, server(&ours))
        .err()
        .unwrap();
    assert!(matches!(error, rustls::Error::InvalidCertificate(_)), "{error:?}");
}

#[test]
fn an_administrator_is_no_node_and_cannot_serve_as_one() {
    let (site, plan) = Site::founded();
    let id = plan.node("n1").unwrap().id;
    let (_, server) = handshake(
        tls::admin_client_config(&site.admin()).unwrap(),
        id,
        tls::admin_server_config(&site.member("n1")).unwrap(),
    )
    .unwrap();
    let chain = server.peer_certificates().unwrap();
    assert_eq!(tls::peer_admin(chain).unwrap(), "founder");
    assert!(tls::peer_node(chain).is_err());
    let posing = tls::admin_server_config(&site.admin()).unwrap();
    assert!(handshake(tls::admin_client_config(&site.admin()).unwrap(), id, posing).is_err());
}

#[test]
fn a_client_without_a_certificate_is_refused() {
    let (site, plan) = Site::founded();
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(site.config.admin_authority()).unwrap())
        .unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let server = tls::node_server_config(&site.member("n2")).unwrap();
    let error = handshake(config, plan.node("n2").unwrap().id, server).err().unwrap();
    assert_eq!(error, rustls::Error::NoCertificatesPresented);
}

#[test]
fn the_certificate_for_mail_clients_covers_the_service_and_nothing_of_the_cluster() {
    let (site, plan) = Site::founded();
    let node = site.config.node("n1").unwrap();
    let files = site.config.service_certificate(node);
    let names = &site.config.service.names;
    let now = SystemTime::now();
    let left = check_service_certificate(&files, names, now).unwrap();
    assert!(left > Duration::from_secs(820 * 86_400) && left < Duration::from_secs(826 * 86_400));
    tls::service_config(&files).unwrap();

    let elsewhere = [
        names.clone(),
        vec![mail_model::Domain::new("mail.example.org").unwrap()],
    ]
    .concat();
    let wrong = check_service_certificate(&files, &elsewhere, now + Duration::from_secs(900 * 86_400)).unwrap_err();
    let shown: Vec<String> = wrong.iter().map(ToString::to_string).collect();
    assert_eq!(shown.len(), 2, "{shown:?}");
    assert!(
        shown[0].ends_with("does not cover mail.example.org") && shown[1].ends_with("has expired"),
        "{shown:?}"
    );
    let early = check_service_certificate(&files, names, now - Duration::from_secs(3 * 86_400)).unwrap_err();
    assert!(early[0].to_string().ends_with("is not valid yet"));
    let mixed = tls::CertificateFiles {
        key: node.node_certificate().key,
        ..files.clone()
    };
    let wrong = check_service_certificate(&mixed, names, now).unwrap_err();
    assert!(wrong.len() == 1 && wrong[0].to_string().contains("is not that of the certificate"));

    let posing = tls::Credentials::load(&files, &node.authority()).unwrap();
    assert!(posing.node().is_err());
    let posing = tls::node_server_config(&posing).unwrap();
    let id = plan.node("n1").unwrap().id;
    assert!(handshake(tls::node_client_config(&site.member("n2")).unwrap(), id, posing).is_err());
}

#[test]
fn the_recovery_key_opens_the_key_of_the_ca_and_no_other_one_does() {
    let site = Site::new();
    let founding = site.prepare(&[]).unwrap();
    let written = founding.recovery_key().to_string();
    let plan = founding.write().unwrap();
    let key: found::RecoveryKey = written.parse().unwrap();
    let opened = key.open(plan.cluster, &plan.sealed_authority_key).unwrap();
    let signer = rcgen::KeyPair::try_from(opened.as_slice()).unwrap();
    let ca = fs::read_to_string(site.config.admin_authority()).unwrap();
    // What the opened key signs in the CA's name is accepted where the CA is trusted.
    let issuer = rcgen::Issuer::from_ca_cert_pem(&ca, signer).unwrap();
    let own = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec![tls::node_name(NodeId([5; 16]))]).unwrap();
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    let added = tls::CertificateFiles::named(site.dir.path(), "added");
    fs::write(&added.chain, params.signed_by(&own, &issuer).unwrap().pem()).unwrap();
    fs::write(&added.key, own.serialize_pem()).unwrap();
    let added = tls::Credentials::load(&added, &site.config.admin_authority()).unwrap();
    let server = tls::node_server_config(&added).unwrap();
    handshake(
        tls::node_client_config(&site.member("n1")).unwrap(),
        NodeId([5; 16]),
        server,
    )
    .unwrap();

    let other = found::RecoveryKey::make().unwrap();
    let refused = other.open(plan.cluster, &plan.sealed_authority_key);
    assert_eq!(refused, Err(found::RecoveryError::WrongKey));
}

#[test]
fn every_node_has_the_plan_and_nobody_else_can_read_secrets() {
    let (site, plan) = Site::founded();
    assert_eq!((plan.nodes.len(), plan.groups.len()), (3, 5));
    for node in &site.config.nodes {
        assert_eq!(FoundingPlan::load(&node.state_dir).unwrap(), plan);
        assert_eq!(mode(&node.state_dir), 0o700);
        for (file, wanted) in [
            ("founding.toml", 0o600),
            ("node.key", 0o600),
            ("service.key", 0o600),
            ("node.pem", 0o644),
            ("ca.pem", 0o644),
        ] {
            assert_eq!(mode(&node.state_dir.join(file)), wanted, "{file}");
        }
    }
    assert_eq!(
        (mode(&site.path("admin")), mode(&site.path("admin/admin.key"))),
        (0o700, 0o600)
    );
    // The key of the CA is nowhere in clear: all private keys are those of the files named for them.
    for path in site.everything().iter().filter(|path| path.is_file()) {
        let secret = fs::read_to_string(path).unwrap().contains("PRIVATE KEY");
        assert_eq!(
            secret,
            path.extension().is_some_and(|end| end == "key"),
            "{}",
            path.display()
        );
        assert_ne!(path.file_name().unwrap(), "ca.key");
    }
}

#[test]
fn a_second_founding_is_refused_and_changes_nothing() {
    let (site, _) = Site::founded();
    let before: Vec<_> = site
        .everything()
        .iter()
        .map(|path| (path.clone(), fs::read(path).ok()))
        .collect();
    match site.prepare(&[]) {
        Err(FoundError::Exists(there)) => {
            for expected in ["admin/ca.pem", "n1/founding.toml", "n3/node.key"] {
                assert!(there.contains(&site.path(expected)), "{expected} is not in {there:?}");
            }
        }
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("founded twice"),
    }
    let after: Vec<_> = site
        .everything()
        .iter()
        .map(|path| (path.clone(), fs::read(path).ok()))
        .collect();
    assert_eq!(before, after);
}

#[test]
fn anything_in_the_way_is_named_and_nothing_is_written() {
    for (path, named) in [
        ("n2/node.key", "n2/node.key"),
        ("n2/node.key.new", "n2/node.key.new"),
        ("n3/shelf2/db", "n3/shelf2/db"),
    ] {
        let site = Site::new();
        let path = site.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "precious").unwrap();
        let before = site.everything();
        let error = site.prepare(&[]).err().unwrap().to_string();
        assert!(error.contains(named), "{error}");
        assert_eq!(site.everything(), before);
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    }
}

#[test]
fn a_state_directory_that_others_use_is_refused_and_an_empty_one_is_closed() {
    let site = Site::new();
    fs::create_dir_all(site.path("n1/lost+found")).unwrap();
    fs::write(site.path("n1/note"), "").unwrap();
    fs::set_permissions(site.path("n1"), fs::Permissions::from_mode(0o755)).unwrap();
    let error = site.prepare(&[]).err().unwrap();
    assert!(
        matches!(&error, FoundError::Open(dir) if *dir == site.path("n1")),
        "{error}"
    );
    fs::remove_file(site.path("n1/note")).unwrap();
    site.prepare(&[]).unwrap().write().unwrap();
    assert_eq!(mode(&site.path("n1")), 0o700);
}

#[test]
fn a_founding_that_fails_half_way_leaves_nothing() {
    let site = Site::new();
    let founding = site.prepare(&[]).unwrap();
    let before = site.everything();
    let in_the_way = site.path("n3");
    std::os::unix::fs::symlink(site.path("nowhere"), &in_the_way).unwrap();
    assert!(founding.write().is_err());
    fs::remove_file(&in_the_way).unwrap();
    assert_eq!(site.everything(), before);
}

#[test]
fn files_of_nodes_elsewhere_are_bundled() {
    let site = Site::new();
    let founding = site.prepare(&["n1".to_owned()]).unwrap();
    let bundled: Vec<String> = founding.bundles().iter().map(|(name, _)| name.to_string()).collect();
    assert_eq!(bundled, ["n2", "n3"]);
    let plan = founding.write().unwrap();
    assert!(site.path("n1/founding.toml").is_file() && !site.path("n2").exists());
    assert_eq!(FoundingPlan::load(&site.path("bundles/n2")).unwrap(), plan);
    assert_eq!(mode(&site.path("bundles/n2")), 0o700);
    assert!(matches!(site.prepare(&["n9".to_owned()]), Err(FoundError::NoNode(name)) if name == "n9"));
}

#[test]
fn init_shows_a_key_that_works_and_check_is_content() {
    let site = Site::new();
    let checked = site.holdfast(&["config", "check"]);
    let shown = String::from_utf8(checked.stdout).unwrap();
    assert!(checked.status.success(), "{shown}");
    assert!(
        shown.contains("3 nodes, 6 shelves, 4 mail groups with 3 replicas each"),
        "{shown}"
    );

    let made = site.holdfast(&["init"]);
    let shown = String::from_utf8(made.stdout).unwrap();
    assert!(made.status.success(), "{shown}");
    let plan = FoundingPlan::load(&site.path("n1")).unwrap();
    assert!(shown.contains(&plan.cluster.to_string()), "{shown}");
    let keys: Vec<found::RecoveryKey> = shown.lines().filter_map(|line| line.parse().ok()).collect();
    assert_eq!(keys.len(), 1, "{shown}");
    keys[0].open(plan.cluster, &plan.sealed_authority_key).unwrap();

    let again = site.holdfast(&["init"]);
    let told = String::from_utf8(again.stderr).unwrap();
    assert!(!again.status.success() && again.stdout.is_empty(), "{told}");
    assert!(
        told.starts_with("holdfast: the cluster was not founded: these exist already"),
        "{told}"
    );
}

#[test]
fn check_says_which_loss_would_not_be_survived() {
    let warnings = |nodes, shelves| {
        let site = Site::of(nodes, shelves);
        let shown = String::from_utf8(site.holdfast(&["config", "check"]).stdout).unwrap();
        shown
            .lines()
            .filter(|line| line.starts_with("warning: "))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let (one, two) = (warnings(1, 2), warnings(2, 2));
    assert!(
        one.len() == 1 && one[0].contains("no loss of a shelf is survived"),
        "{one:?}"
    );
    assert!(
        two.len() == 1 && two[0].contains("the loss of a shelf is survived, that of a machine may not be"),
        "{two:?}"
    );
    assert!(warnings(3, 1).is_empty());
}

#[test]
fn check_tells_every_mistake_and_what_the_founding_decided_otherwise() {
    let (site, _) = Site::founded();
    let text = fs::read_to_string(&site.config.file).unwrap();
    let renamed = text.replacen("name = \"shelf2\"", "name = \"shelf9\"", 1);
    fs::write(&site.config.file, renamed).unwrap();
    let shown = String::from_utf8(site.holdfast(&["config", "check"]).stdout).unwrap();
    assert!(
        shown.contains("warning: founded otherwise: node n1: shelf shelf9 is not in the plan"),
        "{shown}"
    );

    let certified = text.replacen("[service]", "[service]\ncertificate = \"no.pem\"\nkey = \"no.key\"", 1);
    fs::write(&site.config.file, certified).unwrap();
    let told = String::from_utf8(site.holdfast(&["config", "check"]).stderr).unwrap();
    assert!(
        told.contains("cluster.toml: service: certificate: read certificate from") && told.contains("no.pem"),
        "{told}"
    );

    fs::write(
        &site.config.file,
        text.replace("base_port = 22000", "base_port = 21000")
            .replace("demo", "De mo"),
    )
    .unwrap();
    let checked = site.holdfast(&["config", "check"]);
    let told = String::from_utf8(checked.stderr).unwrap();
    assert!(!checked.status.success() && told.lines().count() > 2, "{told}");
    assert!(
        told.contains("cluster.toml:4: cluster: name: \"De mo\" is not a name"),
        "{told}"
    );
    assert!(told.contains("port 21143 is also that of imap on node n1"), "{told}");
}

/// Has certificates issued from the founding plan of n1, with a recovery key as it was written down.
fn issue(site: &Site, recovery_key: &str, args: &[&str]) -> Result<(), String> {
    let plan = site.config.node("n1").unwrap().state_dir.join("founding.toml");
    let args = [&["ca", "issue", "--plan", plan.to_str().unwrap()], args].concat();
    let output = site.holdfast_told(&format!("{recovery_key}\n"), &args);
    if output.status.success() {
        Ok(())
    } else {
        Err(String::from_utf8(output.stderr).unwrap())
    }
}

#[test]
fn the_recovery_key_issues_certificates_that_stand_for_the_same_members() {
    let site = Site::new();
    let founding = site.prepare(&[]).unwrap();
    let recovery_key = founding.recovery_key().to_string();
    let plan = founding.write().unwrap();
    for (args, name) in [
        (&["--node", "n2"][..], "node"),
        (&["--admin", "ann"], "admin"),
        (&["--service"], "service"),
    ] {
        let out = site.path("new").join(name);
        let args = [args, &["--out", out.to_str().unwrap()]].concat();
        issue(&site, &recovery_key.to_lowercase(), &args).unwrap();
        assert_eq!(mode(&out.join(format!("{name}.key"))), 0o600);
        let again = issue(&site, &recovery_key, &args).unwrap_err();
        assert!(again.contains("exist already and are not overwritten"), "{again}");
    }
    let at = |name: &str| {
        let files = tls::CertificateFiles::named(&site.path("new").join(name), name);
        tls::Credentials::load(&files, &site.path("new").join(name).join("ca.pem")).unwrap()
    };
    let id = plan.node("n2").unwrap().id;
    let (_, server) = handshake(
        tls::admin_client_config(&at("admin")).unwrap(),
        id,
        tls::admin_server_config(&at("node")).unwrap(),
    )
    .unwrap();
    assert_eq!(tls::peer_admin(server.peer_certificates().unwrap()).unwrap(), "ann");
    let (client, _) = handshake(
        tls::node_client_config(&site.member("n1")).unwrap(),
        id,
        tls::node_server_config(&at("node")).unwrap(),
    )
    .unwrap();
    assert_eq!(tls::peer_node(client.peer_certificates().unwrap()).unwrap(), id);
    let service = tls::CertificateFiles::named(&site.path("new/service"), "service");
    check_service_certificate(&service, &site.config.service.names, SystemTime::now()).unwrap();
}

#[test]
fn a_wrong_recovery_key_is_told_and_issues_nothing() {
    let (site, _) = Site::founded();
    let out = site.path("new");
    let args = ["--node", "n2", "--out", out.to_str().unwrap()];
    let other = found::RecoveryKey::make().unwrap().to_string();
    let misread = other.replacen(|c| c != '-', if other.starts_with('X') { "Y" } else { "X" }, 1);
    let before = site.everything();
    for (key, told) in [
        (
            other.as_str(),
            "the recovery key does not open the key of this cluster's CA",
        ),
        (&misread, "one of them was misread"),
        (
            "ABCD",
            "a recovery key has 36 characters besides dashes and spaces, this has 4",
        ),
        ("", "no recovery key came on standard input"),
    ] {
        let error = issue(&site, key, &args).unwrap_err();
        assert!(error.contains(told), "{error}");
    }
    let unknown = issue(&site, &other, &["--node", "n9", "--out", "x"]).unwrap_err();
    assert!(unknown.contains("has no node n9"), "{unknown}");
    assert_eq!(site.everything(), before);
}

#[test]
fn a_certificate_that_has_expired_lets_in_neither_a_node_nor_an_administrator() {
    let (site, plan) = Site::founded();
    let id = plan.node("n1").unwrap().id;
    let name = &site.config.name;
    // The CA is good for longer than the certificates that it issues.
    let then = SystemTime::now() - Duration::from_secs(11 * 365 * 86_400);
    let authority = found::Authority::make(name, then).unwrap();
    let credentials = |file: &str, issued: found::Issued| {
        let files = tls::CertificateFiles::named(site.dir.path(), file);
        fs::write(&files.chain, issued.certificate_pem).unwrap();
        fs::write(&files.key, issued.key_pem).unwrap();
        let root = site.path("expired-ca.pem");
        fs::write(&root, authority.certificate_pem()).unwrap();
        tls::Credentials::load(&files, &root).unwrap()
    };
    let now = SystemTime::now();
    let node = credentials("good-node", authority.node(id, "127.0.0.1", now).unwrap());
    let admin = |when| credentials("admin-then", authority.admin(name, when).unwrap());
    let reach = |admin: &tls::Credentials, node: &tls::Credentials| {
        let server = tls::admin_server_config(node).unwrap();
        handshake(tls::admin_client_config(admin).unwrap(), id, server).map(drop)
    };
    reach(&admin(now), &node).unwrap();
    let refused = reach(&admin(then), &node).unwrap_err();
    assert!(refused.to_string().contains("expired"), "{refused}");
    let old_node = credentials("old-node", authority.node(id, "127.0.0.1", then).unwrap());
    let refused = reach(&admin(now), &old_node).unwrap_err();
    assert!(refused.to_string().contains("expired"), "{refused}");
}
