//! The directory of a demo: taken for one demo at a time, and founded once.
//!
//! Invariant: nothing is touched in a directory that holds something else.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::Write;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, bail};
use cluster_config::demo::cluster_file;
use cluster_config::{ClusterConfig, Listener, PLAN_FILE, Transport};
use nix::fcntl::{Flock, FlockArg};

use crate::found::{self, Places};

const CLUSTER_FILE: &str = "cluster.toml";
const LOCK_FILE: &str = "demo.lock";

/// What was asked for; `None` where nothing was.
pub(crate) struct Shape {
    pub(crate) nodes: Option<u16>,
    pub(crate) shelves: Option<u16>,
    pub(crate) groups: Option<u32>,
    pub(crate) base_port: Option<u16>,
}

/// A directory in use by this demo.
pub(crate) struct Place {
    dir: PathBuf,
    _lock: Flock<File>,
}

impl Place {
    /// Takes the directory; makes it where there is none.
    pub(crate) fn take(dir: &Path) -> anyhow::Result<Self> {
        let dir = std::path::absolute(dir)?;
        if dir.exists() {
            let is_empty = fs::read_dir(&dir)
                .with_context(|| format!("read {}", dir.display()))?
                .next()
                .is_none();
            if !is_empty && !dir.join(CLUSTER_FILE).exists() && !dir.join(LOCK_FILE).exists() {
                bail!(
                    "{} holds something else; name another directory with --dir DIR",
                    dir.display()
                );
            }
            fs::set_permissions(&dir, Permissions::from_mode(0o700))
                .with_context(|| format!("close {} to others", dir.display()))?;
        } else {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(&dir);
            made.with_context(|| format!("make {}", dir.display()))?;
        }
        let path = dir.join(LOCK_FILE);
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path);
        let file = file.with_context(|| format!("open {}", path.display()))?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(Self { dir, _lock: lock }),
            Err(_) => bail!(
                "a demo runs in {dir} already: holdfast --dir {dir} status asks it, and another one needs another --dir and \
                 --base-port",
                dir = dir.display()
            ),
        }
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The cluster file: the one that is there, which has to be of the shape that was asked for, or a new one.
    pub(crate) fn cluster(&self, shape: &Shape) -> anyhow::Result<ClusterConfig> {
        let file = self.dir.join(CLUSTER_FILE);
        if file.exists() {
            let config = ClusterConfig::load(&file)?;
            if let Some(difference) = shape.differs_from(&config) {
                bail!(
                    "the demo in {} {difference}: leave the option away, or name another directory with --dir DIR",
                    self.dir.display()
                );
            }
            return Ok(config);
        }
        let text = cluster_file(&shape.or_default())?;
        let config = ClusterConfig::parse(&file, &text)?;
        if let Some(port) = taken_port(&config) {
            bail!("{port}: choose other ports with --base-port PORT, or stop the program that has it");
        }
        let new = self.dir.join("cluster.toml.new");
        let write = || {
            let mut out = File::create(&new)?;
            out.write_all(text.as_bytes())?;
            fs::rename(&new, &file)
        };
        write().with_context(|| format!("write {}", file.display()))?;
        Ok(config)
    }

    /// Founds the cluster, unless it was, and returns its recovery key.
    pub(crate) fn found(&self, config: &ClusterConfig) -> anyhow::Result<Option<String>> {
        if config.nodes.iter().all(|node| node.state_dir.join(PLAN_FILE).exists()) {
            return Ok(None);
        }
        let bundles = self.dir.join("bundles");
        let places = Places {
            here: &[],
            bundles: &bundles,
        };
        let founding = found::prepare(config, places, SystemTime::now()).context("the cluster was not founded")?;
        let recovery_key = founding.recovery_key().to_string();
        founding.write().context("the cluster was not founded")?;
        Ok(Some(recovery_key))
    }
}

/// A port that a node of a new demo would not get. Once a demo is founded, its own nodes may have them.
fn taken_port(config: &ClusterConfig) -> Option<String> {
    let listeners = config
        .nodes
        .iter()
        .flat_map(|node| node.listeners.iter().map(move |at| (node, at)));
    let places =
        listeners.flat_map(|(node, (listener, at))| at.bind.iter().map(move |ip| (node, listener, *ip, at.port)));
    places.into_iter().find_map(|(node, listener, ip, port)| {
        let bound = match listener.transport() {
            Transport::Tcp => TcpListener::bind((ip, port)).map(drop),
            Transport::Udp => UdpSocket::bind((ip, port)).map(drop),
        };
        let (name, node) = (listener.name(), &node.name);
        bound
            .err()
            .map(|error| format!("port {port}, for {name} of {node}, cannot be had: {error}"))
    })
}

