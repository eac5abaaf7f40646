//! fetchmail: each message of a maildrop fetched once over POP3, to a directory.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use super::{PASSWORD, Place, address, read};
use crate::mail::crlf;

/// What becomes of mail that was fetched. It is known by its unique id in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fetching {
    /// It stays.
    Keeping,
    /// It is deleted.
    Deleting,
}

/// Where one account's mail is fetched to.
pub struct Fetchmail {
    dir: PathBuf,
    account: u32,
    fetching: Fetching,
}

impl Fetchmail {
    /// Nothing fetched yet; the directory is there.
    ///
    /// # Panics
    /// When it cannot be written to.
    #[must_use]
    pub fn new(dir: &Path, account: u32, fetching: Fetching) -> Self {
        fs::create_dir_all(dir.join("mail")).expect("a directory can be made");
        Self {
            dir: dir.to_owned(),
            account,
            fetching,
        }
    }

    fn configure(&self, at: &Place) -> PathBuf {
        let keep = match self.fetching {
            Fetching::Keeping => "keep",
            // Old ones too, whose deletion a broken connection has undone.
            Fetching::Deleting => "nokeep flush",
        };
        let port = at.port(995);
        let (user, ca, dir) = (address(self.account), at.ca.display(), self.dir.display());
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("clients/keep.sh");
        let text = format!(
            "set no bouncemail\nset no spambounce\nset invisible\n\
             poll localhost service {port} protocol POP3 uidl timeout 60\n\
             user \"{user}\" password \"{PASSWORD}\" ssl sslcertck sslcertfile \"{ca}\"\n\
             {keep} no rewrite pass8bits\nmda \"sh {} {dir}\"\n",
            script.display()
        );
        let file = self.dir.join("fetchmailrc");
        // It refuses one that others could read.
        let options = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&file);
        let written = options.and_then(|mut file| file.write_all(text.as_bytes()));
        written.expect("a file can be written");
        file
    }

    /// Starts a run at a node.
    ///
    /// # Panics
    /// When there is no fetchmail.
    #[must_use]
    pub fn start(&self, at: &Place) -> Child {
        let mut fetchmail = Command::new("fetchmail");
        fetchmail
            .env("FETCHMAILHOME", &self.dir)
            .arg("--nosyslog")
            .arg("--fetchmailrc")
            .arg(self.configure(at));
        fetchmail
            .arg("--idfile")
            .arg(self.dir.join("ids"))
            .arg("--pidfile")
            .arg(self.dir.join("pid"));
        fetchmail
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        fetchmail
            .spawn()
            .unwrap_or_else(|error| panic!("{fetchmail:?}: {error}"))
    }

    /// A run at a node, to its end.
    #[must_use]
    pub fn run(&self, at: &Place) -> Output {
        self.start(at).wait_with_output().expect("it is a child")
    }

    /// Has fetchmail wait once it has fetched `count` messages in all, until [`Self::go_on`].
    ///
    /// # Panics
    /// When the directory is gone.
    pub fn hold_after(&self, count: usize) {
        fs::write(self.dir.join("hold"), count.to_string()).expect("a file can be written");
    }

    /// Lets it go on.
    ///
    /// # Panics
    /// When it was not held.
    pub fn go_on(&self) {
        fs::remove_file(self.dir.join("hold")).expect("it was held");
    }

    /// How many messages were fetched.
    #[must_use]
    pub fn count(&self) -> usize {
        self.paths().len()
    }

    /// What was fetched; lines end with CR LF.
    #[must_use]
    pub fn messages(&self) -> Vec<Vec<u8>> {
        self.paths().iter().map(|path| crlf(&read(path))).collect()
    }

    fn paths(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.dir.join("mail")).expect("it was made");
        entries
            .map(|entry| entry.expect("an entry of a directory").path())
            .collect()
    }
}
