//! A mount, and other processes that use it: this one must not.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Instant;

use chaos_tests::fault_fs::Mount;
use chaos_tests::process::limits::{LOOK_EVERY, PATIENCE};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A directory with a mount in it.
pub(crate) struct Rig {
    pub(crate) mount: Mount,
    _dir: TempDir,
}

impl Rig {
    pub(crate) fn new(seed: u64) -> Self {
        let dir = tempfile::tempdir().expect("a directory can be made");
        let at = dir.path().join("mounted");
        std::fs::create_dir(&at).expect("a directory can be made");
        let mount = Mount::new(&dir.path().join("behind"), &at, seed).expect("it can be mounted");
        Self { mount, _dir: dir }
    }

    /// What a file holds past all faults.
    pub(crate) fn behind(&self, path: &str) -> String {
        std::fs::read_to_string(self.mount.files().join(path)).unwrap_or_else(|error| error.kind().to_string())
    }

    /// Waits until a call hangs.
    pub(crate) fn see_held_up(&self) {
        let deadline = Instant::now() + PATIENCE;
        while self.mount.held_up() == 0 {
            assert!(Instant::now() < deadline, "no call hangs");
            thread::sleep(LOOK_EVERY);
        }
    }

    /// A process that uses the mount.
    pub(crate) fn user(&self) -> User {
        User::start(self.mount.at())
    }
}

/// A process that does plain file operations.
pub(crate) struct User {
    process: Child,
    told: ChildStdin,
    answers: Receiver<Value>,
}

impl User {
    fn start(at: &Path) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/clients/files.py");
        let mut process = Command::new("python3")
            .arg(script)
            .arg(at)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 runs");
        let (told, said) = (process.stdin.take(), process.stdout.take());
        let (sender, answers) = mpsc::channel();
        let said = BufReader::new(said.expect("a pipe"));
        thread::spawn(move || {
            for line in said.lines().map_while(Result::ok) {
                let answer = serde_json::from_str(&line).expect("it answers in JSON");
                // The other end goes with the test.
                let _ = sender.send(answer);
            }
        });
        let told = told.expect("a pipe");
        Self { process, told, answers }
    }

    /// Begins an operation; see `clients/files.py`.
    pub(crate) fn begin(&mut self, operation: &Value) {
        writeln!(self.told, "{operation}").expect("it reads");
    }

    /// What the operation came to that was begun.
    pub(crate) fn end(&mut self) -> Result<Value, String> {
        let mut answer = self.answers.recv_timeout(PATIENCE).expect("an answer");
        match answer["failed"].take() {
            Value::String(errno) => Err(errno),
            _ => Ok(answer["ok"].take()),
        }
    }

    /// Whether the operation that was begun is under way.
    pub(crate) fn is_waiting(&self) -> bool {
        self.answers.try_recv().is_err()
    }

    pub(crate) fn ask(&mut self, operation: &Value) -> Result<Value, String> {
        self.begin(operation);
        self.end()
    }

    /// Does what has to work.
    pub(crate) fn does(&mut self, operation: Value) -> Value {
        let outcome = self.ask(&operation);
        outcome.unwrap_or_else(|errno| panic!("{operation}: {errno}"))
    }

    /// Makes a file, durable with its name, and leaves it open under `label`.
    pub(crate) fn put(&mut self, label: &str, path: &str, text: &str) {
        self.does(json!(["open", label, path, "c"]));
        self.does(json!(["write", label, 0, text]));
        self.does(json!(["sync", label]));
        let parent = Path::new(path)
            .parent()
            .and_then(Path::to_str)
            .filter(|parent| !parent.is_empty());
        self.does(json!(["sync-directory", parent.unwrap_or(".")]));
    }

    /// Kills it, as the harness kills nodes.
    pub(crate) fn kill(mut self, mount: &Mount) {
        self.process.kill().expect("it runs");
        mount.let_go();
        self.process.wait().expect("it ends");
    }
}

impl Drop for User {
    fn drop(&mut self) {
        let _ = self.process.kill();
        // Where it hangs for ever, the mount ends that when it goes.
        let _ = self.process.try_wait();
    }
}
