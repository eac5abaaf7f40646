//! The processes of a demo's nodes: started as an operator starts them, stopped by their pid files.
//!
//! Invariants
//! - A node that runs already, from an earlier demo or by hand, is used as it is.
//! - Whether a node runs is told by the lock on its state directory, so no pid of another process gets a signal.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, bail};
use cluster_config::{ClusterConfig, LOCK_FILE, NodeConfig, PID_FILE, SHELVES_MADE_FILE};
use futures::future::try_join_all;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::time::{Instant, sleep};

use crate::limits::{DEMO_LOG_LINES, DEMO_LOOK_EVERY, DEMO_STOP_WITHIN};

const LOG_FILE: &str = "log";
/// The node's program, beside this one.
pub(crate) const NODE_PROGRAM: &str = "holdfast-node";

/// Where the programs are.
#[derive(Clone)]
pub(crate) struct Programs {
    /// This one.
    pub(crate) tool: PathBuf,
    /// `holdfast-node`, beside it.
    pub(crate) node: PathBuf,
}

impl Programs {
    pub(crate) fn find() -> anyhow::Result<Self> {
        let tool = std::env::current_exe().context("find this program")?;
        let node = tool.with_file_name(NODE_PROGRAM);
        if !node.is_file() {
            bail!(
                "there is no {}, which a demo runs: install it beside this program, or build it with cargo build -p node",
                node.display()
            );
        }
        Ok(Self { tool, node })
    }

    /// The command that starts a node, to be pasted into a shell.
    pub(crate) fn start_command(&self, config: &ClusterConfig, node: &str) -> String {
        format!("{} --config {} --node {node}", quoted(&self.node), quoted(&config.file))
    }
}

/// A path as a shell takes it.
pub(crate) fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+,:@%".contains(&byte);
    if !text.is_empty() && text.bytes().all(is_plain) {
        return text;
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// All nodes of a demo.
pub(crate) struct Nodes {
    config: ClusterConfig,
    programs: Programs,
    /// Those that this demo has started, by the number of their node.
    children: Vec<(usize, Child)>,
}

impl Nodes {
    pub(crate) fn new(config: &ClusterConfig, programs: Programs) -> Self {
        Self {
            config: config.clone(),
            programs,
            children: Vec::new(),
        }
    }

    pub(crate) fn programs(&self) -> &Programs {
        &self.programs
    }

    fn command(&self, node: &NodeConfig) -> anyhow::Result<Command> {
        let path = node.state_dir.join(LOG_FILE);
        let log = OpenOptions::new().append(true).create(true).mode(0o600).open(&path);
        let log = log.with_context(|| format!("open {}", path.display()))?;
        let mut command = Command::new(&self.programs.node);
        command
            .arg("--config")
            .arg(&self.config.file)
            .args(["--node", node.name.as_str()])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            // Ctrl-C is for the demo, which stops its nodes in order.
            .process_group(0);
        Ok(command)
    }

    /// Has every node make its shelves that has none yet.
    pub(crate) async fn make_shelves(&self) -> anyhow::Result<()> {
        let without = self
            .config
            .nodes
            .iter()
            .filter(|node| !node.state_dir.join(SHELVES_MADE_FILE).exists());
        let making = without.map(|node| async move {
            let mut command = self.command(node)?;
            command.arg("--init-shelves");
            let ended = tokio::process::Command::from(command).status().await?;
            if !ended.success() {
                bail!("node {} could not make its shelves:\n{}", node.name, last_lines(node));
            }
            Ok(())
        });
        try_join_all(making).await.map(drop)
    }

    /// Starts every node that does not run.
    pub(crate) fn start(&mut self) -> anyhow::Result<()> {
        for (number, node) in self.config.nodes.iter().enumerate() {
            if is_running(node)? {
                continue;
            }
            let child = self.command(node)?.spawn();
            let child = child.with_context(|| format!("start {}", self.programs.node.display()))?;
            self.children.push((number, child));
        }
        Ok(())
    }

    /// Fails when a node that this demo has started is gone.
    pub(crate) fn ensure_alive(&mut self) -> anyhow::Result<()> {
        for (number, child) in &mut self.children {
            if child.try_wait()?.is_some() {
                let node = &self.config.nodes[*number];
                bail!("node {} did not start:\n{}", node.name, last_lines(node));
            }
        }
        Ok(())
    }

    /// Takes note of nodes that ended, so that no zombie stays.
    pub(crate) fn reap(&mut self) {
        self.children
            .retain_mut(|(_, child)| matches!(child.try_wait(), Ok(None)));
    }

    /// Stops every node that runs, whoever started it, and waits until it is gone.
    pub(crate) async fn stop(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + DEMO_STOP_WITHIN;
        let mut signalled = vec![false; self.config.nodes.len()];
        loop {
            self.reap();
            let mut running = Vec::new();
            for (number, node) in self.config.nodes.iter().enumerate() {
                if !is_running(node)? {
                    continue;
                }
                running.push(node.name.as_str());
                // A node that has just started may not have written its pid yet.
                if !signalled[number]
                    && let Some(pid) = pid(node)
                {
                    signalled[number] = kill(pid, Signal::SIGTERM).is_ok();
                }
            }
            if running.is_empty() && self.children.is_empty() {
                return Ok(());
            }
            if Instant::now() >= deadline {
                bail!("these nodes did not stop: {}", running.join(", "));
            }
            sleep(DEMO_LOOK_EVERY).await;
        }
    }
}

fn pid(node: &NodeConfig) -> Option<Pid> {
    let text = fs::read_to_string(node.state_dir.join(PID_FILE)).ok()?;
    let pid: i32 = text.trim().parse().ok()?;
    (pid > 1).then(|| Pid::from_raw(pid))
}

/// Whether a process has the state directory of `node`.
fn is_running(node: &NodeConfig) -> anyhow::Result<bool> {
    let path = node.state_dir.join(LOCK_FILE);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error).with_context(|| format!("open {}", path.display())),
    };
    match Flock::lock(file, FlockArg::LockSharedNonblock) {
        Ok(_free) => Ok(false),
        Err((_, Errno::EWOULDBLOCK)) => Ok(true),
        Err((_, errno)) => Err(errno).with_context(|| format!("lock {}", path.display())),
    }
}

/// The end of a node's log.
fn last_lines(node: &NodeConfig) -> String {
    let path = node.state_dir.join(LOG_FILE);
    let text = fs::read(&path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let mut lines: Vec<&str> = text.lines().rev().take(DEMO_LOG_LINES).collect();
    lines.reverse();
    format!("{}\n(more in {})", lines.join("\n"), path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_quoted_where_a_shell_would_split_them() {
        assert_eq!(quoted(Path::new("/srv/demo-1/n1")), "/srv/demo-1/n1");
        assert_eq!(quoted(Path::new("/srv/my demo")), "'/srv/my demo'");
        assert_eq!(quoted(Path::new("/srv/ann's")), r"'/srv/ann'\''s'");
    }
}
