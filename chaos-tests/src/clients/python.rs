//! Python's smtplib, imaplib and poplib, through the scripts in `chaos-tests/clients`.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::{Answer, Errand, PASSWORD, Place, Protocol, Sender, address, text};

/// Python, which sends many messages on one connection.
pub struct Python;

/// A message that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// The account's address.
    pub user: String,
    /// The mailbox as IMAP writes its name; empty for POP3.
    pub mailbox: String,
    /// UID, or unique id of POP3.
    pub id: String,
    /// System flags without their backslash, but for Recent; none for POP3.
    pub flags: BTreeSet<String>,
    /// Octets as the server counts them.
    pub size: u64,
    /// As they came.
    pub bytes: Vec<u8>,
}

impl Sender for Python {
    fn name(&self) -> &'static str {
        "smtplib"
    }

    fn deliver(&self, to: &Place, protocol: Protocol, errands: &[Errand]) -> Vec<Answer> {
        let name = match protocol {
            Protocol::Smtp => "smtp",
            Protocol::Lmtp => "lmtp",
        };
        let mut arguments = vec![name.to_owned(), to.port(protocol.port())];
        if protocol == Protocol::Smtp {
            arguments.push(to.ca.display().to_string());
        }
        let answer = |line: &Value| {
            let code = &line["code"];
            (code == 250, format!("{code} {}", string(&line["text"])))
        };
        send("send.py", &arguments, to, errands, answer)
    }
}

impl Python {
    /// Puts messages into INBOX over IMAP.
    #[must_use]
    pub fn append(to: &Place, errands: &[Errand]) -> Vec<Answer> {
        let arguments = [to.port(993), to.ca.display().to_string(), PASSWORD.to_owned()];
        let answer = |line: &Value| {
            let status = string(&line["status"]);
            (status == "OK", format!("{status} {}", string(&line["text"])))
        };
        send("append.py", &arguments, to, errands, answer)
    }

    /// Puts messages into INBOX of an account over IMAP, those of each batch with one command. Gives the tagged replies,
    /// and for how many messages of a batch the server asked.
    ///
    /// # Panics
    /// When MULTIAPPEND is not offered.
    #[must_use]
    pub fn append_together(to: &Place, account: u32, batches: &[Vec<PathBuf>]) -> Vec<(String, usize)> {
        let steps: Vec<Value> = batches.iter().map(|files| json!(files)).collect();
        let plan = plan("append_together.py", to, &steps);
        let mut command = script("append_together.py");
        command
            .arg(to.port(993))
            .arg(&to.ca)
            .args([PASSWORD, &address(account)])
            .stdin(plan);
        let answer = |line: &Value| {
            let asked = line[2].as_u64().and_then(|asked| asked.try_into().ok());
            let reply = format!("{} {}", string(&line[0]), string(&line[1]));
            (reply, asked.expect("a number"))
        };
        lines(&mut command).iter().map(answer).collect()
    }

    /// Reads all mailboxes of accounts over IMAP, in the order in which messages are told. Leaves their flags alone.
    #[must_use]
    pub fn read_imap(from: &Place, accounts: &[u32]) -> Vec<Read> {
        fetch("read_imap.py", "uid", 993, from, accounts)
    }

    /// Changes mailboxes of an account; `edit.py` says what an edit looks like.
    ///
    /// # Panics
    /// When one does not succeed.
    pub fn edit(at: &Place, account: u32, edits: &[Value]) {
        let plan = plan("edit.py", at, edits);
        let mut command = script("edit.py");
        command
            .arg(at.port(993))
            .arg(&at.ca)
            .args([PASSWORD, &address(account)])
            .stdin(plan);
        let answers = lines(&mut command);
        assert_eq!(answers.len(), edits.len());
        for (edit, answer) in edits.iter().zip(&answers) {
            assert!(answer[0] == "OK", "{edit}: {answer}");
        }
    }

    /// Reads the maildrops of accounts over POP3, in the order of message numbers, and leaves them as they are.
    #[must_use]
    pub fn read_pop3(from: &Place, accounts: &[u32]) -> Vec<Read> {
        fetch("read_pop3.py", "uidl", 995, from, accounts)
    }
}

fn string(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn script(name: &str) -> Command {
    let mut command = Command::new("python3");
    command.arg(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("clients").join(name));
    command
}

/// Runs a script; gives the objects that it wrote.
fn lines(command: &mut Command) -> Vec<Value> {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let written = text(&output.stdout);
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}\nafter {:?}",
        output.status,
        text(&output.stderr),
        written.lines().last()
    );
    let parse = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{command:?}: {error}: {line}"));
    written.lines().map(parse).collect()
}

/// What a script is to do, one value a line.
fn plan(name: &str, at: &Place, steps: &[Value]) -> File {
    let path = at.dir.join(format!("{name}.plan"));
    let text: String = steps.iter().map(|step| format!("{step}\n")).collect();
    fs::write(&path, text).expect("a file can be written");
    File::open(path).expect("it was just written")
}

fn send(
    name: &str,
    arguments: &[String],
    to: &Place,
    errands: &[Errand],
    answer: impl Fn(&Value) -> (bool, String),
) -> Vec<Answer> {
    let line = |errand: &Errand| {
        let (from, to) = (errand.sender(), errand.recipient());
        json!({"id": errand.id, "from": from, "to": to, "file": errand.file})
    };
    let errands: Vec<Value> = errands.iter().map(line).collect();
    let plan = plan(name, to, &errands);
    let answers = lines(script(name).args(arguments).stdin(plan));
    let answer = |line: &Value| {
        let (is_accepted, reply) = answer(line);
        Answer {
            id: line["id"]
                .as_u64()
                .and_then(|id| id.try_into().ok())
                .expect("the errand's id"),
            is_accepted,
            reply,
        }
    };
    answers.iter().map(answer).collect()
}

fn fetch(name: &str, id: &str, port: u16, from: &Place, accounts: &[u32]) -> Vec<Read> {
    let mut command = script(name);
    command.arg(from.port(port)).arg(&from.ca).arg(PASSWORD).arg(&from.dir);
    command
        .args(accounts.iter().map(|account| address(*account)))
        .stdin(Stdio::null());
    let message = |line: &Value| {
        let file = PathBuf::from(string(&line["file"]));
        let bytes = super::read(&file);
        fs::remove_file(file).expect("it is there");
        Read {
            user: string(&line["user"]),
            mailbox: line["mailbox"].as_str().unwrap_or_default().to_owned(),
            id: string(&line[id]),
            flags: line["flags"].as_array().into_iter().flatten().map(string).collect(),
            size: line["size"].as_u64().expect("a number"),
            bytes,
        }
    };
    lines(&mut command).iter().map(message).collect()
}
