//! mbsync (isync): a Maildir and an account's mailboxes kept alike, changes on both sides allowed.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use super::{PASSWORD, Place, address, read};
use crate::mail::{crlf, lf};

/// A local copy of one account.
pub struct Mbsync {
    dir: PathBuf,
    account: u32,
}

/// A message of a [`Mbsync`].
#[derive(Clone, Debug)]
pub struct LocalMessage {
    /// Its mailbox, as IMAP writes the name.
    pub mailbox: String,
    /// System flags without their backslash.
    pub flags: BTreeSet<String>,
    /// Lines end with CR LF.
    pub bytes: Vec<u8>,
    /// Where it is.
    pub path: PathBuf,
}

/// Letters of flags in file names of a Maildir.
const LETTERS: [(char, &str); 4] = [('D', "Draft"), ('F', "Flagged"), ('R', "Answered"), ('S', "Seen")];

impl Mbsync {
    /// An empty copy of an account, in a directory that is there.
    #[must_use]
    pub fn new(dir: &Path, account: u32) -> Self {
        Self {
            dir: dir.to_owned(),
            account,
        }
    }

    fn maildir(&self) -> PathBuf {
        self.dir.join("maildir")
    }

    /// The configuration for one node, with one command at a time, so that a kill finds much left to do. What mbsync knows of the account does not depend on it.
    fn configure(&self, at: &Place) -> PathBuf {
        let maildir = self.maildir();
        fs::create_dir_all(&maildir).expect("a directory can be made");
        let (user, port, ca, maildir) = (address(self.account), at.port(993), at.ca.display(), maildir.display());
        let text = format!(
            "IMAPAccount account\nHost localhost\nPort {port}\nUser {user}\nPass {PASSWORD}\nSSLType IMAPS\n\
             SystemCertificates no\nCertificateFile {ca}\nTimeout 60\nPipelineDepth 1\n\n\
             IMAPStore far\nAccount account\n\n\
             MaildirStore near\nPath {maildir}/\nInbox {maildir}/INBOX\nSubFolders Verbatim\n\n\
             Channel all\nFar :far:\nNear :near:\nPatterns *\nCreate Both\nExpunge Both\nSyncState *\n\
             CopyArrivalDate yes\n"
        );
        let file = self.dir.join("mbsyncrc");
        fs::write(&file, text).expect("a file can be written");
        file
    }

    /// Starts a run at a node.
    ///
    /// # Panics
    /// When there is no mbsync.
    #[must_use]
    pub fn start(&self, at: &Place) -> Child {
        let mut mbsync = Command::new("mbsync");
        mbsync.arg("--config").arg(self.configure(at)).arg("all");
        mbsync
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        mbsync.spawn().unwrap_or_else(|error| panic!("{mbsync:?}: {error}"))
    }

    /// A run at a node, to its end.
    #[must_use]
    pub fn run(&self, at: &Place) -> Output {
        self.start(at).wait_with_output().expect("it is a child")
    }

    /// Everything in the Maildir.
    ///
    /// # Panics
    /// When it cannot be read.
    #[must_use]
    pub fn messages(&self) -> Vec<LocalMessage> {
        let mut messages = Vec::new();
        let root = self.maildir();
        collect(&root, &root, &mut messages);
        messages
    }

    /// Files a new message in a mailbox, as a mail program does that works on a Maildir.
    ///
    /// # Panics
    /// When there is no such mailbox.
    pub fn add(&self, mailbox: &str, name: &str, message: &[u8]) {
        let file = self.maildir().join(mailbox).join("new").join(name);
        fs::write(file, lf(message)).expect("the mailbox is there");
    }
}

impl LocalMessage {
    /// Gives it other flags, as a mail program does that works on a Maildir.
    ///
    /// # Panics
    /// When it is gone.
    pub fn flag(&self, flags: &BTreeSet<String>) {
        let name = self.path.file_name().expect("a file").to_string_lossy().into_owned();
        let base = name.split_once(":2,").map_or(name.as_str(), |(base, _)| base);
        let letters = LETTERS.iter().filter(|(_, flag)| flags.contains(*flag));
        let letters: String = letters.map(|(letter, _)| letter).collect();
        let mailbox = self.path.parent().and_then(Path::parent).expect("a mailbox");
        fs::rename(&self.path, mailbox.join("cur").join(format!("{base}:2,{letters}"))).expect("it is there");
    }

    /// Removes it.
    ///
    /// # Panics
    /// When it is gone.
    pub fn remove(&self) {
        fs::remove_file(&self.path).expect("it is there");
    }
}

fn collect(root: &Path, dir: &Path, messages: &mut Vec<LocalMessage>) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries {
        let path = entry.expect("an entry of a directory").path();
        let parent = dir.file_name().expect("a directory").to_string_lossy().into_owned();
        if path.is_dir() {
            collect(root, &path, messages);
        } else if parent == "cur" || parent == "new" {
            let mailbox = dir.parent().and_then(|mailbox| mailbox.strip_prefix(root).ok());
            messages.push(LocalMessage {
                mailbox: mailbox.expect("below the root").display().to_string(),
                flags: flags(&path),
                bytes: crlf(&read(&path)),
                path,
            });
        }
    }
}

fn flags(path: &Path) -> BTreeSet<String> {
    let name = path.file_name().expect("a file").to_string_lossy();
    let letters = name.split_once(":2,").map_or("", |(_, letters)| letters);
    let known = LETTERS.iter().filter(|(letter, _)| letters.contains(*letter));
    known.map(|(_, flag)| (*flag).to_owned()).collect()
}