impl Shape {
    /// What is otherwise in a demo that is there.
    fn differs_from(&self, config: &ClusterConfig) -> Option<String> {
        let nodes = u16::try_from(config.nodes.len()).unwrap_or(u16::MAX);
        let first = config.nodes.first()?;
        let shelves = u16::try_from(first.shelves.len()).unwrap_or(u16::MAX);
        let admin = first.listeners.get(&Listener::Admin)?.port;
        let base_port = admin.saturating_sub(Listener::Admin.standard_port() + cluster_config::limits::DEMO_PORT_STEP);
        if self.nodes.is_some_and(|asked| asked != nodes) {
            return Some(format!("has {nodes} nodes"));
        }
        if self.shelves.is_some_and(|asked| asked != shelves) {
            return Some(format!("has {shelves} shelves on a node"));
        }
        if self.groups.is_some_and(|asked| asked != config.groups) {
            return Some(format!("has {} mail groups", config.groups));
        }
        if self.base_port.is_some_and(|asked| asked != base_port) {
            return Some(format!("has base port {base_port}"));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU16, Ordering};

    use super::*;

    const NOTHING_ASKED: Shape = Shape {
        nodes: None,
        shelves: None,
        groups: None,
        base_port: None,
    };

    /// A base port from which five nodes find theirs free, as far as can be told; another one for each test.
    fn free_base() -> u16 {
        static TAKEN: AtomicU16 = AtomicU16::new(0);
        let is_free = |base: &u16| {
            let shape = Shape {
                nodes: Some(5),
                base_port: Some(*base),
                ..NOTHING_ASKED
            };
            let text = cluster_file(&shape.or_default()).unwrap();
            taken_port(&ClusterConfig::parse(Path::new("/d/cluster.toml"), &text).unwrap()).is_none()
        };
        // Ports repeat every thousand, so that a step below that keeps two demos apart.
        let from = TAKEN.fetch_add(1, Ordering::Relaxed) * 7 + u16::try_from(std::process::id() % 700).unwrap();
        let mut bases = (1_100 + from..58_000).step_by(1_009);
        bases.find(is_free).expect("five thousand free ports")
    }

    #[test]
    fn a_new_demo_that_would_not_get_its_ports_is_not_founded() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::take(dir.path()).unwrap();
        let base = free_base();
        let holder = TcpListener::bind(("127.0.0.1", base + 2_143)).unwrap();
        let shape = Shape {
            base_port: Some(base),
            ..NOTHING_ASKED
        };
        let error = place.cluster(&shape).unwrap_err().to_string();
        let named = format!("port {}, for imap of n2", base + 2_143);
        assert!(error.contains(&named) && error.contains("--base-port"), "{error}");
        drop(holder);
        assert!(place.cluster(&shape).is_ok());
    }

    #[test]
    fn a_demo_keeps_its_shape_and_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::take(dir.path()).unwrap();
        let base = free_base();
        let five = Shape {
            nodes: Some(5),
            base_port: Some(base),
            ..NOTHING_ASKED
        };
        assert_eq!(place.cluster(&five).unwrap().nodes.len(), 5);
        assert_eq!(place.cluster(&NOTHING_ASKED).unwrap().nodes.len(), 5);
        assert!(place.cluster(&five).is_ok());
        let other = Shape {
            base_port: Some(base + 1),
            ..NOTHING_ASKED
        };
        let error = place.cluster(&other).unwrap_err().to_string();
        assert!(error.contains(&format!("has base port {base}")), "{error}");
    }

    #[test]
    fn a_directory_with_something_else_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
        fs::write(dir.path().join("thesis"), "").unwrap();
        assert!(Place::take(dir.path()).is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        assert_eq!(fs::metadata(dir.path()).unwrap().permissions().mode() & 0o777, 0o755);
    }

    #[test]
    fn one_demo_runs_in_a_directory_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let _place = Place::take(dir.path()).unwrap();
        assert!(Place::take(dir.path()).is_err());
    }

    #[test]
    fn a_cluster_is_founded_once() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::take(dir.path()).unwrap();
        let shape = Shape {
            base_port: Some(free_base()),
            ..NOTHING_ASKED
        };
        let config = place.cluster(&shape).unwrap();
        assert!(place.found(&config).unwrap().is_some());
        assert!(place.found(&config).unwrap().is_none());
    }
}
