//! Mail programs that were not written here, driven from tests: swaks, curl, Python's smtplib, imaplib and poplib,
//! mbsync and fetchmail. What they agree on, a server of ours did not make up.
//!
//! They panic when a program is missing or fails in a way that is not the answer to a message, with all that it wrote.
//!
//! Must not know: what a message should look like.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::process::Cluster;

mod curl;
mod fetchmail;
mod mbsync;
mod python;
mod swaks;

pub use curl::Curl;
pub use fetchmail::{Fetching, Fetchmail};
pub use mbsync::{LocalMessage, Mbsync};
pub use python::{Python, Read};
pub use swaks::Swaks;

/// The password of every account of a demo.
const PASSWORD: &str = "demo";

/// One message on its way into one account.
#[derive(Clone, Debug)]
pub struct Errand {
    /// Stands in the sender's address, by which the message is known again.
    pub id: usize,
    /// Number of the account.
    pub account: u32,
    /// Where the bytes are.
    pub file: PathBuf,
}

/// The address of a demo's account.
#[must_use]
pub fn address(account: u32) -> String {
    format!("user{account}@demo.test")
}

impl Errand {
    /// The sender's address, one for each message.
    #[must_use]
    pub fn sender(&self) -> String {
        format!("m{}@sender.example", self.id)
    }

    fn recipient(&self) -> String {
        address(self.account)
    }
}

/// What became of an [`Errand`].
#[derive(Clone, Debug)]
pub struct Answer {
    /// The errand's.
    pub id: usize,
    /// Whether the server took the message.
    pub is_accepted: bool,
    /// The reply that decided, with its code, as far as the client shows it.
    pub reply: String,
}

/// A program that puts messages in, one node and protocol at a time.
pub trait Sender: Sync {
    /// Of the program.
    fn name(&self) -> &'static str;

    /// Sends over SMTP (port 25) or LMTP (port 24).
    fn deliver(&self, to: &Place, protocol: Protocol, errands: &[Errand]) -> Vec<Answer>;
}

/// By which protocol mail is delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// RFC 5321.
    Smtp,
    /// RFC 2033.
    Lmtp,
}

impl Protocol {
    /// The standard port.
    fn port(self) -> u16 {
        match self {
            Self::Smtp => 25,
            Self::Lmtp => 24,
        }
    }
}

/// A node as mail programs see it.
#[derive(Clone, Debug)]
pub struct Place {
    /// Its port of a service, less that service's standard port.
    base_port: u16,
    /// The certificate of the authority that signed what it shows.
    ca: PathBuf,
    /// Where a client may leave files.
    dir: PathBuf,
}

impl Place {
    /// The node of that number; `dir` is for files of clients, of one at a time.
    #[must_use]
    pub fn new(cluster: &Cluster, node: u16, dir: &Path) -> Self {
        Self {
            base_port: cluster.port(node, 0),
            ca: cluster.node_dir(node).join("ca.pem"),
            dir: dir.to_owned(),
        }
    }

    fn port(&self, standard_port: u16) -> String {
        (self.base_port + standard_port).to_string()
    }
}

/// Runs a program to its end.
fn run(command: &mut Command) -> Output {
    let output = command.stdin(Stdio::null()).output();
    output.unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
