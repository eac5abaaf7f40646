//! Running nodes under strace, and reading what it wrote.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Call;
use crate::process::Cluster;

/// Calls that say when bytes came, went, and became durable.
const CALLS: &str = "trace=read,readv,recvfrom,write,writev,pwrite64,sendto,fdatasync,fsync";
/// Bytes of an argument that strace writes: more than a client sends at once here.
const ARGUMENT_BYTES: &str = "65536";

/// Where strace writes what nodes do.
pub struct Tracer {
    dir: PathBuf,
}

/// Whether one process may look at another here, or why not.
///
/// # Errors
/// What strace has to say, or why it does not run.
pub fn may_trace() -> Result<(), String> {
    let output = Command::new("strace").args(["-f", "-o", "/dev/null", "true"]).output();
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Err(format!("strace: {error}")),
    }
}

impl Tracer {
    /// Starts every node of the cluster anew, each under strace, and waits until all groups are led.
    ///
    /// # Panics
    /// When that does not work.
    pub fn restart(cluster: &mut Cluster) -> Self {
        let dir = cluster.dir().join("trace");
        fs::create_dir(&dir).expect("a directory can be made");
        let tracer = Self { dir };
        let nodes: Vec<u16> = cluster.nodes().collect();
        cluster.kill_all(&nodes);
        for node in &nodes {
            // A file for each thread, in which each line is a whole call; calls that are not asked for cost nothing.
            let mut wrapper: Vec<OsString> = ["strace", "-ff", "-ttt", "-T", "-yy", "--seccomp-bpf"]
                .map(Into::into)
                .into();
            wrapper.extend(["-s", ARGUMENT_BYTES, "-e", CALLS, "-o"].map(Into::into));
            wrapper.push(tracer.dir.join(format!("n{node}")).into());
            cluster.start_node_under(*node, &wrapper.iter().map(OsString::as_os_str).collect::<Vec<&OsStr>>());
        }
        nodes.iter().for_each(|node| cluster.wait_until_up(*node));
        cluster.wait_until_led();
        tracer
    }

    /// All calls of all nodes so far, by the times at which they were seen to begin.
    ///
    /// # Panics
    /// When the files cannot be read.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        let mut calls = Vec::new();
        for entry in fs::read_dir(&self.dir).expect("the directory is there") {
            calls.extend(of_thread(&entry.expect("it can be listed").path()));
        }
        calls.sort_by_key(|call| call.began_us);
        calls
    }
}

fn of_thread(path: &Path) -> Vec<Call> {
    let text = fs::read(path).expect("the file can be read");
    String::from_utf8_lossy(&text).lines().filter_map(Call::parse).collect()
}
